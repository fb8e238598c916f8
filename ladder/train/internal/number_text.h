#pragma once

#include <charconv>
#include <string>
#include <vector>

namespace ladder::train {

/// The shortest text that reads back as `value`.
inline std::string number_text(double value) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  return std::string(digits, end);
}

/// Such texts, separated by commas: "10, 0.1".
inline std::string numbers_text(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += (text.empty() ? "" : ", ") + number_text(value);
  return text;
}

}  // namespace ladder::train
