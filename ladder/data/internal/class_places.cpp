#include "ladder/data/internal/class_places.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "ladder/data/class_labels.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/number_marks.h"
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

bool is_whole_with_comma(const std::string& text) {
  const size_t comma = text.find(',');
  return comma != text.npos && comma + 1 < text.size() &&
         text.find_first_not_of('0', comma + 1) == text.npos &&
         class_number(text, /*commas=*/true).has_value();
}

ClassPlaces::ClassPlaces(const std::vector<std::string>& classes,
                         const std::vector<std::string>& texts)
    : classes_(classes) {
  auto all = classes;
  all.insert(all.end(), texts.begin(), texts.end());
  commas_ = has_decimal_commas(all);
  std::map<double, int64_t> of_number;
  bool all_numbers = true, all_differ = true, all_truths = true;
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto place = static_cast<int64_t>(i);
    of_name_.emplace(classes[i], place);
    const auto value = class_number(classes[i], /*commas=*/true);
    all_numbers = all_numbers && value;
    if (value && is_plain_number(classes[i], /*commas=*/true)) {
      all_differ = of_number.emplace(*value, place).second && all_differ;
    }
    all_truths = all_truths && truth_of_level(classes[i]) >= 0;
  }
  commas_ = commas_ && all_differ;  // 1,1 and 1,10 are two classes of a model
  reads_commas_ = commas_ || (all_numbers && all_differ && !classes.empty());
  if (all_numbers && reads_commas_) of_number_ = std::move(of_number);
  if (all_truths && !all_numbers && classes.size() <= 2) {
    for (size_t i = 0; i < classes.size(); ++i) {
      of_truth_.emplace(truth_of_level(classes[i]), static_cast<int64_t>(i));
    }
    if (of_truth_.size() < classes.size()) of_truth_.clear();  // two spellings of one
  }
}

int64_t ClassPlaces::find(const std::string& text) const {
  if (const auto found = of_name_.find(text); found != of_name_.end()) return found->second;
  const std::string bare(without_blanks(text));
  if (bare.size() < text.size()) return find(bare);
  const bool decimal = commas_ || (reads_commas_ && is_whole_with_comma(text));
  if (means_no_label(text, decimal)) return kUnlabeled;
  if (const auto found = of_truth_.find(truth_of_level(text)); found != of_truth_.end()) {
    return found->second;
  }
  return find_number(text);
}

int64_t ClassPlaces::find_number(const std::string& text) const {
  if (of_number_.empty() || !is_plain_number(text, reads_commas_)) return kUnknown;
  const auto equal = of_number_.find(*class_number(text, reads_commas_));
  if (equal == of_number_.end()) return kUnknown;
  if (commas_ || text.find(',') == text.npos) return equal->second;
  if (may_be_thousands(text, ',')) return kUnknown;
  const auto& name = classes_[static_cast<size_t>(equal->second)];
  const bool one =
      name.find(',') == name.npos || (is_whole_with_comma(text) && is_whole_with_comma(name));
  return one ? equal->second : kUnknown;
}

}  // namespace ladder::data
