/// The CPU kernels in use, how to choose others, and the name of a GPU.
#pragma once

#include <c10/core/Device.h>

#include <string>
#include <vector>

namespace ladder::ops {

/// One set of CPU kernels. The library contains a set for each instruction set.
struct KernelInfo {
  /// Name for LADDER_KERNELS: "baseline", "avx2", "avx512" or "avx512_bf16".
  std::string name;
  /// Name for people, for example "AVX-512 with BF16".
  std::string instruction_set;
  /// Bytes of one vector: 16, 32 or 64.
  int vector_bytes = 0;
  /// True if bfloat16 products use the CPU's instruction for them; false if operands are rounded to
  /// bfloat16 and multiplied in float32, which differs in the last bits only.
  bool bfloat16_instruction = false;
};

/// Return the kernels in use: those named by the environment variable LADDER_KERNELS, or without it
/// the fastest that this CPU runs. The variable is read once, at the first use of a kernel; choose
/// before the program starts:
///
///     LADDER_KERNELS=avx2 ./ladder-mnist --recipe mnist-100-full
///
/// The fastest set is the widest one. Intel's instruction for bfloat16 is slower than rounding the
/// operands and multiplying them in float32, so "avx512_bf16" is used there only if it is named.
///
/// Sets differ in the rounding of sums. Choosing one reproduces, bit for bit, the results of a
/// machine that uses it (for products with the route `ladder`). Error: a name that is not in
/// `available_kernels`.
KernelInfo kernel_info();

/// Return all sets of kernels that this CPU runs, from narrow to wide, the fastest last. "baseline"
/// is always the first.
std::vector<KernelInfo> available_kernels();

/// Return the model of a GPU, such as "NVIDIA H200"; "cuda" is the current one. Empty for a CPU, or
/// where the library was built without CUDA kernels. Error: a GPU that is not there.
std::string gpu_name(const c10::Device& device);

}  // namespace ladder::ops
