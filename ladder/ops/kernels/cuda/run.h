/// The CUDA kernels on the streams of tensors, with the working memory that they need.
#pragma once

#include <ATen/core/Tensor.h>

#include "ladder/ops/kernels/cuda/kernels.h"

namespace ladder::ops::cuda {

/// Queue the kernel of `args` on the current stream of the device of `like`.
template <class T>
void run(const AddNoise<T>& args, const at::Tensor& like);
template <class T>
void run(const NormaliseForward<T>& args, const at::Tensor& like);
template <class T>
void run(const NormaliseBackward<T>& args, const at::Tensor& like);
/// Write the cost to the scalar `cost`.
template <class T>
void run(const DenoiseForward<T>& args, const at::Tensor& cost);
/// Read the gradient of the cost from the scalar `grad_cost`, which may be undefined.
template <class T>
void run(const DenoiseBackward<T>& args, const at::Tensor& like, const at::Tensor& grad_cost);

}  // namespace ladder::ops::cuda
