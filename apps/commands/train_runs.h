/// The runs of `ladder train`.
#pragma once

#include <ladder/classifier.h>
#include <ladder/data/samples.h>
#include <ladder/train/metrics.h>
#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "apps/commands/train_flags.h"
#include "apps/support/ranks.h"

namespace ladder::apps {

/// One trained classifier and how good it is.
struct Trained {
  uint64_t seed = 0;
  std::filesystem::path folder = {};
  Classifier classifier;
  FitReport fit = {};
  std::optional<train::ClassificationMetrics> held_back = {}, test = {};
  torch::Tensor held_back_wrong = {}, test_wrong = {};  ///< bool [rows]
};

/// Return the metrics of the test rows, else those of the rows that were held back; null if neither
/// were measured.
const train::ClassificationMetrics* outcome_of(const Trained& run);

/// Return which rows `outcome_of` measures, as messages call them.
std::string measured_on(const Trained& run);

/// Return a fact of a model, or null.
const std::string* fact_of(const Classifier& classifier, const std::string& name);

/// Train the network of `run` from the labels alone, in as many steps.
Trained train_alone(const TrainFlags& flags, const ClassifierOptions& options, const Trained& run,
                    const data::Samples& rows, const std::optional<data::Samples>& test);

/// Print how an interrupted run goes on; return the status to end with. `folds_left`: of the run in
/// the folder, whose model is there.
int interrupted(const TrainFlags& flags, const std::string& command,
                const std::filesystem::path& folder, int64_t folds_left = 0);

/// The runs of one call: one run, or one of each seed, which the ranks divide among them.
class SeedRuns {
 public:
  /// What it refers to must outlive it. `command`: the one that goes on with an interrupted run.
  SeedRuns(const TrainFlags& flags, ClassifierOptions options, const data::Samples& rows,
           const std::optional<data::Samples>& test, const Rank& rank, std::filesystem::path out,
           std::string command);

  /// Train what this rank takes; the first rank waits for the others and takes up their runs.
  /// Return 0, or the status to end with.
  int train_all();

  /// Return the runs, in the order of the seeds.
  const std::vector<Trained>& runs() const { return runs_; }

 private:
  std::filesystem::path folder_of(uint64_t seed) const;
  bool train_seed(uint64_t seed, const std::optional<std::string>& name);
  int train_share();
  int take_up_others();

  const TrainFlags& flags_;
  ClassifierOptions options_;
  const data::Samples& rows_;
  const std::optional<data::Samples>& test_;
  Rank rank_;
  std::filesystem::path out_;
  std::string command_;
  bool several_;
  std::vector<uint64_t> seeds_;
  Rank divided_;  // that of one among the seeds
  RankGroup group_;
  std::vector<Trained> runs_;
};

}  // namespace ladder::apps
