// What the kernels share: loads and stores of any dtype, sums over the lines of a block, noise.
#pragma once

#ifdef LADDER_CUDA_EMULATION  // the kernels' own C++ on the CPU, for tests without a GPU
#include "tests/support/cuda_emulation.h"
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#endif

#include <cstdint>
#include <stdexcept>

#include "ladder/ops/kernels/cuda/kernels.h"

namespace ladder::ops::LADDER_CUDA_NAMESPACE {

#ifdef LADDER_CUDA_EMULATION
using cuda_emulation::launch;
#else
// Queues a kernel. Error: one that cannot be launched, in CUDA's words.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, Stream stream,
            Arguments... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.stream = static_cast<cudaStream_t>(stream);
  const auto error = cudaLaunchKernelEx(&config, kernel, arguments...);
  if (error != cudaSuccess) {
    cudaGetLastError();  // told here, not by whoever asks next
    throw std::runtime_error(cudaGetErrorString(error));
  }
}
#endif

// A block works on kStrip columns, which are one sector of float32, and kLines rows at a time:
// thread t on column t % kStrip and line t / kStrip. A warp then reads four whole sectors.
constexpr int kStrip = 8;
constexpr int kLines = 64;
constexpr int kThreads = kStrip * kLines;
constexpr int kWarps = kThreads / 32;
constexpr int64_t kChunkRows = 1024;  // rows that a block measures of a tall matrix

__device__ inline float load(const float* p) { return *p; }
__device__ inline float load(const BFloat16* p) {
  return __uint_as_float(static_cast<uint32_t>(p->bits) << 16);
}
__device__ inline void store(float* p, float v) { *p = v; }
__device__ inline void store(BFloat16* p, float v) {
  p->bits = __bfloat16_as_ushort(__float2bfloat16_rn(v));
}
template <class T>
__device__ inline float load_or(const T* p, int64_t i, float otherwise) {
  return p != nullptr ? load(p + i) : otherwise;
}

// Where a thread stands.
struct Place {
  int64_t column;
  int line;
  bool inside;  // threads beyond the last column take part in sums alone
};
__device__ inline Place place(int64_t cols) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kStrip + threadIdx.x % kStrip;
  return {column, static_cast<int>(threadIdx.x) / kStrip, column < cols};
}

// The sums of v over the lines of a block, one for each column, in every thread. All threads call
// it.
__device__ inline float sum_lines(float v) {
  __shared__ float of_warps[kWarps * kStrip];
  v += __shfl_xor_sync(0xFFFFFFFFU, v, 8);
  v += __shfl_xor_sync(0xFFFFFFFFU, v, 16);
  __syncthreads();  // the sums before may still be read
  if (threadIdx.x % 32 < kStrip) {
    of_warps[threadIdx.x / 32 * kStrip + threadIdx.x % 32] = v;
  }
  __syncthreads();
  // A warp reads four of these at a time, and adds up across its lines.
  float total = 0;
#pragma unroll
  for (int four = 0; four < kWarps / 4; ++four) {
    total += of_warps[four * 32 + threadIdx.x % 32];
  }
  total += __shfl_xor_sync(0xFFFFFFFFU, total, 8);
  total += __shfl_xor_sync(0xFFFFFFFFU, total, 16);
  return total;
}

// Mean and sum of squared distances from it, over the rows [begin, end) of x.
template <class T>
__device__ inline void measure(const T* x, int64_t cols, int64_t begin, int64_t end, Place at,
                               float* mean, float* squares) {
  float sum = 0;
  if (at.inside) {
    for (int64_t r = begin + at.line; r < end; r += kLines) {
      sum += load(x + r * cols + at.column);
    }
  }
  *mean = sum_lines(sum) / static_cast<float>(end - begin);
  sum = 0;
  if (at.inside) {
    for (int64_t r = begin + at.line; r < end; r += kLines) {
      const float d = load(x + r * cols + at.column) - *mean;
      sum += d * d;
    }
  }
  *squares = sum_lines(sum);
}

// Two sets of rows as one (Chan, Golub, LeVeque): (n, mean, squares) += (m, other_mean, other).
__device__ inline void merge(float* n, float* mean, float* squares, float m, float other_mean,
                             float other) {
  const float all = *n + m;
  const float d = other_mean - *mean;
  *mean += d * (m / all);
  *squares += other + d * d * (*n * (m / all));
  *n = all;
}

// The standard normal at (row, column) of a matrix: what the CPU draws there
// (ladder/core/random.h).
__device__ inline float normal(uint64_t seed, uint64_t offset, int64_t row, int64_t column,
                               int64_t cols) {
  const uint64_t block = offset + static_cast<uint64_t>((row >> 2) * cols + column);
  uint32_t c0 = static_cast<uint32_t>(block);
  uint32_t c1 = static_cast<uint32_t>(block >> 32);
  uint32_t c2 = 0;
  uint32_t c3 = 0;
  uint32_t k0 = static_cast<uint32_t>(seed);
  uint32_t k1 = static_cast<uint32_t>(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint32_t high0 = __umulhi(0xD2511F53U, c0);
    const uint32_t low0 = 0xD2511F53U * c0;
    const uint32_t high1 = __umulhi(0xCD9E8D57U, c2);
    const uint32_t low1 = 0xCD9E8D57U * c2;
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  const bool second = (row & 2) != 0;  // pair of words
  const uint32_t word = second ? c2 : c0;
  const int32_t angle = static_cast<int32_t>(second ? c3 : c1);           // a turn is 2^32
  const float uniform = static_cast<float>((word >> 8) + 1U) * 0x1p-24F;  // (0, 1]
  const float radius = sqrtf(-2.0F * logf(uniform));
  const float half_turns = static_cast<float>(angle) * 0x1p-31F;
  return radius * ((row & 1) != 0 ? sinpif(half_turns) : cospif(half_turns));
}

// The noise with its place in the stream settled.
template <class T>
__device__ inline cpu::Noise<T> placed(cpu::Noise<T> noise) {
  noise.offset += noise.position != nullptr ? static_cast<uint64_t>(*noise.position) : 0;
  noise.position = nullptr;
  return noise;
}

template <class T>
__device__ inline float noise_at(const cpu::Noise<T>& noise, int64_t row, int64_t column,
                                 int64_t cols) {
  return noise.values != nullptr ? load(noise.values + row * cols + column)
                                 : normal(noise.seed, noise.offset, row, column, cols);
}

inline unsigned strips(int64_t cols) { return static_cast<unsigned>((cols + kStrip - 1) / kStrip); }
inline int64_t chunks(int64_t rows) { return (rows + kChunkRows - 1) / kChunkRows; }

}  // namespace ladder::ops::LADDER_CUDA_NAMESPACE
