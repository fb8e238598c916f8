/// Operator: maxima of windows side by side.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace ladder::ops {

/// y[r, c, i, j] = max over p < size[0], q < size[1] of x[r, c, i size[0] + p, j size[1] + q], over
/// what of the window lies within the map: x [R, C, H, W] -> [R, C, ceil(H / size[0]),
/// ceil(W / size[1])], channels-last in memory. NaN if a value is; of equal values the first one
/// has the gradient. Float32 and float64 on the CPU by a kernel whose gradient writes each value
/// once and keeps a byte per window; all else, and windows of more than 256 values, by
/// at::max_pool2d. Errors: other ranks, a size below 1, a gradient of a gradient by the kernel.
at::Tensor max_pool(const at::Tensor& x, std::array<int64_t, 2> size);

}  // namespace ladder::ops
