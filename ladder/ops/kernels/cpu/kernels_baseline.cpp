#define LADDER_KERNEL_ISA isa_baseline
#define LADDER_KERNEL_TABLE kBaselineKernels
#define LADDER_KERNEL_NAME "generic"
#define LADDER_VECTOR_BYTES 16
#include "ladder/ops/kernels/cpu/kernels.inc"
