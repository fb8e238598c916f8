/// Fused operator: normalise groups of rows, add noise, scale and shift, activate.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "ladder/core/random.h"

namespace ladder {

/// h = act(gamma * (z + beta)).
enum class Activation { kIdentity, kRelu, kLeakyRelu, kTanh, kGelu };

std::string to_string(Activation activation);
/// Error: a name that is none of identity, relu, leaky-relu, tanh, gelu.
Activation activation_from_string(const std::string& name);

/// Added to the variance under the square root [Rasmus2015, section 3; published code].
constexpr double kVarianceEpsilon = 1e-10;

namespace ops {

struct NormaliseGroup {
  int64_t rows = 0;
  double noise_std = 0;
};

/// Arguments of `normalise` beside x.
struct NormaliseArguments {
  std::vector<NormaliseGroup> groups = {};  ///< consecutive, together all rows of x
  std::optional<NoiseDraw> noise = {};      ///< over the rows of the groups with noise_std > 0
  std::optional<at::Tensor> gamma = {};     ///< [C], dtype of x
  std::optional<at::Tensor> beta = {};      ///< [C], dtype of x
  Activation activation = Activation::kIdentity;
  double leaky_slope = 0.1;
  std::optional<at::Tensor> mean = {};  ///< stored statistics [C] instead of measured ones
  std::optional<at::Tensor> std = {};   ///< with `mean`
  bool keep_z = true;                   ///< false: z is not wanted, which spares its memory
};

struct NormaliseResult {
  at::Tensor h;               ///< [R, C]
  std::vector<at::Tensor> z;  ///< per group [rows, C], with its noise; empty without keep_z
  at::Tensor mean, std;       ///< per group [G, C]; std = sqrt(biased variance + 1e-10)
};

/// For each group of rows: z = (x - mean) / std + noise_std * n, h = act(gamma (z + beta))
/// [Rasmus2015, eq. 3-5 with batch statistics]. Differentiable in x, gamma and beta; gradients
/// flow through h, z, mean and std, not into stored statistics.
///
/// CPU float32 and float64, and CUDA float32 and bfloat16 in up to 8 groups, run one kernel forward
/// and one backward (on CUDA three for more than 2,048 rows); other devices and dtypes run
/// `reference::normalise`. Errors: x not [R, C]; groups that do not cover R; a group without
/// rows, or of one row where no stored statistics are given;
/// noise missing for a noisy group; a backward of the backward.
NormaliseResult normalise(const at::Tensor& x, const NormaliseArguments& arguments);

namespace reference {
/// The same in plain ATen operations, differentiated by autograd: what the kernels are tested
/// against, and the fallback.
NormaliseResult normalise(const at::Tensor& x, const NormaliseArguments& arguments);
at::Tensor activate(const at::Tensor& a, Activation activation, double leaky_slope);
}  // namespace reference

}  // namespace ops
}  // namespace ladder
