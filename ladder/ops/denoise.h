/// Fused operator: normalise the vertical signal, combine it with the lateral one, cost the result.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

namespace ladder::ops {

/// A denoising function g(z~, u) of fixed form.
enum class CombinatorFunction {
  kGaussian,         ///< weight [10, C]: a1..a10
  kVanilla,          ///< weight [9, C]: b0, w0z, w0u, w0zu, ws, b1, w1z, w1u, w1zu
  kGaussianSigmoid,  ///< as kGaussian, with v passed through a sigmoid
};

/// A multilayer perceptron for each column: hidden leaky-ReLU layers and one linear output.
struct MlpFunction {
  std::vector<int64_t> hidden = {};  ///< units of the hidden layers
  bool augmented = false;            ///< inputs [u, z~, u z~] in place of [u, z~]
  double leaky_slope = 0.1;
};

/// Which denoising function the operator applies.
using DenoisingFunction = std::variant<CombinatorFunction, MlpFunction>;

/// Rows of `weight`. Those of a perceptron are, layer by layer, the weights [out, in] in row-major
/// order and the biases [out].
int64_t parameter_count(const DenoisingFunction& function);

/// What z^ is compared with: clean values, and the clean statistics that z^ is rescaled by.
struct DenoisingTarget {
  at::Tensor z;                         ///< [M, C]
  std::optional<at::Tensor> mean = {};  ///< [C]; absent: z^ is compared as it is (level 0)
  std::optional<at::Tensor> std = {};   ///< [C], with `mean`
};

struct DenoiseResult {
  at::Tensor z_hat;  ///< [M, C]
  at::Tensor cost;   ///< scalar; undefined without a target
};

/// u' = (u - mean(u)) / sqrt(var(u) + 1e-10) over the M rows; z^ = g(z~, u');
/// cost = mean over rows and columns of ((z^ - mean) / std - z)^2 [Rasmus2015, section 3].
///
/// Differentiable in z_noisy, u, weight and in every part of the target. CPU float32 and float64,
/// and CUDA float32 and bfloat16, run one kernel forward and one backward (on CUDA and beyond 2,048
/// rows three, and one for the cost); everything else `reference::denoise`, as do perceptrons on
/// CUDA and those of more than 8 hidden layers, 64 units or 512 parameters a column. Errors: shapes
/// that differ, fewer than 2 rows, a weight with another number of rows, a backward of the
/// backward.
DenoiseResult denoise(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                      const DenoisingFunction& function,
                      const std::optional<DenoisingTarget>& target);

/// Normalisation over rows without an affine part: what the decoder does to u.
at::Tensor normalise_rows(const at::Tensor& u);

/// The denoising cost alone, for a z^ of any origin.
at::Tensor denoising_cost(const at::Tensor& z_hat, const DenoisingTarget& target);

namespace reference {
/// g(z~, u) of an already normalised u, in plain ATen operations; a perceptron as batched products.
at::Tensor combine(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                   const DenoisingFunction& function);
DenoiseResult denoise(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                      const DenoisingFunction& function,
                      const std::optional<DenoisingTarget>& target);
}  // namespace reference

}  // namespace ladder::ops
