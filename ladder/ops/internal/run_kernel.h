/// The kernel of an operator on the device of its tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include "ladder/ops/internal/elements.h"
#include "ladder/ops/kernels/cpu/run.h"
#include "ladder/ops/kernels/cuda/run.h"

namespace ladder::ops {

/// Run the kernel for `args` on the device of `like`. `for_cuda` are what the CUDA kernel takes
/// beside `args`.
template <template <class> class Arguments, class T, class... ForCuda>
void run_kernel(const Arguments<T>& args, const at::Tensor& like, const ForCuda&... for_cuda) {
  if constexpr (kForCuda<T>) {
    if (like.is_cuda()) {
      return cuda::run(args, like, for_cuda...);
    }
  }
  if constexpr (kForCpu<T>) {
    cpu::run(args);
  }
}

}  // namespace ladder::ops
