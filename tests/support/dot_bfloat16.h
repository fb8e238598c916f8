/// A scalar model of the instruction vdpbf16ps, for machines that do not have it.
///
/// One lane adds two products of bfloat16 numbers to a float32 sum. Intel's manual: the pair's
/// second product first, then its first one, each sum rounded to nearest even, subnormal inputs
/// taken for zero and subnormal results flushed to it, whatever the control register says. Other
/// CPUs may add the two products to each other first; the bounds of bounds.h hold for every order.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "tests/support/bounds.h"

namespace ladder::testing {

/// Order in which a pair's products p (first) and q (second) join the sum s.
enum class PairOrder {
  kSecondFirst,  ///< (s + q) + p: the manual
  kFirstFirst,   ///< (s + p) + q
  kPairFirst,    ///< s + (p + q)
};

/// x rounded to bfloat16, ties to even.
inline float round_to_bfloat16(float x) {
  uint32_t word;
  std::memcpy(&word, &x, sizeof(word));
  word += 0x7fffU + (word >> 16 & 1U);
  word &= 0xffff0000U;
  std::memcpy(&x, &word, sizeof(word));
  return x;
}

/// x, or a zero of its sign in place of a subnormal number.
inline float flush_to_zero(float x) {
  return std::abs(x) < static_cast<float>(kMinNormal) ? std::copysign(0.0F, x) : x;
}

/// sum + a0 b0 + a1 b1 of bfloat16 numbers.
inline float dot_bfloat16(float sum, float a0, float b0, float a1, float b1, PairOrder order) {
  // Products of two such numbers have 16 bits: they are exact in float32 but for what is flushed.
  const float first = flush_to_zero(flush_to_zero(a0) * flush_to_zero(b0));
  const float second = flush_to_zero(flush_to_zero(a1) * flush_to_zero(b1));
  const float start = flush_to_zero(sum);
  switch (order) {
    case PairOrder::kSecondFirst:
      return flush_to_zero(flush_to_zero(start + second) + first);
    case PairOrder::kFirstFirst:
      return flush_to_zero(flush_to_zero(start + first) + second);
    case PairOrder::kPairFirst:
      return flush_to_zero(start + flush_to_zero(first + second));
  }
  return sum;
}

}  // namespace ladder::testing
