/// 3 x 3 convolutions of stride 1 by Winograd's F(4x4, 3x3): 36 matrix products over tiles of 4 x 4
/// positions, 4 times fewer multiplications than the definition [Lavin2016].
#pragma once

#include <cstdint>

#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops::cpu {

/// Of a convolution from maps [rows, height, width, in] to [rows, height + 2 padding - 2, width +
/// 2 padding - 2, out], channels last.
struct WinogradShape {
  int64_t rows, height, width;
  int64_t in, out;  ///< at least kLeastChannels each
  int64_t padding;

  int64_t out_height() const { return height + 2 * padding - 2; }
  int64_t out_width() const { return width + 2 * padding - 2; }
  int64_t tiles() const;
};

/// The kernels g [9, in, out] transformed: u [36, in, out] = G g G^T with the matrix G (see
/// winograd.inc).
void winograd_transform(const WinogradShape& shape, const KernelTable& kernels, const float* g,
                        float* u);

/// y from x and the transformed kernels u. Bit for bit the same on any number of threads, and so is
/// the gradient below.
void winograd_convolve(const WinogradShape& shape, const KernelTable& kernels, const float* x,
                       const float* u, float* y);

/// The gradient of g, [9, in, out], by way of that of u, whose `winograd_parts` sums over parts of
/// the tiles are left in `parts` [winograd_parts, 36, in, out].
void winograd_gradient(const WinogradShape& shape, const KernelTable& kernels, const float* x,
                       const float* grad_y, float* parts, float* grad_g);
int64_t winograd_parts(const WinogradShape& shape);

}  // namespace ladder::ops::cpu
