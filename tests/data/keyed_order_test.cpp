#include "ladder/data/keyed_order.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/support/catch.h"

using ladder::data::KeyedOrder;

TEST_CASE("KeyedOrder: is a permutation for any size", "[data]") {
  for (const uint64_t n : {1U, 2U, 3U, 4U, 5U, 7U, 8U, 9U, 31U, 32U, 33U, 1000U, 4096U, 65537U}) {
    INFO(n);
    const KeyedOrder order(n, 7);
    std::vector<bool> seen(n, false);
    for (uint64_t i = 0; i < n; ++i) {
      const auto at = order(i);
      REQUIRE(at < n);
      REQUIRE_FALSE(seen[at]);
      seen[at] = true;
    }
  }
}

TEST_CASE("KeyedOrder: is a function of its seed", "[data]") {
  const uint64_t n = 100'000'007;
  const KeyedOrder one(n, 1), same(n, 1), other(n, 2);
  int equal = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    CHECK(one(i) == same(i));
    equal += one(i) == other(i) ? 1 : 0;
  }
  CHECK(equal <= 1);  // expected 1000 / n
  CHECK(one(n - 1) < n);
  CHECK_THROWS_WITH(one(n), Catch::Contains("KeyedOrder: expected an element below 100000007 but "
                                            "got 100000007."));
  CHECK_THROWS_WITH(KeyedOrder(0, 1),
                    Catch::Contains("KeyedOrder: expected 1 to 2^62 elements but got 0."));
}

TEST_CASE("KeyedOrder: spreads neighbours evenly and without correlation", "[data]") {
  // Elements of a stretch fall into 64 equal parts of the range like draws without replacement:
  // chi-square of 63 degrees of freedom has mean 63 and standard deviation sqrt(126).
  const uint64_t n = 100'000'000;
  constexpr int kParts = 64, kDraws = 64'000;
  for (const uint64_t seed : {1U, 2U, 3U}) {
    const KeyedOrder order(n, seed);
    std::vector<int> counts(kParts, 0), steps(kParts, 0);
    for (uint64_t i = 0; i < kDraws; ++i) {
      const auto here = order(i), next = order(i + 1);
      ++counts[here * kParts / n];
      ++steps[(next + n - here) % n * kParts / n];  // distances of neighbours
    }
    for (const auto* of : {&counts, &steps}) {
      double chi = 0;
      for (const int count : *of) {
        const double expected = double{kDraws} / kParts;
        chi += (count - expected) * (count - expected) / expected;
      }
      CHECK(std::abs(chi - 63) < 5 * std::sqrt(126.0));
    }
  }
}
