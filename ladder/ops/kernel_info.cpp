#include "ladder/ops/kernel_info.h"

#include "ladder/ops/kernels/cpu/kernels.h"

#ifdef LADDER_CUDA
#include <ATen/cuda/CUDAContext.h>
#endif

namespace ladder::ops {
namespace {

KernelInfo info_of(const cpu::KernelTable& table) {
  return {.name = table.name,
          .instruction_set = table.instruction_set,
          .vector_bytes = table.vector_bytes,
          .bfloat16_instruction = table.bfloat16_instruction};
}

}  // namespace

KernelInfo kernel_info() { return info_of(cpu::kernels()); }

std::vector<KernelInfo> available_kernels() {
  std::vector<KernelInfo> result;
  const auto all = cpu::runnable_kernels();
  for (int i = 0; i < all.count; ++i) {
    result.push_back(info_of(*all.tables[i]));
  }
  return result;
}

std::string gpu_name([[maybe_unused]] const c10::Device& device) {
#ifdef LADDER_CUDA
  if (device.is_cuda()) return at::cuda::getDeviceProperties(device.index())->name;
#endif
  return {};
}

}  // namespace ladder::ops
