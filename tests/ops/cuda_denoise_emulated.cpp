#define LADDER_CUDA_EMULATION
#include "ladder/ops/cuda/denoise.cu"
