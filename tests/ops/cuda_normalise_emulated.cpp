#define LADDER_CUDA_EMULATION
#include "ladder/ops/cuda/normalise.cu"
