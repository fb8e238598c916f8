// What the kernels share: loads and stores of any dtype, elementary functions, sums over the lines
// of a block, noise.
#pragma once

#ifdef LADDER_CUDA_EMULATION  // the kernels' own C++ on the CPU, for tests without a GPU
#include "tests/support/cuda_emulation.h"
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#endif

#include <cstdint>
#include <stdexcept>

#include "ladder/core/internal/philox.h"
#include "ladder/ops/kernels/cuda/kernels.h"
#include "ladder/ops/kernels/formulas.h"

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

__device__ inline float load(const float* p) { return *p; }
__device__ inline float load(const BFloat16* p) {
  return __uint_as_float(static_cast<uint32_t>(p->bits) << 16);
}
__device__ inline void store(float* p, float v) { *p = v; }
__device__ inline void store(BFloat16* p, float v) {
  p->bits = __bfloat16_as_ushort(__float2bfloat16_rn(v));
}
// What a T keeps of v. The backward pass reads the statistics that the forward pass stored, so both
// compute with these.
template <class T>
__device__ inline float as_stored(float v) {
  T stored;
  store(&stored, v);
  return load(&stored);
}
template <class T>
__device__ inline float load_or(const T* p, int64_t i, float otherwise) {
  return p != nullptr ? load(p + i) : otherwise;
}

// What formulas.h and philox.h are written over: a thread has one number.
struct Math {
  using Scalar = float;
  using Value = float;
  using Word = uint32_t;
  static constexpr float kLowest = -3.402823466e38F;
  static constexpr float kInfinity = __builtin_inff();

  static __device__ float fill(float value) { return value; }
  static __device__ float square_root(float x) { return sqrtf(x); }
  static __device__ float exponential(float x) { return expf(x); }
  static __device__ float logarithm(float x) { return logf(x); }
  static __device__ float error_function(float x) { return erff(x); }
  static __device__ float hyperbolic_tangent(float x) { return tanhf(x); }
  static __device__ void sine_cosine(uint32_t angle, float& sine, float& cosine) {
    sincospif(static_cast<float>(static_cast<int32_t>(angle)) * 0x1p-31F, &sine, &cosine);
  }
  static __device__ float to_value(uint32_t word) { return static_cast<float>(word); }
  static __device__ uint64_t multiply_words(uint64_t lane, uint32_t factor) {
    return static_cast<uint64_t>(static_cast<uint32_t>(lane)) * factor;
  }
};

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
  const float count = static_cast<float>(end - begin);
  *mean = sum_lines(sum) / count;
  sum = 0;
  float rest = 0;  // of the mean, which is rounded
  if (at.inside) {
    for (int64_t r = begin + at.line; r < end; r += kLines) {
      const float d = load(x + r * cols + at.column) - *mean;
      rest += d;
      sum += d * d;
    }
  }
  *squares = sum_lines(sum);
  correct_statistics<Math>(*mean, *squares, sum_lines(rest), count);
}

// Merge the statistics of `more` rows into those of `*rows` rows.
__device__ inline void merge(float* rows, float* mean, float* squares, float more, float more_mean,
                             float more_squares) {
  if (*rows == 0) {  // merged with no rows, the square of a large mean overflows
    *rows = more;
    *mean = more_mean;
    *squares = more_squares;
    return;
  }
  const float all = *rows + more;
  merge_statistics<Math>(*mean, *squares, more_mean, more_squares, more / all, *rows);
  *rows = all;
}

// The noise with its position added to the offset.
template <class T>
__device__ inline Noise<T> placed(Noise<T> noise) {
  noise.offset += noise.position != nullptr ? static_cast<uint64_t>(*noise.position) : 0;
  noise.position = nullptr;
  return noise;
}

// The noise of the rows [4 quad, 4 quad + 4) at a column: the numbers that the CPU draws there
// (ladder/core/random.h). They are those of one Philox block, so a thread goes over rows in quads
// and draws each block once. Of given values, only rows [begin, end) are read.
template <class T>
__device__ inline void noise_of_quad(const Noise<T>& noise, int64_t quad, int64_t column,
                                     int64_t begin, int64_t end, int64_t cols, float* normals) {
  if (noise.values != nullptr) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int64_t row = 4 * quad + i;
      normals[i] = row >= begin && row < end ? load(noise.values + row * cols + column) : 0.0F;
    }
    return;
  }
  uint64_t lanes[4];
  philox_block<Math>(noise.offset + static_cast<uint64_t>(quad * cols + column), noise.seed, lanes);
  uint32_t words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    words[i] = static_cast<uint32_t>(lanes[i]);
  }
  normals_of_block<Math>(words, normals);
}

inline unsigned strips(int64_t cols) { return static_cast<unsigned>((cols + kStrip - 1) / kStrip); }
inline int64_t chunks(int64_t rows) { return (rows + kChunkRows - 1) / kChunkRows; }

// Blocks that go over chunks of rows, and those that merge the chunks of a column in each thread.
constexpr unsigned kMergeThreads = 128;
inline dim3 chunk_grid(int64_t cols, int64_t max_chunks, int groups) {
  return {strips(cols), static_cast<unsigned>(max_chunks), static_cast<unsigned>(groups)};
}
inline dim3 merge_grid(int64_t cols, int groups) {
  return {static_cast<unsigned>((cols + kMergeThreads - 1) / kMergeThreads),
          static_cast<unsigned>(groups), 1};
}

}  // namespace ladder::ops::LADDER_CUDA_NAMESPACE
