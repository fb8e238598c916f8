#include <c10/util/Exception.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "ladder/core/nearest_name.h"
#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops::cpu {
namespace {

#ifdef LADDER_KERNELS_X86
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

// On Intel's cores an instruction for pairs of bfloat16 takes as long as four multiply-adds of
// float32, so that operands which are rounded and multiplied in float32 are faster. On AMD's it
// takes as long as one.
bool bfloat16_instruction_is_fast() { return !__builtin_cpu_is("intel"); }

const KernelTable& avx512_bfloat16_kernels() {
  static const KernelTable table = [] {
    auto t = kAvx512Kernels;
    t.name = "avx512_bf16";
    t.instruction_set = "AVX-512 with BF16";
    t.bfloat16_instruction = true;
    t.rounded_product = kAvx512BFloat16Product;
    return t;
  }();
  return table;
}
#endif

}  // namespace

KernelTables runnable_kernels() {
  KernelTables all{.tables = {&kBaselineKernels}, .count = 1};
#ifdef LADDER_KERNELS_X86
  if (has_avx2()) {
    all.tables[all.count++] = &kAvx2Kernels;
  }
  if (has_avx512()) {
    const bool by_instruction = __builtin_cpu_supports("avx512bf16");
    const bool preferred = by_instruction && bfloat16_instruction_is_fast();
    if (by_instruction && !preferred) all.tables[all.count++] = &avx512_bfloat16_kernels();
    all.tables[all.count++] = &kAvx512Kernels;
    if (preferred) all.tables[all.count++] = &avx512_bfloat16_kernels();
  }
#endif
  return all;
}

const KernelTable& choose_kernels(std::string_view name) {
  const auto all = runnable_kernels();
  std::vector<std::string> names;
  for (int i = 0; i < all.count; ++i) {
    if (name == all.tables[i]->name || (name.empty() && i + 1 == all.count)) {
      return *all.tables[i];
    }
    names.emplace_back(all.tables[i]->name);
  }
  TORCH_CHECK(false, "LADDER_KERNELS: expected ", or_list(names), " but got '", name,
              "' (these are the kernels that this CPU runs).");
}

const KernelTable& kernels() {
  static const KernelTable& chosen = [&]() -> const KernelTable& {
    const char* const name = std::getenv("LADDER_KERNELS");
    return choose_kernels(name != nullptr ? name : "");
  }();
  return chosen;
}

}  // namespace ladder::ops::cpu
