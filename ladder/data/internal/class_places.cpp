#include "ladder/data/internal/class_places.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <system_error>

#include "ladder/data/class_labels.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/spellings.h"

namespace ladder::data {
namespace {

// Decimal digits that a double always keeps.
constexpr int64_t kSafeDigits = 15;

// Significant digits of a number: without zeros in front, nor those at the end of a fraction.
int64_t digits_of(std::string_view text) {
  text = text.substr(0, text.find_first_of("eE"));
  if (text.find_first_of(".,") != text.npos) {
    const size_t last = text.find_last_not_of('0');
    text = text.substr(0, last == text.npos ? 0 : last + 1);
  }
  const size_t first = text.find_first_of("123456789");
  if (first == text.npos) return 0;
  text.remove_prefix(first);
  return std::count_if(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::optional<double> class_number(const std::string& text, bool commas) {
  double value = 0;
  std::string body(without_sign(text));
  const bool has_plus = text.starts_with('+');
  const bool has_minus = body.size() < text.size() && !has_plus;
  const size_t comma = body.find(',');
  if (comma != body.npos) {
    if (!commas || body.find('.') != body.npos) return std::nullopt;
    body[comma] = '.';
  }
  const char* end = body.data() + body.size();
  const auto [rest, error] = std::from_chars(body.data(), end, value);
  if (error != std::errc() || rest != end || !std::isfinite(value) || has_plus ||
      body.starts_with('-')) {
    return std::nullopt;
  }
  return has_minus ? -value : value;
}

bool is_plain_number(const std::string& text, bool commas) {
  const auto body = without_sign(text);
  const bool code =
      body.size() > 1 && body[0] == '0' && std::isdigit(static_cast<unsigned char>(body[1])) != 0;
  return !code && class_number(text, commas).has_value() && digits_of(text) <= kSafeDigits;
}

bool means_no_label(const std::string& text, bool commas) {
  const std::string bare(without_blanks(text));
  return bare.empty() || class_number(bare, commas) == -1.0;
}

ClassPlaces::ClassPlaces(const std::vector<std::string>& classes,
                         const std::vector<std::string>& texts) {
  auto all = classes;
  all.insert(all.end(), texts.begin(), texts.end());
  commas_ = has_decimal_commas(all);
  bool all_numbers = true, all_truths = true;
  for (size_t i = 0; i < classes.size(); ++i) {
    of_name_.emplace(classes[i], static_cast<int64_t>(i));
    all_numbers = all_numbers && class_number(classes[i], commas_).has_value();
    all_truths = all_truths && truth_of_level(classes[i]) >= 0;
  }
  if (all_truths && !all_numbers && classes.size() <= 2) {
    for (size_t i = 0; i < classes.size(); ++i) {
      of_truth_.emplace(truth_of_level(classes[i]), static_cast<int64_t>(i));
    }
    if (of_truth_.size() < classes.size()) of_truth_.clear();  // two spellings of one
  }
  for (size_t i = 0; all_numbers && i < classes.size(); ++i) {
    if (is_plain_number(classes[i], commas_)) {
      of_number_.emplace(*class_number(classes[i], commas_), static_cast<int64_t>(i));
    }
  }
}

int64_t ClassPlaces::find(const std::string& text) const {
  if (const auto found = of_name_.find(text); found != of_name_.end()) return found->second;
  const std::string bare(without_blanks(text));
  if (bare.size() < text.size()) return find(bare);
  if (const auto found = of_truth_.find(truth_of_level(text)); found != of_truth_.end()) {
    return found->second;
  }
  if (of_number_.empty() || !is_plain_number(text, commas_)) return -1;
  const auto equal = of_number_.find(*class_number(text, commas_));
  return equal == of_number_.end() ? -1 : equal->second;
}

}  // namespace ladder::data
