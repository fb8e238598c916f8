/// The CUDA kernels behind the fused operators: device pointers in, no tensors.
///
/// They take the arguments of arguments.h and run on a stream without waiting. Sums are float32 and
/// run in one order whatever the device: the same inputs give the same bits. A matrix of up to
/// `kFusedRows` rows takes one launch per operator. Taller ones are measured in chunks of rows
/// first, for which `workspace` holds as many floats as `normalise_workspace` or
/// `denoise_workspace` says.
#pragma once

#include <cstdint>

#include "ladder/ops/kernels/arguments.h"

// Kernels emulated on the CPU have another namespace: a program may contain both, and the linker
// must not take one for the other.
#ifdef LADDER_CUDA_EMULATION
#define LADDER_CUDA_NAMESPACE cuda_emulated
#else
#define LADDER_CUDA_NAMESPACE cuda
#endif

namespace ladder::ops::LADDER_CUDA_NAMESPACE {

/// cudaStream_t, without CUDA's headers.
using Stream = void*;

/// bfloat16 as it is stored.
struct BFloat16 {
  uint16_t bits;
};

constexpr int kMaxGroups = 8;                     ///< groups of rows in one call
constexpr int64_t kChunkRows = 1024;              ///< rows that a block measures of a tall matrix
constexpr int64_t kMaxRows = 65535 * kChunkRows;  ///< of a call: a grid has as many blocks across
constexpr int64_t kFusedRows = 2048;              ///< rows that one launch takes

/// Floats of workspace that an operator needs; 0 if it takes one launch.
int64_t normalise_workspace(const GroupSpan* spans, int64_t count, int64_t cols);
int64_t denoise_workspace(int64_t rows, int64_t cols);

template <class T>
void add_noise(const AddNoise<T>& a, Stream stream);

template <class T>
void normalise_forward(const NormaliseForward<T>& a, float* workspace, Stream stream);
template <class T>
void normalise_backward(const NormaliseBackward<T>& a, float* workspace, Stream stream);

/// Write the mean over rows and columns of the squared errors to `total`; `a.cost` is not used.
/// `partial` is memory for one number per block (see `denoise_blocks`).
template <class T>
void denoise_forward(const DenoiseForward<T>& a, T* total, double* partial, float* workspace,
                     Stream stream);
int64_t denoise_blocks(int64_t rows, int64_t cols);

/// Read the gradient of the cost from `grad_total`; `a.grad_cost` is not used.
template <class T>
void denoise_backward(const DenoiseBackward<T>& a, const T* grad_total, float* workspace,
                      Stream stream);

}  // namespace ladder::ops::LADDER_CUDA_NAMESPACE
