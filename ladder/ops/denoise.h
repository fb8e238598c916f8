/// Fused operator: normalise the vertical signal, combine it with the lateral one, compute the
/// cost.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "ladder/ops/combinator_function.h"

namespace ladder::ops {

/// A multilayer perceptron for each column: hidden leaky-ReLU layers and one linear output.
struct MlpFunction {
  std::vector<int64_t> hidden = {};  ///< units of the hidden layers, at least 1 each
  bool augmented = false;            ///< inputs [u, z~, u z~] in place of [u, z~]
  double leaky_slope = 0.1;          ///< slope of the hidden units below 0, at least 0
};

/// The denoising function g(z~, u) that the operator applies.
using DenoisingFunction = std::variant<CombinatorFunction, MlpFunction>;

/// Number of rows of `weight`. The rows of a perceptron are, layer by layer, the weights [out, in]
/// in row-major order and the biases [out].
int64_t parameter_count(const DenoisingFunction& function);

/// What z^ is compared with: clean values, and the clean statistics that rescale z^.
struct DenoisingTarget {
  at::Tensor z;                         ///< [M, C]
  std::optional<at::Tensor> mean = {};  ///< [C]; absent: z^ is not rescaled (level 0)
  std::optional<at::Tensor> std = {};   ///< [C], with `mean`
};

struct DenoiseResult {
  at::Tensor z_hat;  ///< [M, C]
  at::Tensor cost;   ///< scalar; undefined without a target
};

/// Normalise u over its M rows, combine it with z~ and compare with the target:
///
///     u' = (u - mean(u)) / sqrt(var(u) + 1e-10)
///     z^ = g(z~, u')
///     cost = mean over rows and columns of ((z^ - mean) / std - z)^2
///
/// [Rasmus2015, section 3]. Differentiable in z_noisy, u, weight and every part of the target.
///
/// On the CPU (float32, float64) and on CUDA (float32, bfloat16) one kernel computes the forward
/// pass and one the backward pass; on CUDA three for more than 2,048 rows, and one for the cost.
/// `reference::denoise` runs for other devices and dtypes, for perceptrons on CUDA, and for
/// perceptrons with more than 8 hidden layers, 64 units (inputs among them) or 512 parameters per
/// column.
///
/// Errors: shapes that differ; fewer than 2 rows; a weight with another number of rows; a
/// perceptron with a hidden layer below 1 unit or with a negative or infinite slope; the gradient
/// of a gradient.
DenoiseResult denoise(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                      const DenoisingFunction& function,
                      const std::optional<DenoisingTarget>& target);

/// Normalise over rows without an affine part, as the decoder does with u.
at::Tensor normalise_rows(const at::Tensor& u);

/// Return the denoising cost of any z^.
at::Tensor denoising_cost(const at::Tensor& z_hat, const DenoisingTarget& target);

namespace reference {
/// Return g(z~, u) for a normalised u, in plain ATen operations; perceptrons as batched products.
at::Tensor combine(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                   const DenoisingFunction& function);
DenoiseResult denoise(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                      const DenoisingFunction& function,
                      const std::optional<DenoisingTarget>& target);
}  // namespace reference

}  // namespace ladder::ops
