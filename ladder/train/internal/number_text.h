#pragma once

#include <charconv>
#include <string>

namespace ladder::train {

/// The shortest text that reads back as `value`.
inline std::string number_text(double value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return std::string(digits, end);
}

}  // namespace ladder::train
