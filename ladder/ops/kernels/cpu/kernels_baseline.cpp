#define LADDER_KERNEL_ISA isa_baseline
#define LADDER_KERNEL_TABLE kBaselineKernels
#define LADDER_KERNEL_NAME "baseline"
#if defined(__SSE2__)
#define LADDER_KERNEL_INSTRUCTIONS "SSE2"
#elif defined(__ARM_NEON)
#define LADDER_KERNEL_INSTRUCTIONS "NEON"
#else
#define LADDER_KERNEL_INSTRUCTIONS "no vector instructions"
#endif
#define LADDER_VECTOR_BYTES 16
#include "ladder/ops/kernels/cpu/kernels.inc"
