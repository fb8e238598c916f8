#include "ladder/data/keyed_order.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <bit>

#include "ladder/core/random.h"

namespace ladder::data {
namespace {

// The finaliser of SplitMix64: every bit of the result depends on every bit of the argument.
uint64_t mixed(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

}  // namespace

KeyedOrder::KeyedOrder(uint64_t n, uint64_t seed) : n_(n) {
  TORCH_CHECK(n >= 1 && n <= uint64_t{1} << 62, "KeyedOrder: expected 1 to 2^62 elements but got ",
              n, ".");
  const int bits = std::max(static_cast<int>(std::bit_width(n - 1)), 2);
  low_bits_ = bits / 2;
  high_bits_ = bits - low_bits_;
  for (int round = 0; round < kRounds; ++round) {
    keys_[static_cast<size_t>(round)] = stream_seed(seed, static_cast<uint64_t>(round));
  }
}

uint64_t KeyedOrder::operator()(uint64_t i) const {
  TORCH_CHECK(i < n_, "KeyedOrder: expected an element below ", n_, " but got ", i, ".");
  const uint64_t low_mask = (uint64_t{1} << low_bits_) - 1;
  const uint64_t high_mask = (uint64_t{1} << high_bits_) - 1;
  do {
    uint64_t low = i & low_mask, high = i >> low_bits_;
    for (size_t round = 0; round < keys_.size(); round += 2) {
      low ^= mixed(high + keys_[round]) & low_mask;
      high ^= mixed(low + keys_[round + 1]) & high_mask;
    }
    i = high << low_bits_ | low;
  } while (i >= n_);
  return i;
}

at::Tensor KeyedOrder::elements(int64_t begin, int64_t count) const {
  auto all = at::empty({count}, at::kLong);
  auto* out = all.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<int64_t>((*this)(static_cast<uint64_t>(begin + i)));
  }
  return all;
}

}  // namespace ladder::data
