/// Noise as tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ladder/core/random.h"

namespace ladder::ops {

/// Return the standard normals of `draw` as a tensor [rows, columns] with `options`. They are drawn
/// in float32: for a GPU by its kernel (equal up to the rounding of logarithm and sine), otherwise
/// on the CPU, then moved.
at::Tensor standard_normal(const NoiseDraw& draw, int64_t rows, int64_t columns,
                           const at::TensorOptions& options);

/// Return uniform numbers in (0, 1) instead, in float32 from the upper 23 bits of the same words:
/// (bits + 1/2) / 2^23. Given values are returned unchanged.
at::Tensor standard_uniform(const NoiseDraw& draw, int64_t rows, int64_t columns,
                            const at::TensorOptions& options);

}  // namespace ladder::ops
