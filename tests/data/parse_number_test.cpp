#include "ladder/data/internal/parse_number.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/support/catch.h"

using ladder::data::NumberKind;
using ladder::data::parse_number;

TEST_CASE("parse_number gives the nearest double and refuses all else", "[data]") {
  struct Case {
    std::string text;
    NumberKind kind;
    double value = 0;
    char decimal = '.';
  };
  constexpr auto kFinite = NumberKind::kFinite;
  constexpr auto kInfinite = NumberKind::kInfinite;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<Case> cases = {
      {"0", kFinite, 0},
      {"-0", kFinite, -0.0},
      {"+5", kFinite, 5},
      {"5.", kFinite, 5},
      {"-.5", kFinite, -.5},
      {"\xE2\x88\x92.5", kFinite, -.5},  // U+2212
      {"\xE2\x88\x92"
       "1e400",
       kInfinite, -kInfinity},
      {"1e3", kFinite, 1000},
      {"1E-2", kFinite, .01},
      {"1,25", kFinite, 1.25, ','},
      {"0,1234567890123456789012", kFinite, 0.1234567890123456789012, ','},
      {"9007199254740993", kFinite, 9007199254740992.0},  // halfway: to even
      {"9007199254740995", kFinite, 9007199254740996.0},
      {"123456789012345678901234567890", kFinite, 123456789012345678901234567890.0},
      {"0.1", kFinite, 0.1},
      {"1e23", kFinite, 1e23},
      {"8.41e21", kFinite, 8.41e21},
      {"1.7976931348623157e308", kFinite, std::numeric_limits<double>::max()},
      {"4.9406564584124654e-324", kFinite, std::numeric_limits<double>::denorm_min()},
      {"1e-400", kFinite, 0},
      {"-1e-400", kFinite, -0.0},
      {"0e999999999999999999999", kFinite, 0},
      {std::string(400, '0') + "1", kFinite, 1},
      {"0." + std::string(400, '0') + "1e401", kFinite, 1},
      {"inf", kInfinite, kInfinity},
      {"+Inf", kInfinite, kInfinity},
      {"-infinity", kInfinite, -kInfinity},
      {"INFINITY", kInfinite, kInfinity},
      {"1e400", kInfinite, kInfinity},
      {"-1e400", kInfinite, -kInfinity},
      {"1e99999", kInfinite, kInfinity},
      {"1e99999999999999999999", kInfinite, kInfinity},
      {std::string(400, '9'), kInfinite, kInfinity},
  };
  for (const char* text : {"",
                           "+",
                           "-",
                           ".",
                           "e5",
                           "1e",
                           "1e+",
                           "1.2.3",
                           "1,5",
                           "0x10",
                           "1_000",
                           "--1",
                           "+-1",
                           "\xE2\x88\x92",
                           "\xE2\x88",
                           "-\xE2\x88\x92"
                           "1",
                           "1 2",
                           "1d5",
                           "nan",
                           "infinit",
                           "1inf",
                           ".inf",
                           "1f",
                           "-e1",
                           "１"}) {
    cases.push_back({text, NumberKind::kNone});
  }
  for (const auto& [text, kind, expected, decimal] : cases) {
    INFO(text);
    double value = -7;
    CHECK(parse_number(text, decimal, value) == kind);
    if (kind == NumberKind::kNone) continue;
    CHECK(value == expected);
    CHECK(std::signbit(value) == std::signbit(expected));
  }
}

TEST_CASE("parse_number reads back what is printed, by strtod's measure too", "[data]") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20000; ++i) {
    const uint64_t bits = random();
    double expected = 0;
    static_assert(sizeof(bits) == sizeof(expected));
    std::memcpy(&expected, &bits, sizeof(bits));
    if (!std::isfinite(expected)) continue;
    for (const int digits : {3, 9, 15, 17, 25}) {
      std::array<char, 64> text{};
      std::snprintf(text.data(), text.size(), "%.*e", digits, expected);
      double value = 0;
      const auto kind = parse_number(text.data(), '.', value);
      const double by_strtod = std::strtod(text.data(), nullptr);
      INFO(text.data());
      REQUIRE(kind == (std::isinf(by_strtod) ? NumberKind::kInfinite : NumberKind::kFinite));
      REQUIRE(value == by_strtod);
    }
  }
}
