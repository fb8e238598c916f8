#include "ladder/ops/kernels/cpu/columns.h"

#include <torch/torch.h>

#include <atomic>
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
