/// Statistics of columns in plain ATen operations, for the composites.
#pragma once

#include <ATen/ATen.h>

#include "ladder/ops/normalise.h"

namespace ladder::ops {

struct Moments {
  at::Tensor mean, std;  // [C]
};

/// Return the mean and sqrt(biased variance + 1e-10) of the columns of `rows` [R, C], in the type
/// of the rows and differentiable. What the deviations from the rounded mean add up to corrects
/// both, as in the kernels (correct_statistics). 16-bit types are measured in float32: in float16
/// the 1e-10 is 0.
inline Moments moments_of(const at::Tensor& rows) {
  const auto type = rows.scalar_type();
  const bool narrow = type == at::kHalf || type == at::kBFloat16;
  const auto exact = narrow ? rows.to(at::kFloat) : rows;
  const auto near = exact.detach().mean(0);  // a constant: any number near the mean would do
  const auto deviations = exact - near;
  const auto rest = deviations.mean(0);
  const auto variance = (deviations.square().mean(0) - rest.square()).clamp_min(0);
  return {(near + rest).to(type), (variance + kVarianceEpsilon).sqrt().to(type)};
}

}  // namespace ladder::ops
