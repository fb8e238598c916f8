/// Two bars of rows that lie side by side: classes that a network can divide in the wrong place.
#pragma once

#include <torch/torch.h>

#include "ladder/core/random.h"

namespace ladder::testing {

/// `rows` points [rows, 2], even and odd ones in a bar each, 6 long and 1 wide, `gap` apart.
struct Bars {
  torch::Tensor x;
  torch::Tensor bars;    ///< 0 or 1, int64 [rows]
  torch::Tensor halves;  ///< 0 in the left half of each bar, else 1
  /// Of ten rows each at the left end of bar 0 and the right end of bar 1, which agree with the
  /// bars and with the halves; -1 for the others.
  torch::Tensor labels;
};

inline Bars two_bars(int64_t rows, double gap) {
  const auto bars = torch::arange(rows).remainder(2);
  const auto place = [&](uint64_t seed) {
    return permutation(rows, seed).to(torch::kFloat) / static_cast<double>(rows);
  };
  const auto along = place(3) * 6;
  const auto x = torch::stack({along, place(4) + (1 + gap) * bars.to(torch::kFloat)}, 1);
  auto labels = torch::full({rows}, -1, torch::kLong);
  const auto take = [&](int64_t bar, const torch::Tensor& order) {
    const auto own = order.index_select(0, bars.index_select(0, order).eq(bar).nonzero().flatten());
    labels.index_fill_(0, own.narrow(0, 0, 10), bar);
  };
  take(0, along.argsort());
  take(1, along.argsort(0, /*descending=*/true));
  return {.x = x, .bars = bars, .halves = along.ge(3).to(torch::kLong), .labels = labels};
}

}  // namespace ladder::testing
