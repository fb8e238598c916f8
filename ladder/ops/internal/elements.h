/// Tensors as the pointers that kernels take.
#pragma once

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>

#include <optional>
#include <type_traits>

#include "ladder/core/random.h"
#include "ladder/ops/kernels/cuda/kernels.h"

namespace ladder::ops {

/// True if the library was compiled with its CUDA kernels.
#ifdef LADDER_CUDA
constexpr bool kCudaKernels = true;
#else
constexpr bool kCudaKernels = false;
#endif

/// True if kernels take this tensor: float32 and float64 on the CPU, float32 and bfloat16 on CUDA
/// if the library was compiled with its CUDA kernels. On other devices there are none.
inline bool has_kernel(const at::Tensor& x) {
  const auto type = x.scalar_type();
  if (x.is_cpu()) {
    return type == at::kFloat || type == at::kDouble;
  }
  return kCudaKernels && x.is_cuda() && (type == at::kFloat || type == at::kBFloat16);
}

/// True for the element types that kernels of a device are compiled for.
template <class T>
constexpr bool kForCpu = !std::is_same_v<T, cuda::BFloat16>;
template <class T>
constexpr bool kForCuda = kCudaKernels && !std::is_same_v<T, double>;

/// Call f with a null pointer to the type that kernels use for the elements of x. Error: a tensor
/// that has no kernel.
template <class F>
void with_element(const at::Tensor& x, const F& f) {
  if (kCudaKernels && x.is_cuda() && x.scalar_type() == at::kBFloat16) {
    return f(static_cast<cuda::BFloat16*>(nullptr));
  }
  AT_DISPATCH_FLOATING_TYPES(x.scalar_type(), "a kernel of Ladder",
                             [&] { f(static_cast<scalar_t*>(nullptr)); });
}

/// Return the elements of a tensor, null for an undefined one. Error: elements that are not T.
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

/// Return a tensor as kernels read it, undefined for none.
inline at::Tensor dense_or_none(const std::optional<at::Tensor>& t) {
  return t && t->defined() ? t->contiguous() : at::Tensor();
}

/// Return the noise of a draw as kernels take it. Given values must be dense. A kernel on a GPU
/// reads the position itself, so that the host does not wait for it.
template <class T>
Noise<T> noise_of(const NoiseDraw& draw, bool on_gpu) {
  const bool there = on_gpu && draw.position && draw.position->is_cuda();
  return {.seed = draw.seed,
          .offset = there ? draw.offset : draw.offset_now(),
          .values = data_or_null<T>(draw.values),
          .position = there ? draw.position->const_data_ptr<int64_t>() : nullptr};
}

}  // namespace ladder::ops
