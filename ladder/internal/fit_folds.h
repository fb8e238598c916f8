/// Cross-validation of a classifier.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "ladder/classifier.h"
#include "ladder/internal/fit_training.h"

namespace ladder::fitting {

/// Check, before anything is trained, that the rows without each fold fill a batch of `batch` rows
/// for each rank. Error: a fold without which too few are left, or none of positive weight.
void check_folds(const ClassifierOptions& options, const torch::Tensor& labels, int64_t classes,
                 int64_t batch);

/// Train a network for each fold without it, and return what they predict; nothing where that was
/// interrupted. `folder` keeps what the networks predict, unless it is empty. Writes the time and
/// the folds left into `report`.
std::optional<HeldBack> held_back_by_folds(const Training& training,
                                           const std::filesystem::path& folder, FitReport& report);

}  // namespace ladder::fitting
