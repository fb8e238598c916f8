#include "ladder/data/internal/parse_number.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <system_error>

namespace ladder::data {
namespace {

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

bool equal_letters(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a | 0x20) == b; });
}

constexpr std::array kTens = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Rounds digits correctly that `parse_number` has found to be a number without a sign.
NumberKind round_digits(std::string_view text, char decimal, double& value) {
  std::string with_point;
  if (decimal != '.') {
    with_point = text;
    std::replace(with_point.begin(), with_point.end(), decimal, '.');
    text = with_point;
  }
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc()) {
    return std::isinf(value) ? NumberKind::kInfinite : NumberKind::kFinite;
  }
  // Out of range, far above or far below: the place of the first digit that is not zero tells.
  const size_t mark = text.find_first_of("eE");
  const std::string_view digits = text.substr(0, mark);
  int64_t exponent = 0;
  if (mark != std::string_view::npos) {
    std::string_view power = text.substr(mark + 1);
    const bool negative = power.starts_with('-');
    if (negative || power.starts_with('+')) power.remove_prefix(1);
    const auto parsed = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (parsed.ec != std::errc()) exponent = std::numeric_limits<int64_t>::max() / 4;
    if (negative) exponent = -exponent;
  }
  const size_t point = std::min(digits.find('.'), digits.size());
  const size_t first = std::min(digits.find_first_not_of("0."), digits.size());
  const int64_t lead = static_cast<int64_t>(point) - static_cast<int64_t>(first);
  value = exponent + lead > 0 ? std::numeric_limits<double>::infinity() : 0;
  return value > 0 ? NumberKind::kInfinite : NumberKind::kFinite;
}

// Steps over a minus: a hyphen, or the sign that typesetters use (U+2212).
inline bool take_minus(const char*& at, const char* end) {
  if (at == end) return false;
  if (*at == '-') {
    ++at;
    return true;
  }
  constexpr std::string_view kMinus = "\xE2\x88\x92";
  if (*at != kMinus[0] || end - at < std::ssize(kMinus) ||
      std::string_view(at, kMinus.size()) != kMinus) {
    return false;
  }
  at += kMinus.size();
  return true;
}

}  // namespace

NumberKind parse_number(std::string_view text, char decimal, double& value) {
  const char* const end = text.data() + text.size();
  const char* at = text.data();
  const bool negative = take_minus(at, end);
  if (!negative && at < end && *at == '+') ++at;
  const char* const unsigned_begin = at;
  uint64_t mantissa = 0;
  while (at < end && is_digit(*at)) {
    mantissa = 10 * mantissa + static_cast<uint64_t>(*at++ - '0');
  }
  int64_t digits = at - unsigned_begin;
  int64_t exponent = 0;
  if (at < end && *at == decimal) {
    const char* const fraction = ++at;
    while (at < end && is_digit(*at)) {
      mantissa = 10 * mantissa + static_cast<uint64_t>(*at++ - '0');
    }
    exponent = fraction - at;
    digits += at - fraction;
  }
  if (digits == 0) {
    const std::string_view word(at, static_cast<size_t>(end - at));
    if (at != unsigned_begin || !(equal_letters(word, "inf") || equal_letters(word, "infinity"))) {
      return NumberKind::kNone;
    }
    value = negative ? -std::numeric_limits<double>::infinity()
                     : std::numeric_limits<double>::infinity();
    return NumberKind::kInfinite;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    ++at;
    const bool below = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) ++at;
    const char* const power_begin = at;
    int64_t power = 0;
    while (at < end && is_digit(*at)) power = std::min<int64_t>(10 * power + (*at++ - '0'), 99999);
    if (at == power_begin) return NumberKind::kNone;
    exponent += below ? -power : power;
  }
  if (at != end) return NumberKind::kNone;

  // Digits and power of ten are exact in double precision, so that one rounding gives the nearest
  // double [Clinger1990]. 19 digits do not overflow the mantissa.
  constexpr auto kMaxTens = static_cast<int64_t>(kTens.size()) - 1;
  if (digits <= 19 && mantissa <= uint64_t{1} << 53 && -kMaxTens <= exponent &&
      exponent <= kMaxTens) {
    const auto exact = static_cast<double>(mantissa);
    value = exponent < 0 ? exact / kTens[static_cast<size_t>(-exponent)]
                         : exact * kTens[static_cast<size_t>(exponent)];
  } else {
    const auto kind =
        round_digits({unsigned_begin, static_cast<size_t>(end - unsigned_begin)}, decimal, value);
    if (negative) value = -value;
    return kind;
  }
  if (negative) value = -value;
  return NumberKind::kFinite;
}

}  // namespace ladder::data
