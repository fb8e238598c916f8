#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace ladder::train {

/// Pairs of classes that occur, ascending, and the rows of each: int64 [pairs].
struct PairCounts {
  at::Tensor first, second, rows;
};

/// Count the rows of each pair first[i], second[i], int64 [n] of 0..classes - 1. Memory grows with
/// the pairs that occur: a matrix of all classes may be large.
PairCounts pair_counts(const at::Tensor& first, const at::Tensor& second, int64_t classes);

}  // namespace ladder::train
