// Permutation after permutation by blocks, and what of them to read ahead.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "ladder/core/random.h"
#include "ladder/data/block_order.h"

namespace ladder::data {

// The places 0..n-1 again and again, each time in another `BlockOrder`: element i is element i % n
// of permutation i / n.
class BlockStream {
 public:
  BlockStream(int64_t n, uint64_t seed, const BlockSizes& sizes)
      : n_(n), seed_(seed), sizes_(sizes), blocks_(order(0).blocks()) {}

  // The elements `begin` to `begin` + `count` - 1, int64 [count].
  at::Tensor elements(int64_t begin, int64_t count) const {
    std::vector<at::Tensor> parts;
    for (const auto end = begin + count; begin < end;) {
      const auto size = std::min(end - begin, n_ - begin % n_);
      parts.push_back(order(begin / n_).elements(begin % n_, size));
      begin += size;
    }
    return parts.size() == 1 ? parts.front() : at::cat(parts);
  }

  // Call `expect` with the places of each block that was not asked for yet, from the window of the
  // first of these elements on, up to what BlockOrder::asked_until says of the last one.
  template <typename Expect>
  void ask(int64_t begin, int64_t count, const Expect& expect) {
    const auto last = begin + count - 1;
    const auto first = begin / n_ * blocks_ + order(begin / n_).first_needed(begin % n_);
    const auto until = last / n_ * blocks_ + order(last / n_).asked_until(last % n_);
    if (asked_ < first || asked_ > until) asked_ = first;  // at the start, or after a step back
    for (; asked_ < until; ++asked_) expect(order(asked_ / blocks_).block(asked_ % blocks_));
  }

 private:
  BlockOrder order(int64_t cycle) const {
    return {n_, stream_seed(seed_, static_cast<uint64_t>(cycle)), sizes_};
  }

  int64_t n_;
  uint64_t seed_;
  BlockSizes sizes_;
  int64_t blocks_;
  int64_t asked_ = 0;  // blocks over all permutations
};

}  // namespace ladder::data
