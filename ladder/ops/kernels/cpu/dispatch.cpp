#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops::cpu {

#ifdef LADDER_KERNELS_X86
namespace {

bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

}  // namespace
#endif

KernelTables runnable_kernels() {
  KernelTables all{.tables = {&kBaselineKernels, nullptr, nullptr}, .count = 1};
#ifdef LADDER_KERNELS_X86
  if (has_avx2()) {
    all.tables[all.count++] = &kAvx2Kernels;
  }
  if (has_avx512()) {
    all.tables[all.count++] = &kAvx512Kernels;
  }
#endif
  return all;
}

const ProductKernel& bfloat16_product() {
#ifdef LADDER_KERNELS_X86
  if (has_avx512() && __builtin_cpu_supports("avx512bf16")) {
    return kAvx512BFloat16Product;
  }
#endif
  return kernels().rounded_product;
}

}  // namespace ladder::ops::cpu
