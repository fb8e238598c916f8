#include "ladder/ops/kernels/cpu/columns.h"

#include <torch/torch.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/threads.h"

namespace cpu = ladder::ops::cpu;
using ladder::testing::ThreadsOfTest;

TEST_CASE("for_columns covers every column once from multiples of a cache line", "[ops]") {
  for (const int count : {1, 2, 3}) {
    const ThreadsOfTest threads(count);
    for (const int64_t rows : {0, 1, 300, 5000}) {
      for (const int64_t cols : {1, 15, 16, 17, 250, 1000, 5003}) {
        INFO(count << " threads, " << rows << " x " << cols);
        std::vector<std::atomic<int>> runs(static_cast<size_t>(cols));
        std::atomic<int> unaligned = 0;
        cpu::for_columns(rows, cols, 1, [&](int64_t begin, int64_t end) {
          unaligned += begin % 16 == 0 ? 0 : 1;
          for (int64_t c = begin; c < end; ++c) {
            ++runs[static_cast<size_t>(c)];
          }
        });
        CHECK(std::vector<int>(runs.begin(), runs.end()) ==
              std::vector<int>(static_cast<size_t>(cols), 1));
        CHECK(unaligned == 0);
      }
    }
  }
}

TEST_CASE("for_tasks keeps to the calling thread where there is little work", "[ops]") {
  const ThreadsOfTest threads(4);
  const auto here = std::this_thread::get_id();
  std::atomic<int> elsewhere = 0;
  for (int call = 0; call < 100; ++call) {
    cpu::for_tasks(
        16, [&](int64_t) { elsewhere += std::this_thread::get_id() == here ? 0 : 1; },
        2 * cpu::kWorkOfThread - 1);
  }
  CHECK(elsewhere == 0);
}

TEST_CASE("multiply_then multiplies as multiply, and tells of each column once", "[ops]") {
  const auto& kernel = cpu::kernels().product;
  for (const int count : {1, 2, 3}) {
    const ThreadsOfTest threads(count);
    for (const int64_t columns : {1, 16, 250, 500}) {
      INFO(count << " threads, " << columns << " columns");
      const int64_t rows = 120, depth = 200;
      const auto a = torch::randn({rows, depth}), b = torch::randn({columns, depth});
      const auto product = [&](const torch::Tensor& c) {
        return cpu::Product{.a = {a.const_data_ptr<float>(), depth, 1},
                            .b = {b.const_data_ptr<float>(), depth, 1},
                            .rows = rows,
                            .columns = columns,
                            .depth = depth,
                            .c = c.mutable_data_ptr<float>(),
                            .c_row = columns};
      };
      const auto expected = torch::empty({rows, columns});
      cpu::multiply(product(expected), kernel);
      const auto c = torch::empty({rows, columns}), other = torch::empty({rows, columns});
      std::vector<std::atomic<int>> told(static_cast<size_t>(columns));
      std::atomic<int> not_whole = 0, unaligned = 0;
      cpu::multiply_then(
          product(c), kernel,
          [&](int64_t begin, int64_t end) {
            unaligned += begin % 16 == 0 ? 0 : 1;
            for (int64_t column = begin; column < end; ++column) {
              ++told[static_cast<size_t>(column)];
              for (int64_t row = 0; row < rows; ++row) {
                const int64_t at = row * columns + column;
                not_whole +=
                    c.const_data_ptr<float>()[at] == expected.const_data_ptr<float>()[at] ? 0 : 1;
              }
            }
          },
          product(other));
      CHECK(std::vector<int>(told.begin(), told.end()) ==
            std::vector<int>(static_cast<size_t>(columns), 1));
      CHECK(not_whole == 0);
      CHECK(unaligned == 0);
      CHECK(other.equal(expected));
    }
  }
}

TEST_CASE("multiply gives few rows to one task for each column", "[ops]") {
  static std::mutex guard;
  static std::vector<cpu::ProductBlock> blocks;
  const cpu::ProductKernel recording{
      .multiply =
          [](const cpu::Product&, const cpu::ProductBlock& block, const cpu::ProductScratch&) {
            const std::lock_guard lock(guard);
            blocks.push_back(block);
          },
      .pack = nullptr,
      .rows = 3,  // as the baseline kernel
      .columns = 8};
  for (const int count : {1, 2, 3, 4}) {
    const ThreadsOfTest threads(count);
    for (int64_t rows = 1; rows <= cpu::kFewRows; ++rows) {
      for (const int64_t columns : {1, 8, 20, 250}) {
        INFO(count << " threads, " << rows << " rows, " << columns << " columns");
        blocks.clear();
        // Enough to multiply for every thread.
        cpu::multiply({.a = {nullptr, 1, 1},
                       .b = {nullptr, 1, 1},
                       .rows = rows,
                       .columns = columns,
                       .depth = int64_t{1} << 24,
                       .c = nullptr,
                       .c_row = columns},
                      recording);
        std::vector<int> times(static_cast<size_t>(columns));
        for (const auto& block : blocks) {
          CHECK(block.row_begin == 0);
          CHECK(block.row_end == rows);
          for (auto c = block.column_begin; c < block.column_end; ++c) {
            ++times[static_cast<size_t>(c)];
          }
        }
        CHECK(times == std::vector<int>(static_cast<size_t>(columns), 1));
      }
    }
  }
}
