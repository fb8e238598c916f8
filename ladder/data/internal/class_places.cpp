#include "ladder/data/internal/class_places.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <system_error>

namespace ladder::data {

std::optional<double> class_number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

bool is_plain_number(const std::string& text) {
  const size_t first = text.starts_with('-') ? 1 : 0;
  const bool code = text.size() > first + 1 && text[first] == '0' &&
                    std::isdigit(static_cast<unsigned char>(text[first + 1])) != 0;
  return !code && class_number(text).has_value();
}

ClassPlaces::ClassPlaces(const std::vector<std::string>& classes) {
  bool all_numbers = true;
  for (size_t i = 0; i < classes.size(); ++i) {
    of_name_.emplace(classes[i], static_cast<int64_t>(i));
    all_numbers = all_numbers && class_number(classes[i]).has_value();
  }
  for (size_t i = 0; all_numbers && i < classes.size(); ++i) {
    if (is_plain_number(classes[i])) {
      of_number_.emplace(*class_number(classes[i]), static_cast<int64_t>(i));
    }
  }
}

int64_t ClassPlaces::find(const std::string& text) const {
  if (const auto found = of_name_.find(text); found != of_name_.end()) return found->second;
  if (of_number_.empty() || !is_plain_number(text)) return -1;
  const auto equal = of_number_.find(*class_number(text));
  return equal == of_number_.end() ? -1 : equal->second;
}

}  // namespace ladder::data
