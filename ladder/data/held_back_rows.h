/// Labeled rows that are held back to measure the error.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ladder::data {

/// Return the rows to hold back, int64 and ascending: a fraction `share` of the labeled rows of
/// each class. Counts are rounded so that the total is as near as possible to that fraction of all
/// labeled rows; a class never loses its last labeled row. The draw depends only on the arguments.
torch::Tensor hold_back(const torch::Tensor& labels, int64_t classes, double share, uint64_t seed);

/// Return the fold 0 to folds - 1 of each labeled row and -1 for others, int64 [rows]: the rows of
/// each class, in a seeded order, go to the folds in turn. Errors: fewer than 2 folds, or more
/// folds than labeled rows.
torch::Tensor stratified_folds(const torch::Tensor& labels, int64_t classes, int64_t folds,
                               uint64_t seed);

}  // namespace ladder::data
