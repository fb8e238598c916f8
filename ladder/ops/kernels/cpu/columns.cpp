#include "ladder/ops/kernels/cpu/columns.h"

#include <ATen/Parallel.h>
#include <ATen/ceil_div.h>
#include <c10/util/SmallVector.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <vector>

namespace ladder::ops::cpu {

namespace {

// A core that is slower than the others, or busy with something else, then takes fewer of them.
constexpr int64_t kTasksPerThread = 4;

// Tasks for work that has `most` parts large enough for a thread.
int64_t task_count(int64_t most) {
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), most);
  return threads > 1 ? std::min(kTasksPerThread * threads, most) : 1;
}

// Blocks of a product for its tasks.
struct Grid {
  int64_t rows, columns;   // of a block
  int64_t across, blocks;  // number of blocks side by side, and of all
};

int64_t multiplications(const Product& product) {
  return product.rows * product.columns * product.depth;
}

int64_t tasks_of(const Product& product) {
  constexpr int64_t kProductsPerTask = 1 << 18;
  return task_count(multiplications(product) / kProductsPerTask);
}

int64_t work_of(const Product& product) {
  constexpr int64_t kProductsPerWork = 32;
  return multiplications(product) / kProductsPerWork;
}

Grid grid_of(const Product& product, const ProductKernel& kernel) {
  const int64_t tasks = tasks_of(product);
  // Choose the grid of that many blocks whose largest block takes least time.
  int64_t rows = product.rows;
  int64_t columns = product.columns;
  int64_t least = std::numeric_limits<int64_t>::max();
  // The kernel for few rows computes all of them, whatever the rows of its block.
  const int64_t max_down = product.rows <= kFewRows ? 1 : tasks;
  for (int64_t down = 1; down <= max_down; ++down) {
    if (tasks % down != 0) {
      continue;
    }
    const auto block_rows = at::round_up(at::ceil_div(product.rows, down), kernel.rows);
    const auto block_columns =
        at::round_up(at::ceil_div(product.columns, tasks / down), kernel.columns);
    // Products, sixteen at a time, and packing of columns; rows are packed once by a thread.
    const int64_t cost = block_rows * block_columns / 16 + block_columns / 2;
    if (cost < least) {
      least = cost;
      rows = block_rows;
      columns = block_columns;
    }
  }
  const int64_t across = at::ceil_div(product.columns, columns);
  return {rows, columns, across, across * at::ceil_div(product.rows, rows)};
}

// Blocks of all rows.
Grid columns_of(const Product& product, const ProductKernel& kernel) {
  constexpr int64_t kCacheLine = 16;  // values
  const auto columns = at::round_up(at::ceil_div(product.columns, tasks_of(product)),
                                    std::max(kernel.columns, kCacheLine));
  const auto across = at::ceil_div(product.columns, columns);
  return {product.rows, columns, across, across};
}

// Products, some of them with what follows on their columns, as tasks one behind the other.
struct DividedProduct {
  const Product* product;
  Grid grid;
  const c10::function_ref<void(int64_t, int64_t)>* then = nullptr;
};

// What a thread has packed of a product that it has computed blocks of.
struct ThreadScratch {
  std::vector<float> memory = std::vector<float>(static_cast<size_t>(kProductScratch) + 16);
  uint64_t section = 0;
  size_t product = 0;  // in that section
  PackedPanels packed;

  // Its first float at the beginning of a cache line.
  float* aligned() {
    const auto address = reinterpret_cast<uintptr_t>(memory.data());
    return memory.data() + (64 - address % 64) % 64 / sizeof(float);
  }
};

ThreadScratch& thread_scratch() {
  thread_local ThreadScratch scratch;
  return scratch;
}

ProductScratch scratch_for(uint64_t section, size_t product) {
  auto& mine = thread_scratch();
  if (mine.section != section || mine.product != product) {
    mine.section = section;
    mine.product = product;
    mine.packed = {};
  }
  return {mine.aligned(), &mine.packed};
}

void run_tasks(c10::ArrayRef<DividedProduct> products, const ProductKernel& kernel) {
  static std::atomic<uint64_t> sections = 0;
  const auto section = ++sections;
  int64_t tasks = 0, work = 0;
  for (const auto& divided : products) {
    tasks += divided.grid.blocks;
    work += work_of(*divided.product);
  }
  for_tasks(
      tasks,
      [&](int64_t task) {
        size_t i = 0;
        for (; task >= products[i].grid.blocks; ++i) task -= products[i].grid.blocks;
        const auto& [product, grid, then] = products[i];
        const int64_t row = task / grid.across * grid.rows;
        const int64_t column = task % grid.across * grid.columns;
        const int64_t column_end = std::min(column + grid.columns, product->columns);
        kernel.multiply(*product,
                        {row, std::min(row + grid.rows, product->rows), column, column_end},
                        scratch_for(section, i));
        if (then != nullptr) (*then)(column, column_end);
      },
      work);
}

}  // namespace

void for_columns(int64_t rows, int64_t cols, int64_t cost,
                 c10::function_ref<void(int64_t, int64_t)> f) {
  constexpr int64_t kBlock = 16;
  constexpr int64_t kWorkOfTask = 8192;
  if (cols == 0) return;
  const int64_t blocks = at::ceil_div(cols, kBlock);
  const int64_t grain =
      std::max<int64_t>(1, kWorkOfTask / (kBlock * std::max<int64_t>(rows * cost, 1)));
  const int64_t part = kBlock * at::ceil_div(blocks, task_count(blocks / grain));
  for_tasks(
      at::ceil_div(cols, part),
      [&](int64_t task) { f(task * part, std::min((task + 1) * part, cols)); }, rows * cols * cost);
}

float* product_scratch() {
  auto& mine = thread_scratch();
  mine.section = 0;
  return mine.aligned();
}

void multiply(const Product& product, const ProductKernel& kernel) {
  multiply_all({&product, 1}, kernel);
}

void multiply_all(c10::ArrayRef<Product> products, const ProductKernel& kernel) {
  c10::SmallVector<DividedProduct, 2> parts;
  for (const auto& product : products) parts.push_back({&product, grid_of(product, kernel)});
  run_tasks(parts, kernel);
}

void multiply_then(const Product& product, const ProductKernel& kernel,
                   c10::function_ref<void(int64_t, int64_t)> then, c10::ArrayRef<Product> beside) {
  c10::SmallVector<DividedProduct, 2> parts = {{&product, columns_of(product, kernel), &then}};
  for (const auto& other : beside) parts.push_back({&other, grid_of(other, kernel)});
  run_tasks(parts, kernel);
}

}  // namespace ladder::ops::cpu
