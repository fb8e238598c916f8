/// Convolutions of feature maps, each computed in the form that suits its geometry.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace ladder::ops {

/// Stride of a kernel, and number of zeros added on each side of the feature map.
struct ConvolveGeometry {
  std::array<int64_t, 2> stride = {1, 1};
  std::array<int64_t, 2> padding = {0, 0};

  bool operator==(const ConvolveGeometry&) const = default;
};

/// Return the height and width of the result: (size + 2 padding - kernel) / stride + 1, rounded
/// down. Errors: a stride below 1, a negative padding, a kernel larger than the padded feature map.
std::array<int64_t, 2> convolved_size(std::array<int64_t, 2> size, std::array<int64_t, 2> kernel,
                                      const ConvolveGeometry& geometry);

/// Convolve x [R, C, H, W] with weight [O, C, P, Q]. Returns y [R, O, I, J], differentiable in
/// both:
///
///     y[r, o, i, j] = sum over c, p, q of x[r, c, s i + p - pad, s j + q - pad] weight[o, c, p, q]
///
/// The form depends on the kernel:
/// - 1x1 without padding: a matrix product over all positions, by `ops::linear` with its route and
///   precision.
/// - At least as many values as positions (a 26x26 kernel on a 28x28 feature map): the same product
///   after unfolding.
/// - 3x3 with stride 1 in float32 on a CPU with AVX2, where it saves work: Winograd's F(4x4, 3x3)
///   [Lavin2016]. It needs a quarter of the multiplications, so the tiles of 4x4 must fit the
///   positions well, with at least 16 channels on both sides, 512 pairs of them, and one padding of
///   at most 2. Its errors are about 1e-6 of the largest value. It gives the same bits on any
///   number of threads, and computes in float32 at any precision. A NaN or an infinite number
///   spreads over the results of its tiles, also to those whose window does not hold it, and values
///   above about 1e36 overflow.
/// - All others: at::convolution. Its weight gradients may differ in rounding between numbers of
///   threads. At the precision kBFloat16 it rounds float32 operands and results to bfloat16.
///
/// The result is channels-last in memory, so that [R, O, I, J] and [R I J, O] share it. Errors:
/// ranks other than 4, different channels, types or devices, those of `convolved_size`.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight,
                    const ConvolveGeometry& geometry = {});

/// Compute the transposed convolution, the adjoint of `convolve` in x: from x [R, O, I, J] back to
/// [R, C, *size], with the same weight [O, C, P, Q], geometry and forms. Differentiable in both.
/// `size` must be one that `convolve` turns into I x J; a stride above 1 leaves a choice. Errors:
/// those of `convolve`; a size that gives another result than I x J.
at::Tensor convolve_transposed(const at::Tensor& x, const at::Tensor& weight,
                               std::array<int64_t, 2> size, const ConvolveGeometry& geometry = {});

/// Return the tensor [R, C, H, W] channels-last in memory, without a copy if it already is.
at::Tensor channels_last(const at::Tensor& maps);

/// Return feature maps [R, C, ...] as a matrix [R ..., C] with a row for each position, without a
/// copy if they are channels-last in memory. A matrix is returned unchanged.
at::Tensor maps_to_matrix(const at::Tensor& maps);

/// Return a matrix [R ..., C] as feature maps [R, C, *spatial], channels-last in memory, without a
/// copy. R follows from the number of rows.
at::Tensor matrix_to_maps(const at::Tensor& matrix, at::IntArrayRef spatial);

}  // namespace ladder::ops
