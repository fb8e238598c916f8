/// Operator: stack the rows of a step and add the input noise.
#pragma once

#include <ATen/core/Tensor.h>

#include "ladder/core/random.h"

namespace ladder::ops {

/// Return x + noise_std * n for x [R, ...], with R rows of noise. Differentiable in x.
at::Tensor add_noise(const at::Tensor& x, double noise_std, const NoiseDraw& noise);

/// Return one new tensor with the rows [noisy... | clean...]: the tensors of `noisy` in order, with
/// noise, then those of `clean`, without. All have the same trailing shape, dtype and device.
/// Differentiable if an input requires a gradient; else one pass over the data.
///
/// Errors: no tensor; tensors without rows [R, ...], or of another trailing shape, dtype or device
/// than the first; a noise_std that is negative or not finite; noise for rows of integers, or for
/// another number of values.
at::Tensor stack_corrupted(at::ArrayRef<at::Tensor> noisy, at::ArrayRef<at::Tensor> clean,
                           double noise_std, const NoiseDraw& noise);

}  // namespace ladder::ops
