#define LADDER_CUDA_EMULATION
#include "ladder/ops/kernels/cuda/denoise.cu"
