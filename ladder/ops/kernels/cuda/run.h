/// The CUDA kernels on tensors' streams, with the memory that they work in.
#pragma once

#include <ATen/core/Tensor.h>

#include "ladder/ops/kernels/cuda/kernels.h"

namespace ladder::ops::cuda {

/// Queue the kernel of `args` on the current stream of the device of `like`.
template <class T>
void run(const cpu::AddNoise<T>& args, const at::Tensor& like);
template <class T>
void run(const cpu::NormaliseForward<T>& args, const at::Tensor& like);
template <class T>
void run(const cpu::NormaliseBackward<T>& args, const at::Tensor& like);
/// The cost goes to the scalar `cost`.
template <class T>
void run(const cpu::DenoiseForward<T>& args, const at::Tensor& cost);
/// The gradient of the cost comes from the scalar `grad_cost`, undefined where there is none.
template <class T>
void run(const cpu::DenoiseBackward<T>& args, const at::Tensor& like, const at::Tensor& grad_cost);

}  // namespace ladder::ops::cuda
