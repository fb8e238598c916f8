/// The CUDA kernels behind the fused operators: device pointers in, no tensors.
///
/// They take the arguments of the CPU kernels, whose pointers then are on the device (those of
/// groups stay on the host), and run on a stream without waiting. Sums are float32 and run in one
/// order whatever the device: the same inputs give the same bits. A matrix of up to `kFusedRows`
/// rows takes one launch an operator; taller ones are measured in chunks of rows first, for which
/// `workspace` holds `workspace_floats(...)` numbers.
#pragma once

#include <cstdint>

#include "ladder/ops/kernels/cpu/kernels.h"

// Where kernels run on the CPU they have a namespace of their own: beside the real ones in a
// program, neither may stand in for the other.
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

constexpr int kMostGroups = 8;        ///< of rows, in one call
constexpr int64_t kFusedRows = 2048;  ///< that one launch takes

/// Floats of workspace that an operator needs; 0 where it takes one launch.
int64_t normalise_workspace(const cpu::GroupSpan* groups, int64_t group_count, int64_t cols);
int64_t denoise_workspace(int64_t rows, int64_t cols);

template <class T>
void add_noise(const cpu::AddNoise<T>& a, Stream stream);

template <class T>
void normalise_forward(const cpu::NormaliseForward<T>& a, float* workspace, Stream stream);
template <class T>
void normalise_backward(const cpu::NormaliseBackward<T>& a, float* workspace, Stream stream);

/// `a.cost` is not used: the mean over rows and columns of the squared errors goes to `total`, by
/// way of `partial` with a number for each block (see `denoise_blocks`).
template <class T>
void denoise_forward(const cpu::DenoiseForward<T>& a, T* total, double* partial, float* workspace,
                     Stream stream);
int64_t denoise_blocks(int64_t rows, int64_t cols);

/// The gradient of the cost is read from `grad_total`, not from `a.grad_cost`.
template <class T>
void denoise_backward(const cpu::DenoiseBackward<T>& a, const T* grad_total, float* workspace,
                      Stream stream);

}  // namespace ladder::ops::LADDER_CUDA_NAMESPACE
