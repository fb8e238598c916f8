/// Enough of CUDA to run kernels on the CPU, block by block: each thread is a fiber, and a barrier
/// or a shuffle hands over to the next one. Slow, deterministic, and the kernels' own source: tests
/// of their arithmetic and of their indices need no GPU.
///
/// Threads of a block must meet the same barriers and shuffles, or end. One host thread only.
#pragma once

#include <ucontext.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

// Names that CUDA gives.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming,*-explicit-constructor)
#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace cuda_emulation {

inline dim3 grid_size, block_size, block_index, thread_index;

/// The fibers of one block.
class Block {
 public:
  static constexpr size_t kStack = 64 * 1024;

  explicit Block(unsigned threads) : fibers_(threads), words_(threads) {}

  /// Runs `thread` once for each thread, phase by phase.
  void run(const std::function<void()>& thread) {
    body_ = &thread;
    for (auto& fiber : fibers_) {
      if (!fiber.stack) {
        fiber.stack = std::make_unique<char[]>(kStack);
      }
      fiber.done = false;
      getcontext(&fiber.context);
      fiber.context.uc_stack.ss_sp = fiber.stack.get();
      fiber.context.uc_stack.ss_size = kStack;
      fiber.context.uc_link = &scheduler_;
      makecontext(&fiber.context, &Block::enter, 0);
    }
    current_block() = this;
    for (bool any = true; any;) {
      any = false;
      size_t waiting = 0;
      for (current_ = 0; current_ < fibers_.size(); ++current_) {
        if (fibers_[current_].done) {
          continue;
        }
        any = true;
        thread_index = dim3(static_cast<unsigned>(current_));
        swapcontext(&scheduler_, &fibers_[current_].context);
        waiting += fibers_[current_].done ? 0 : 1;
      }
      if (waiting != 0 && waiting != fibers_.size()) {
        throw std::logic_error("cuda_emulation: not every thread of a block met a barrier.");
      }
    }
    current_block() = nullptr;
  }

  void wait() { swapcontext(&fibers_[current_].context, &scheduler_); }

  float exchange(float value, unsigned mask) {
    words_[current_] = value;
    wait();
    const float other = words_[current_ ^ mask];
    wait();
    return other;
  }

  static Block*& current_block() {
    static Block* block = nullptr;
    return block;
  }

 private:
  struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack;
    bool done = false;
  };

  static void enter() {
    auto& block = *current_block();
    (*block.body_)();
    block.fibers_[block.current_].done = true;
  }

  std::vector<Fiber> fibers_;
  std::vector<float> words_;
  ucontext_t scheduler_{};
  const std::function<void()>* body_ = nullptr;
  size_t current_ = 0;
};

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, void* /*stream*/,
            Arguments... arguments) {
  grid_size = grid;
  block_size = dim3(threads);
  Block block(threads);
  const std::function<void()> thread = [&] { kernel(arguments...); };
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        block_index = dim3(x, y, z);
        block.run(thread);
      }
    }
  }
}

}  // namespace cuda_emulation

#define gridDim cuda_emulation::grid_size
#define blockDim cuda_emulation::block_size
#define blockIdx cuda_emulation::block_index
#define threadIdx cuda_emulation::thread_index

inline void __syncthreads() { cuda_emulation::Block::current_block()->wait(); }
inline float __shfl_xor_sync(uint32_t, float value, unsigned mask) {
  return cuda_emulation::Block::current_block()->exchange(value, mask);
}
inline float __uint_as_float(uint32_t bits) { return std::bit_cast<float>(bits); }
/// To the nearest bfloat16, ties to even; NaN stays one.
inline uint16_t __bfloat16_as_ushort(uint16_t bits) { return bits; }
inline uint16_t __float2bfloat16_rn(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return std::isnan(value) ? uint16_t{0x7FC0}
                           : static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}
inline void sincospif(float x, float* sine, float* cosine) {
  *sine = static_cast<float>(std::sin(3.141592653589793 * x));
  *cosine = static_cast<float>(std::cos(3.141592653589793 * x));
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming,*-explicit-constructor)
