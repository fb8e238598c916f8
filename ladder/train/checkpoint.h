/// Files from which a run continues as if it had not stopped.
#pragma once

#include <torch/nn/module.h>
#include <torch/optim/optimizer.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ladder/ops/product.h"

namespace ladder::train {

/// Where a run stands, beside its network and its optimiser.
struct TrainState {
  int64_t step = 0;  ///< steps done
  int64_t steps_per_epoch = 0;
  uint64_t noise_seed = 0;  ///< of the NoiseSource
  uint64_t noise_offset = 0;
  /// Sums over the steps of the current epoch so far: of each cost of the objective, then the
  /// total.
  std::vector<double> cost_sums = {};
  std::optional<double> best_validation_error = {};
  int64_t best_epoch = 0;
  int64_t evaluated_epoch = 0;  ///< of the last evaluation
  double seconds = 0;           ///< so far
  double training_seconds = 0;
  std::string config = "{}";  ///< JSON, what the run was started with
  /// Routes differ in rounding, so a run keeps the plan that it was started with.
  ops::ProductPlan products = {};
  /// What a resumed run must have again, by name: options of the trainer, and the fingerprint of
  /// its data (see data_fingerprint). Empty in files of older versions.
  std::map<std::string, std::string> settings = {};
  std::map<std::string, std::string> data = {};
  std::map<std::string, torch::Tensor> pieces = {};  ///< see StepHooks::state
};

/// Write parameters and buffers of `net`, the state of `optimizer` and `state` to `path`,
/// atomically. Python reads the file with torch.load. Error: an optimiser that saves no state.
void save_checkpoint(const std::filesystem::path& path, const torch::nn::Module& net,
                     const torch::optim::Optimizer& optimizer, const TrainState& state);

/// Read a checkpoint back into `net` and `optimizer`, on any device. `check` is called before
/// anything is changed, and may throw.
///
/// Errors, one sentence each, with `net` and `optimizer` as they were: not a checkpoint; parameters
/// or buffers with other names, shapes or types than those of `net` (which are named); the state of
/// another optimiser.
TrainState load_checkpoint(const std::filesystem::path& path, torch::nn::Module& net,
                           torch::optim::Optimizer& optimizer,
                           const std::function<void(const TrainState&)>& check = {});

/// Read only parameters and buffers, to predict with. Errors as above.
///
/// In the checkpoint of a run that was interrupted the statistics are those of its last evaluation,
/// of other weights than those beside them: call `calibrate` before predicting.
void load_network(const std::filesystem::path& path, torch::nn::Module& net);

/// Return only `TrainState::config`: what to build the network from.
std::string read_config(const std::filesystem::path& path);

}  // namespace ladder::train
