/// Denoising cost of each level, compared with a simple baseline.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "ladder/nn/ladder.h"

namespace ladder::train {

/// A denoising cost, measured on rows.
struct LevelCost {
  int64_t level = 0;
  double cost = 0;     ///< C_l, unweighted
  double lateral = 0;  ///< C_l of the best affine function of z~ alone, for each unit
};

/// Measure the denoising costs of the levels with a lambda above 0, from the input up, on rows x
/// [n, ...] as one batch with noise of `seed`. `lateral` is what scaling the corrupted input would
/// reach without any look at the levels above:
///
///     z^ = a z~ + b,   a = cov(z, z~) / var(z~) for each unit, b such that the means agree
///
/// A level whose cost is above `lateral` has not even learned to scale its input: its lambda is too
/// small to have an effect, which is common at middle levels. Computes no gradients and does not
/// change parameters.
///
/// Errors: fewer than 2 rows, a network without a decoder.
///
///     for (const auto& level : level_costs(net, x_unlabeled)) ...
std::vector<LevelCost> level_costs(Ladder& net, const torch::Tensor& x, uint64_t seed = 1);

}  // namespace ladder::train
