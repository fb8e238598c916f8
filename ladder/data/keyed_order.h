/// A permutation that takes no memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace ladder::data {

/// A permutation of 0..n-1 as a function of a seed: element i is computed when it is asked for.
///
/// An alternating Feistel network of eight rounds permutes 0..2^b - 1, where b is the least number
/// of bits that holds n - 1. A result that is not below n is permuted again until it is (cycle
/// walking), fewer than 2 times on average.
///
///     KeyedOrder order(100'000'000, seed);
///     uint64_t row = order(17);
class KeyedOrder {
 public:
  /// Error: n is 0 or above 2^62.
  KeyedOrder(uint64_t n, uint64_t seed);

  /// Return element `i`. Error: `i` is not below n.
  uint64_t operator()(uint64_t i) const;
  /// Return the elements `begin` to `begin` + `count` - 1, int64 [count].
  at::Tensor elements(int64_t begin, int64_t count) const;
  uint64_t size() const { return n_; }

 private:
  static constexpr int kRounds = 8;
  uint64_t n_;
  int low_bits_, high_bits_;
  std::array<uint64_t, kRounds> keys_{};
};

}  // namespace ladder::data
