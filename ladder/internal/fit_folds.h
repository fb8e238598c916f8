/// Cross-validation of a classifier.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "ladder/classifier.h"
#include "ladder/internal/fit_training.h"

namespace ladder::fitting {

/// Return how many rows of positive weight each rank has to draw from, at least, where one of the
/// folds is left out.
int64_t rows_beside_folds(const ClassifierOptions& options, const torch::Tensor& labels,
                          int64_t classes);

/// Train a network for each fold without it, and return what they predict; nothing where that was
/// interrupted. `folder` keeps what the networks predict, unless it is empty. Writes the time and
/// the folds left into `report`.
std::optional<HeldBack> held_back_by_folds(const Training& training,
                                           const std::filesystem::path& folder, FitReport& report);

}  // namespace ladder::fitting
