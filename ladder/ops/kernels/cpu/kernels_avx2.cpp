#define LADDER_KERNEL_ISA isa_avx2
#define LADDER_KERNEL_TABLE kAvx2Kernels
#define LADDER_KERNEL_NAME "avx2"
#define LADDER_KERNEL_INSTRUCTIONS "AVX2"
#define LADDER_VECTOR_BYTES 32
#include "ladder/ops/kernels/cpu/kernels.inc"
