#include "ladder/ops/kernel_info.h"

#include <cstdlib>

#include "ladder/ops/kernels/cpu/kernels.h"
#include "tests/support/catch.h"

using ladder::ops::available_kernels;
using ladder::ops::gpu_name;
using ladder::ops::kernel_info;

TEST_CASE(
    "kernel_info names the kernels that run, the fastest unless LADDER_KERNELS says otherwise",
    "[ops][kernels]") {
  const auto all = available_kernels();
  REQUIRE(!all.empty());
  CHECK(all.front().name == "baseline");
  const char* const chosen = std::getenv("LADDER_KERNELS");
  const auto used = kernel_info();
  CHECK(used.name == (chosen != nullptr ? chosen : all.back().name));
  CHECK(used.name == ladder::ops::cpu::kernels().name);
  CHECK(!used.instruction_set.empty());
}

TEST_CASE("available_kernels go from narrow to wide and say how bfloat16 is multiplied",
          "[ops][kernels]") {
  const auto all = available_kernels();
  int bytes = 0;
  for (const auto& kernels : all) {
    INFO(kernels.name);
    CHECK(kernels.vector_bytes >= 16);
    CHECK(kernels.vector_bytes >= bytes);
    CHECK(kernels.bfloat16_instruction == (kernels.name == "avx512_bf16"));
    bytes = kernels.vector_bytes;
  }
}

TEST_CASE("available_kernels prefer the instruction for bfloat16 except on Intel",
          "[ops][kernels]") {
#ifdef __x86_64__
  const bool preferred = __builtin_cpu_supports("avx512bf16") && !__builtin_cpu_is("intel");
  CHECK(available_kernels().back().bfloat16_instruction == preferred);
#else
  CHECK(!available_kernels().back().bfloat16_instruction);
#endif
}

TEST_CASE("LADDER_KERNELS takes the name of any set that this CPU runs", "[ops][kernels]") {
  namespace cpu = ladder::ops::cpu;
  const auto all = available_kernels();
  for (const auto& kernels : all) {
    CHECK(cpu::choose_kernels(kernels.name).name == kernels.name);
  }
  CHECK(cpu::choose_kernels("").name == all.back().name);
  CHECK_THROWS_WITH(cpu::choose_kernels("avx3"),
                    Catch::Contains("LADDER_KERNELS: expected baseline") &&
                        Catch::Contains(all.back().name + " but got 'avx3' (these are the kernels "
                                                          "that this CPU runs)."));
  CHECK_THROWS_WITH(cpu::choose_kernels("AVX2"), Catch::Contains("but got 'AVX2'"));
}

TEST_CASE("gpu_name is empty for a CPU", "[ops][kernels]") { CHECK(gpu_name(c10::kCPU).empty()); }
