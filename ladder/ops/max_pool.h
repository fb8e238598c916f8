/// Operator: max pooling over windows that do not overlap.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace ladder::ops {

/// Return the largest value of each window; the stride is the window size:
///
///     y[r, c, i, j] = max over p < size[0], q < size[1] of x[r, c, i size[0] + p, j size[1] + q]
///
/// x [R, C, H, W] -> y [R, C, ceil(H / size[0]), ceil(W / size[1])], channels-last in memory.
/// Windows are cut at the edges. A window with a NaN gives NaN. Of equal values, the first one gets
/// the gradient.
///
/// On the CPU, float32 and float64 run a kernel whose gradient writes each value once and keeps one
/// byte per window. at::max_pool2d runs for all else and for windows of more than 256 values.
///
/// Errors: x not [R, C, H, W]; a size below 1; the gradient of a gradient by the kernel.
at::Tensor max_pool(const at::Tensor& x, std::array<int64_t, 2> size);

}  // namespace ladder::ops
