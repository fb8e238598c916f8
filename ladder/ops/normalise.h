/// Fused operator: normalise groups of rows, add noise, scale and shift, activate.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <vector>

#include "ladder/core/activation.h"
#include "ladder/core/batch_ranks.h"
#include "ladder/core/random.h"

namespace ladder {

/// Constant added to the variance under the square root [Rasmus2015, section 3; published code].
constexpr double kVarianceEpsilon = 1e-10;

namespace ops {

/// Consecutive rows with their own statistics.
struct NormaliseGroup {
  int64_t rows = 0;
  double noise_std = 0;  ///< standard deviation of the noise added to z; 0: no noise
};

/// Arguments of `normalise` other than x.
struct NormaliseArguments {
  std::vector<NormaliseGroup> groups = {};  ///< together all rows of x
  std::optional<NoiseDraw> noise = {};      ///< for the rows of the groups with noise_std > 0
  std::optional<at::Tensor> gamma = {};     ///< [C], dtype of x
  std::optional<at::Tensor> beta = {};      ///< [C], dtype of x
  Activation activation = Activation::kIdentity;
  double leaky_slope = 0.1;             ///< for Activation::kLeakyRelu
  std::optional<at::Tensor> mean = {};  ///< stored statistics [C] instead of measured ones
  std::optional<at::Tensor> std = {};   ///< with `mean`
  bool keep_z = true;                   ///< false: z is not returned and takes no memory
  /// Processes whose rows count in the measured statistics as well: each calls with groups of its
  /// own, as many. None: the rows of x alone.
  std::shared_ptr<BatchRanks> ranks = {};
};

struct NormaliseResult {
  at::Tensor h;               ///< [R, C]
  std::vector<at::Tensor> z;  ///< per group [rows, C], noise included; empty without keep_z
  at::Tensor mean, std;       ///< per group [G, C]; std = sqrt(biased variance + 1e-10)
};

/// Normalise each group of rows, add noise, scale, shift and activate:
///
///     z = (x - mean) / std + noise_std * n
///     h = act(gamma (z + beta))
///
/// [Rasmus2015, eq. 3-5 with batch statistics]. Differentiable in x, gamma and beta: gradients flow
/// through h, z, mean and std, not into stored statistics.
///
/// On the CPU (float32, float64) and on CUDA (float32, bfloat16; up to 8 groups) one kernel
/// computes the forward pass and one the backward pass; on CUDA three for more than 2,048 rows.
/// Other devices and dtypes run `reference::normalise`. Statistics of 16-bit types are measured in
/// float32; rows are normalised by those that are returned, which are rounded.
///
/// The sum of the deviations from a rounded mean corrects the mean and the variance: z of a
/// constant column is 0.
///
/// With several ranks the statistics of a group are those of its rows on all ranks, and gradients
/// flow through them from rank to rank: one exchange in the forward pass and one in the backward
/// pass (see standardise_over). Errors of an exchange are thrown as they are.
///
/// Errors: x not [R, C]; groups that do not cover R rows; a group without rows, or of one row
/// without stored statistics; no noise for a noisy group; the gradient of a gradient.
NormaliseResult normalise(const at::Tensor& x, const NormaliseArguments& arguments);

/// Rows that were normalised, and what they were normalised by.
struct Standardised {
  at::Tensor x;          ///< [R, C], (x - mean) / std
  at::Tensor mean, std;  ///< per group [G, C]; std = sqrt(biased variance + 1e-10)
};

/// Normalise groups of `rows` rows each by the statistics of these rows on all ranks,
/// differentiable in x. Without several ranks this is `normalise` of x alone.
///
/// Each rank measures its mean, then its deviations, whose sum corrects the mean and whose squares
/// are the variance. The ranks hand both to each other at once and combine them in the order of
/// ranks, in double [Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983].
/// With n rows on all ranks and unit roundoff u the relative error of a variance is at most
/// n u + (n u mean / std)^2 to first order. Backward, the gradients of mean and std are summed over
/// the ranks. Errors: x not [R, C]; groups that do not cover R rows; a group without rows; the
/// gradient of a gradient.
Standardised standardise_over(const std::shared_ptr<BatchRanks>& ranks, const at::Tensor& x,
                              const std::vector<int64_t>& rows);

namespace reference {
/// The same in plain ATen operations, differentiated by autograd. Kernels are tested against it,
/// and it runs where there is no kernel.
NormaliseResult normalise(const at::Tensor& x, const NormaliseArguments& arguments);
at::Tensor activate(const at::Tensor& a, Activation activation, double leaky_slope);
}  // namespace reference

}  // namespace ops
}  // namespace ladder
