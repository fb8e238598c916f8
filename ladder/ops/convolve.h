/// Convolutions of maps, each by the form that suits its geometry.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace ladder::ops {

/// How a kernel moves over a map: in steps of `stride`, over the map with `padding` zeros on every
/// side.
struct ConvolveGeometry {
  std::array<int64_t, 2> stride = {1, 1};
  std::array<int64_t, 2> padding = {0, 0};

  bool operator==(const ConvolveGeometry&) const = default;
};

/// Rows and columns of the result: (size + 2 padding - kernel) / stride + 1, rounded down. Errors:
/// a stride below 1, a negative padding, a kernel larger than the padded map.
std::array<int64_t, 2> convolved_size(std::array<int64_t, 2> size, std::array<int64_t, 2> kernel,
                                      const ConvolveGeometry& geometry);

/// y[r, o, i, j] = sum over c, p, q of x[r, c, s i + p - pad, s j + q - pad] weight[o, c, p, q]:
/// x [R, C, H, W], weight [O, C, P, Q] -> [R, O, ...], differentiable in both.
///
/// A 1x1 kernel without padding is a matrix product over the rows of positions, and so is, once
/// unfolded, a kernel that has at least as many values as it has positions (a 26x26 kernel on a
/// 28x28 map); both go by `ops::linear` with its route and precision. A 3x3 kernel of stride 1 in
/// float32 on the CPU, between 16 channels or more, goes by Winograd's F(4x4, 3x3) [Lavin2016]: a
/// quarter of the multiplications, errors of some 1e-6 of the largest value, the same bits on any
/// number of threads, float32 at any precision. All else is at::convolution, whose weight gradients
/// may differ in rounding with the number of threads; at the precision kBFloat16, operands and
/// results of float32 are rounded to it there. Results are channels-last in memory, so
/// that [R, O, I, J] and [R I J, O] are one tensor. Errors: ranks other than 4, channels or dtypes
/// that differ, those of `convolved_size`.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight,
                    const ConvolveGeometry& geometry = {});

/// The transposed convolution: the adjoint of `convolve` in x, from [R, O, I, J] with the same
/// weight [O, C, P, Q] and geometry back to [R, C, *size], differentiable in both. By the same
/// forms. `size` is one of those that `convolve` turns into I x J (a stride leaves a choice).
/// Errors: those of `convolve`; a size that gives other than I x J.
at::Tensor convolve_transposed(const at::Tensor& x, const at::Tensor& weight,
                               std::array<int64_t, 2> size, const ConvolveGeometry& geometry = {});

/// The same tensor [R, C, H, W], channels-last in memory: no copy where it is already.
at::Tensor channels_last(const at::Tensor& maps);

/// Maps [R, C, ...] as a matrix [R ..., C] of positions; no copy where channels are last in memory.
/// A matrix is returned as it is.
at::Tensor maps_to_matrix(const at::Tensor& maps);

/// A matrix [R ..., C] as maps [R, C, ...], channels-last in memory, never a copy; `spatial` are
/// the dimensions after the channels, R follows.
at::Tensor matrix_to_maps(const at::Tensor& matrix, at::IntArrayRef spatial);

}  // namespace ladder::ops
