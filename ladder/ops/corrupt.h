/// Operator: stack the rows of a step and add the input noise.
#pragma once

#include <ATen/core/Tensor.h>

#include "ladder/core/random.h"

namespace ladder::ops {

/// x + noise_std * n for x of shape [R, ...], R rows of noise. Differentiable in x.
at::Tensor add_noise(const at::Tensor& x, double noise_std, const NoiseDraw& noise);

/// Rows [noisy... | clean...]: every tensor of `noisy` with input noise in order, then every tensor
/// of `clean` as it is, in one new tensor. All have the same trailing shape, dtype and device.
/// Differentiable where an input requires a gradient; else one pass over the data.
at::Tensor stack_corrupted(at::ArrayRef<at::Tensor> noisy, at::ArrayRef<at::Tensor> clean,
                           double noise_std, const NoiseDraw& noise);

}  // namespace ladder::ops
