/// Other runs from the labels of a run: candidates, of which one goes on, and teachers, which label
/// rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "apps/support/seed_run.h"

namespace ladder::apps {

/// Train the starts of a seed for a few epochs, and let the one that agrees most with the others
/// become the run in `folder`. Return the result of a start that was interrupted.
///
/// The starts are recorded beside the folder of the run, which one of them then becomes: by a
/// single rename, so that an interruption leaves either the starts or the run.
std::optional<SeedResult> choose_candidate(const Experiment& experiment, const PlacedData& placed,
                                           const TrainingFlags& flags, uint64_t seed,
                                           const std::filesystem::path& folder);

/// What teachers say; or the result of one that was interrupted.
struct Taught {
  torch::Tensor labels = {};  ///< of the training rows, int64, -1 where they do not agree
  std::optional<SeedResult> stopped = {};
};

/// Train `teachers` whole runs of a seed, from the same labels, in FOLDER.teachers/1, 2, ..., and
/// return the labels on which they agree (train::agreed_labels). Validation rows get none. Where
/// near rows share their class, rows in clusters that a teacher put into another class get none
/// either (all_lost). The labels are kept in FOLDER/taught-*.pt, for a run that goes on later.
/// Prints how many there are.
Taught teach(const Experiment& experiment, const PlacedData& placed, const TrainingFlags& flags,
             uint64_t seed, const std::filesystem::path& folder);

/// Return the labels of the training rows on which the finished runs of `--taught-by` agree, int64,
/// -1 for other rows; the rest as above, for the run in `folder`. Errors (UsageError): a folder
/// without a finished run; one on other data or from other labels.
torch::Tensor taught_labels(const Experiment& experiment, const PlacedData& placed,
                            const TrainingFlags& flags, uint64_t seed,
                            const std::filesystem::path& folder);

/// Return the labels that the run in `folder` began with, from the file that is kept there:
/// those with this fingerprint (RunConfig::taught). Undefined where it is gone or damaged.
torch::Tensor kept_labels(const std::filesystem::path& folder, const std::string& fingerprint);

}  // namespace ladder::apps
