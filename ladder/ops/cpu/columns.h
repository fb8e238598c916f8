/// Splitting work over LibTorch's threads, and the choice of a kernel by dtype.
#pragma once

#include <c10/util/FunctionRef.h>

#include <cstdint>

#include "ladder/ops/cpu/kernels.h"

namespace ladder::ops::cpu {

/// Runs f(begin, end) over column ranges of a [rows, cols] matrix on LibTorch's threads. Ranges
/// start at multiples of a cache line, and matrices too small to gain from a second thread stay on
/// one.
void for_columns(int64_t rows, int64_t cols, c10::function_ref<void(int64_t, int64_t)> f);

/// The whole of c = a b by one kernel, in blocks on LibTorch's threads. Bit for bit the same on any
/// number of them.
void multiply(const Product& product, const ProductKernel& kernel);

/// Runs f(task) for every task below `count` on LibTorch's threads, in no order.
void for_tasks(int64_t count, c10::function_ref<void(int64_t)> f);

/// kProductScratch floats of the calling thread's.
float* product_scratch();

/// Calls f with the kernel pointer that fits the scalar type of its argument struct.
inline auto kernel_for(const AddNoise<float>&) { return kernels().add_noise_f32; }
inline auto kernel_for(const AddNoise<double>&) { return kernels().add_noise_f64; }
inline auto kernel_for(const NormaliseForward<float>&) { return kernels().normalise_forward_f32; }
inline auto kernel_for(const NormaliseForward<double>&) { return kernels().normalise_forward_f64; }
inline auto kernel_for(const NormaliseBackward<float>&) { return kernels().normalise_backward_f32; }
inline auto kernel_for(const NormaliseBackward<double>&) {
  return kernels().normalise_backward_f64;
}
inline auto kernel_for(const DenoiseForward<float>&) { return kernels().denoise_forward_f32; }
inline auto kernel_for(const DenoiseForward<double>&) { return kernels().denoise_forward_f64; }
inline auto kernel_for(const DenoiseBackward<float>&) { return kernels().denoise_backward_f32; }
inline auto kernel_for(const DenoiseBackward<double>&) { return kernels().denoise_backward_f64; }

/// Runs the kernel of `args` over all columns.
template <class Args>
void run(const Args& args, int64_t rows, int64_t cols) {
  const auto kernel = kernel_for(args);
  for_columns(rows, cols, [&](int64_t begin, int64_t end) { kernel(args, begin, end); });
}

}  // namespace ladder::ops::cpu
