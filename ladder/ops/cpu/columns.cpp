// at::parallel_for runs on one thread in a file that is compiled without OpenMP, whatever LibTorch
// was built with: this is the one file of the library that is compiled with it.
#include "ladder/ops/cpu/columns.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

namespace ladder::ops::cpu {

void for_columns(int64_t rows, int64_t cols, c10::function_ref<void(int64_t, int64_t)> f) {
  constexpr int64_t kBlock = 16;
  constexpr int64_t kElementsPerTask = 8192;
  const int64_t blocks = (cols + kBlock - 1) / kBlock;
  const int64_t grain =
      std::max<int64_t>(1, kElementsPerTask / (kBlock * std::max<int64_t>(rows, 1)));
  at::parallel_for(0, blocks, grain, [&](int64_t begin, int64_t end) {
    f(begin * kBlock, std::min(end * kBlock, cols));
  });
}

void for_tasks(int64_t count, c10::function_ref<void(int64_t)> f) {
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, std::min<int64_t>(count, at::get_num_threads()), 1, [&](int64_t, int64_t) {
    for (int64_t task = next++; task < count; task = next++) {
      f(task);
    }
  });
}

float* product_scratch() {
  thread_local std::vector<float> memory(static_cast<size_t>(kProductScratch) + 16);
  const auto address = reinterpret_cast<uintptr_t>(memory.data());
  return memory.data() + (64 - address % 64) % 64 / sizeof(float);
}

namespace {

int64_t up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

}  // namespace

void multiply(const Product& product, const ProductKernel& kernel) {
  constexpr int64_t kProductsPerThread = 1 << 18;
  const int64_t work = product.rows * product.columns * product.depth / kProductsPerThread;
  const int64_t threads = std::clamp<int64_t>(at::get_num_threads(), 1, work + 1);
  // Of the grids with a block for each thread, the one whose busiest thread has least to do.
  int64_t best_rows = product.rows;
  int64_t best_columns = product.columns;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t down = 1; down <= threads; ++down) {
    if (threads % down != 0) {
      continue;
    }
    const auto rows = up((product.rows + down - 1) / down, kernel.rows);
    const auto across = threads / down;
    const auto columns = up((product.columns + across - 1) / across, kernel.columns);
    // Its products, sixteen at a time, and its packing.
    const int64_t cost = rows * columns / 16 + (rows + columns) / 2;
    if (cost < least) {
      least = cost;
      best_rows = rows;
      best_columns = columns;
    }
  }
  const int64_t down = (product.rows + best_rows - 1) / best_rows;
  const int64_t across = (product.columns + best_columns - 1) / best_columns;
  at::parallel_for(0, down * across, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / across * best_rows;
      const int64_t column = i % across * best_columns;
      kernel.multiply(product,
                      {row, std::min(row + best_rows, product.rows), column,
                       std::min(column + best_columns, product.columns)},
                      product_scratch());
    }
  });
}

}  // namespace ladder::ops::cpu
