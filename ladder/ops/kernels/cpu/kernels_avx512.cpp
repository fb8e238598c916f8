#define LADDER_KERNEL_ISA isa_avx512
#define LADDER_KERNEL_TABLE kAvx512Kernels
#define LADDER_KERNEL_NAME "avx512"
#define LADDER_KERNEL_INSTRUCTIONS "AVX-512"
#define LADDER_VECTOR_BYTES 64
#include "ladder/ops/kernels/cpu/kernels.inc"
