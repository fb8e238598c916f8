#pragma once

#include <algorithm>
#include <cstdint>

namespace ladder::train {

/// Call f(begin, size) for batches of `batch_size` of `rows` rows that are normalised by their own
/// statistics. The rows that do not fill a batch join the last one, which so is the largest.
template <class F>
void for_measured_batches(int64_t rows, int64_t batch_size, const F& f) {
  const auto batches = std::max<int64_t>(rows / batch_size, 1);
  for (int64_t i = 0; i < batches; ++i) {
    const auto begin = i * batch_size;
    f(begin, i + 1 < batches ? batch_size : rows - begin);
  }
}

}  // namespace ladder::train
