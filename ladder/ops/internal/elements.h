/// What operators need to hand tensors to kernels, on whichever device they are.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>

#include <optional>
#include <type_traits>

#include "ladder/core/random.h"
#include "ladder/ops/kernels/cuda/kernels.h"

namespace ladder::ops {

/// Whether the library was compiled with its CUDA kernels.
#ifdef LADDER_CUDA
constexpr bool kCudaKernels = true;
#else
constexpr bool kCudaKernels = false;
#endif

/// Whether kernels take this tensor: float32 and float64 on the CPU, float32 and bfloat16 on CUDA.
inline bool has_kernel(const at::Tensor& x) {
  const auto type = x.scalar_type();
  return type == at::kFloat || (x.is_cpu() && type == at::kDouble) ||
         (kCudaKernels && x.is_cuda() && type == at::kBFloat16);
}

/// Element types that kernels of a device are compiled for.
template <class T>
constexpr bool kForCpu = !std::is_same_v<T, cuda::BFloat16>;
template <class T>
constexpr bool kForCuda = kCudaKernels && !std::is_same_v<T, double>;

/// Calls f with a null pointer to the type that kernels know the elements of x by. Error: a tensor
/// that has no kernel.
template <class F>
void with_element(const at::Tensor& x, const F& f) {
  if (kCudaKernels && x.is_cuda() && x.scalar_type() == at::kBFloat16) {
    return f(static_cast<cuda::BFloat16*>(nullptr));
  }
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "a kernel of Ladder",
                             [&] { f(static_cast<scalar_t*>(nullptr)); });
}

/// The elements of a tensor, null of an undefined one. Error: elements of another type than T.
template <class T>
const T* data_or_null(const at::Tensor& t) {
  if (!t.defined()) {
    return nullptr;
  }
  if constexpr (std::is_same_v<T, cuda::BFloat16>) {
    return reinterpret_cast<const T*>(t.const_data_ptr<at::BFloat16>());
  } else {
    return t.const_data_ptr<T>();
  }
}
template <class T>
const T* data_or_null(const std::optional<at::Tensor>& t) {
  return t ? data_or_null<T>(*t) : nullptr;
}
template <class T>
T* mutable_data_or_null(const at::Tensor& t) {
  if (!t.defined()) {
    return nullptr;
  }
  if constexpr (std::is_same_v<T, cuda::BFloat16>) {
    return reinterpret_cast<T*>(t.mutable_data_ptr<at::BFloat16>());
  } else {
    return t.mutable_data_ptr<T>();
  }
}

/// The noise of a draw as kernels take it; its values, where there are some, must be dense. A
/// kernel on a GPU reads the position there, without a wait.
template <class T>
cpu::Noise<T> noise_of(const NoiseDraw& draw, bool on_gpu) {
  const bool there = on_gpu && draw.position && draw.position->is_cuda();
  return {.seed = draw.seed,
          .offset = there ? draw.offset : draw.offset_now(),
          .values = data_or_null<T>(draw.values),
          .position = there ? draw.position->const_data_ptr<int64_t>() : nullptr};
}

}  // namespace ladder::ops
