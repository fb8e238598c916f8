/// Files from which a run continues as if it had not stopped.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ladder/ops/product.h"
#include "ladder/train/fused_adam.h"

namespace ladder::train {

/// Where a run stands, beside its network and its optimiser.
struct TrainState {
  int64_t step = 0;  ///< steps done
  int64_t steps_per_epoch = 0;
  uint64_t noise_seed = 0;  ///< of the NoiseSource
  uint64_t noise_offset = 0;
  std::vector<double> cost_sums = {};  ///< over the steps of the current epoch so far
  std::optional<double> best_validation_error = {};
  int64_t best_epoch = 0;
  int64_t evaluated_epoch = 0;  ///< of the last evaluation
  double seconds = 0;           ///< so far
  double training_seconds = 0;
  std::string config = "{}";  ///< JSON, what the run was started with
  /// Routes differ in rounding, so a run keeps the plan that it was started with.
  ops::ProductPlan products = {};
};

/// Writes parameters and buffers of `net`, the state of `optimizer` and `state` to `path`,
/// atomically. Python reads the file with torch.load.
void save_checkpoint(const std::filesystem::path& path, const torch::nn::Module& net,
                     const FusedAdam& optimizer, const TrainState& state);

/// Reads a checkpoint back into `net` and `optimizer`, on whatever device they are.
///
/// Errors, one sentence each, with `net` and `optimizer` as they were: not a checkpoint; parameters
/// or buffers of other names, shapes or types than those of `net` (which are named).
TrainState load_checkpoint(const std::filesystem::path& path, torch::nn::Module& net,
                           FusedAdam& optimizer);

/// Parameters and buffers alone, to predict with. Errors as above.
void load_network(const std::filesystem::path& path, torch::nn::Module& net);

/// `TrainState::config` alone: what to build the network from.
std::string read_config(const std::filesystem::path& path);

}  // namespace ladder::train
