/// Rows that are drawn more often than others.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ladder::data {

/// Return labeled rows with rows of rare classes repeated, so that every class has as many as the
/// most frequent one; a remainder goes to the first rows in the order of `labeled`.
torch::Tensor repeat_rare(const torch::Tensor& labeled, const torch::Tensor& labels,
                          int64_t classes);

/// Return rows repeated in proportion to their weights, so that rows are drawn as often as their
/// weights say. `weights`: float64 [all rows], finite and at least 0. Rows of weight 0 are left
/// out.
///
/// If all weights are whole multiples of the least one, and the list gets at most kMaxRepeats
/// times as long, the proportions are exact. Otherwise the list gets about kMaxRepeats times as
/// long: counts are rounded by the largest remainder, and every row comes at least once. Error: no
/// row with a weight.
torch::Tensor repeat_weighted(const torch::Tensor& rows, const torch::Tensor& weights);

/// Greatest length of the result of `repeat_weighted`, as a multiple of the number of rows.
inline constexpr int64_t kMaxRepeats = 8;

}  // namespace ladder::data
