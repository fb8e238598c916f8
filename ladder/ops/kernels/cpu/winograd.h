/// 3 x 3 convolutions with stride 1 in Winograd's form F(4x4, 3x3) [Lavin2016]: 36 matrix products
/// over tiles of 4 x 4 positions, with a quarter of the definition's multiplications.
#pragma once

#include <cstdint>

#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops::cpu {

/// Sizes of a convolution from feature maps [rows, height, width, in] to [rows, out_height,
/// out_width, out], both channels-last.
struct WinogradShape {
  int64_t rows, height, width;
  int64_t in, out;  ///< at least kMinChannels each
  int64_t padding;

  int64_t out_height() const { return height + 2 * padding - 2; }
  int64_t out_width() const { return width + 2 * padding - 2; }
  int64_t tiles() const;
};

/// Write the transformed kernels u [36, in, out] = G g G^T, from kernels g [9, in, out] and the
/// matrix G of winograd.inc.
void winograd_transform(const WinogradShape& shape, const KernelTable& kernels, const float* g,
                        float* u);

/// Write y, from x and the transformed kernels u. Gives the same bits on any number of threads, as
/// does winograd_gradient.
void winograd_convolve(const WinogradShape& shape, const KernelTable& kernels, const float* x,
                       const float* u, float* y);

/// Write the gradient of the kernels, grad_g [9, in, out]. `parts` [winograd_parts, 36, in, out] is
/// scratch memory: it receives the gradient of u, summed over each part of the tiles.
void winograd_gradient(const WinogradShape& shape, const KernelTable& kernels, const float* x,
                       const float* grad_y, float* parts, float* grad_g);
/// Return the number of parts that the tiles are divided into, which depends on their number only.
int64_t winograd_parts(const WinogradShape& shape);

}  // namespace ladder::ops::cpu
