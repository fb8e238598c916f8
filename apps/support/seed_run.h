/// One run of an experiment: a seed, or one of several starts from it.
#pragma once

#include <ladder/data/neighbours.h>
#include <ladder/data/split.h>
#include <ladder/nn/ladder.h>
#include <ladder/ops/product.h>
#include <ladder/runs/run_config.h>
#include <ladder/train/trainer.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "apps/support/checked_clusters.h"
#include "apps/support/experiment.h"
#include "apps/support/progress.h"
#include "apps/support/training_flags.h"

namespace ladder::apps {

/// Data on the device, shared by all runs.
struct PlacedData {
  torch::Tensor train_inputs, train_labels, test_inputs, test_labels;
  std::shared_ptr<data::SharedNeighbours> near;  ///< of all training rows
};

PlacedData place(const data::TrainTest& data, const runs::RunConfig& config);

/// Return data that are placed already for a run of another network on the same device: the same
/// memory and neighbours in another shape. Copies `data` anew only for another type of values.
PlacedData place_again(const PlacedData& placed, const data::TrainTest& data,
                       const runs::RunConfig& config);

/// Return rows [n, ...] in the shape that the network of a run takes, [n, input shape].
torch::Tensor in_shape(const torch::Tensor& rows, const runs::RunConfig& config);

/// Return how the settings of a run divide its training rows.
data::SplitOptions split_options(const runs::RunConfig& config, uint64_t seed);

/// Return the labeled, unlabeled and validation rows of a seed. Throws UsageError when the data
/// cannot be divided as the settings ask.
data::Split split_rows(const Experiment& experiment, const runs::RunConfig& config, uint64_t seed);

/// Return the neighbours of the unlabeled rows `unlabeled` of a run: those of all training rows
/// where it has no validation rows, since all are unlabeled ones then.
std::shared_ptr<data::SharedNeighbours> near_unlabeled(const PlacedData& placed,
                                                       const runs::RunConfig& config,
                                                       const torch::Tensor& unlabeled);

/// True if train::lost_clusters can tell of `rows` rows which clusters the network put into the
/// wrong class: near rows share their class, levels are denoised, and there are enough rows.
bool clusters_tell(const Experiment& experiment, const Ladder& net, int64_t rows);

/// Where a run is recorded, and what it differs by from the first start of its seed.
struct RunPlace {
  std::filesystem::path folder = {};
  std::optional<int64_t> start = {};  ///< which of several, from 1
  std::string name = {};              ///< before each of its lines
  bool shows_progress = true;
  /// Labels of training rows that teachers agree on, int64, -1 for others; undefined: none.
  torch::Tensor taught = {};
  bool only_result = false;  ///< the run has ended, and nothing but its result is asked for
  /// It labels rows of another run: how sure it must be is a setting of that one.
  bool teaches = false;
  /// Processes that train the run together; none: this one alone. Only rank 0 writes and prints.
  std::shared_ptr<train::Communicator> ranks = {};

  bool first_rank() const { return !ranks || ranks->rank() == 0; }
};

/// A run that is ready to start, with its progress line; or the result of a run that has ended,
/// where its checkpoint was deleted or nothing else was asked for.
struct SeedRun {
  runs::RunConfig config = {};
  Ladder net{nullptr};
  ops::ProductPlan products = {};  ///< of its steps and evaluations
  std::unique_ptr<ProgressLine> line = {};
  std::optional<train::Trainer> trainer = {};
  std::optional<train::TrainResult> result = {};
  bool ended = false;  ///< before it was opened
};

/// Prepare a run, or continue the one in its folder. Throws UsageError when the folder holds a run
/// and resuming was not asked for, and when that run has other settings or data.
SeedRun seed_run(const Experiment& experiment, const PlacedData& placed, const TrainingFlags& flags,
                 uint64_t seed, const RunPlace& place);

/// Throws UsageError: the folder holds a run, and resuming was not asked for.
[[noreturn]] void refuse_run_there(const std::filesystem::path& folder);

/// A run that has ended.
struct SeedResult {
  runs::RunConfig config = {};
  train::TrainResult result = {};
  torch::Tensor classes = {};  ///< of the first training rows; undefined where nobody asked
  std::optional<CheckedClusters> clusters = {};  ///< of all of them; none: not checked
  std::filesystem::path folder = {};             ///< in which it is recorded
};

}  // namespace ladder::apps
