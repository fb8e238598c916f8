#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ladder::train {

/// Split rows x [n, units] into `groups` groups by k-means: start from rows drawn at random, then
/// `rounds` times assign each row to the nearest centre and move the centres to the means of their
/// rows. A centre that no row is nearest to moves to the origin. Return the group of each row,
/// int64 [n].
at::Tensor k_means(const at::Tensor& x, int64_t groups, uint64_t seed, int64_t rounds = 8);

}  // namespace ladder::train
