/// Run what the flags ask for: one seed or several, from the data to the last line.
#pragma once

#include <ladder/data/datasets.h>
#include <ladder/data/image_whitening.h>
#include <ladder/nn/ladder.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "apps/support/training_flags.h"

namespace ladder::apps {

/// Data and network of a program; the flags say the rest.
struct Experiment {
  std::string command;            ///< as typed, to say how to resume
  std::function<Ladder()> build;  ///< builds the network, with any initial parameters
  data::TrainTest data;           ///< images as bytes, or floating rows
  /// How bytes became the rows of `data`, where these are whitened images.
  std::optional<data::ImageWhitening> whitening = {};
  std::string fingerprint;  ///< of the data as they were read, see `fingerprint`
  std::filesystem::path data_dir;
  /// True if rows that lie near each other are mostly of one class, as with digits and not with
  /// clothes: the clusters of a run that has ended are checked by that (checked_clusters.h).
  bool near_rows_share_class = false;
};

/// Train for each seed and print the outcome: the last line of one run, or the table of several,
/// which summary.json in their folder holds as well. A seed that fails, because a cost is not
/// finite say, keeps no other one of several from running. Returns 0, kInterrupted, or 1 if a seed
/// failed.
///
/// Throws UsageError when the data cannot be divided as asked, when a folder holds a run and
/// resuming was not asked for, and when that run has other settings or data (the sentence names
/// them).
int run_experiment(const Experiment& experiment, const TrainingFlags& flags);

}  // namespace ladder::apps
