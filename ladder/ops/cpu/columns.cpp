// at::parallel_for runs on one thread in a file that is compiled without OpenMP, whatever LibTorch
// was built with: this is the one file of the library that is compiled with it.
#include "ladder/ops/cpu/columns.h"

#include <ATen/Parallel.h>

#include <algorithm>

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

}  // namespace ladder::ops::cpu
