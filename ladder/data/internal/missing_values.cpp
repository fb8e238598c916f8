#include "ladder/data/internal/missing_values.h"

#include <array>
#include <cmath>
#include <utility>

#include "ladder/data/internal/parse_number.h"

namespace ladder::data {
namespace {

// Space, tab, and the no-break spaces U+00A0, U+202F, U+2007 and U+FEFF.
constexpr std::array<std::string_view, 6> kBlanks = {
    " ", "\t", "\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x87", "\xEF\xBB\xBF"};

}  // namespace

const std::vector<std::string>& usual_missing() {
  // Those of pandas.read_csv, and "?".
  static const std::vector<std::string> all = {
      "",    "?",    "NA",   "N/A",  "n/a",  "#NA",  "#N/A",   "#N/A N/A", "<NA>",    "NaN",
      "nan", "-NaN", "-nan", "NULL", "null", "None", "1.#IND", "-1.#IND",  "1.#QNAN", "-1.#QNAN"};
  return all;
}

bool is_usual_missing(std::string_view text) {
  switch (text.size()) {  // every text of a file is asked
    case 0:
      return true;
    case 1:
      return text == "?";
    case 2:
      return text == "NA";
    case 3:
      return text == "N/A" || text == "n/a" || text == "NaN" || text == "nan" || text == "#NA";
    case 4:
      return text == "NULL" || text == "null" || text == "None" || text == "#N/A" ||
             text == "<NA>" || text == "-NaN" || text == "-nan";
    case 6:
      return text == "1.#IND";
    case 7:
      return text == "-1.#IND" || text == "1.#QNAN";
    case 8:
      return text == "-1.#QNAN" || text == "#N/A N/A";
    default:
      return false;
  }
}

std::string_view without_blanks(std::string_view text) {
  const auto is_plain = [](char c) {
    return c != ' ' && c != '\t' && static_cast<signed char>(c) > 0;
  };
  const auto blank_size = [](std::string_view part, bool front) -> size_t {
    for (const std::string_view blank : kBlanks) {
      if (front ? part.starts_with(blank) : part.ends_with(blank)) return blank.size();
    }
    return 0;
  };
  while (!text.empty() && !is_plain(text.front())) {
    const size_t size = blank_size(text, true);
    if (size == 0) break;
    text.remove_prefix(size);
  }
  while (!text.empty() && !is_plain(text.back())) {
    const size_t size = blank_size(text, false);
    if (size == 0) break;
    text.remove_suffix(size);
  }
  return text;
}

std::string_view without_sign(std::string_view text) {
  constexpr std::string_view kWideMinus = "\xE2\x88\x92";  // U+2212
  if (text.starts_with('-') || text.starts_with('+')) return text.substr(1);
  return text.starts_with(kWideMinus) ? text.substr(kWideMinus.size()) : text;
}

MissingValues::MissingValues(std::vector<std::string> texts, char decimal)
    : texts_(std::move(texts)), decimal_(decimal) {
  for (auto& text : texts_) {
    text = std::string(without_blanks(text));  // cells are compared without theirs
    double value = 0;
    if (parse_number(text, decimal, value) != NumberKind::kFinite &&
        parse_number(text, '.', value) != NumberKind::kFinite) {
      continue;
    }
    numbers_.push_back(value);
    const double rounded = static_cast<float>(value);
    if (std::isfinite(rounded)) rounded_.push_back(rounded);
  }
}

bool MissingValues::contains(std::string_view text) const {
  if (std::find(texts_.begin(), texts_.end(), text) != texts_.end()) return true;
  if (numbers_.empty()) return false;
  const auto body = without_sign(text);
  const bool code = body.size() > 1 && body[0] == '0' && body[1] >= '0' && body[1] <= '9';
  double value = 0;
  return !code && parse_number(text, decimal_, value) == NumberKind::kFinite && contains(value);
}

bool MissingCells::contains(std::string_view text, bool is_text) const {
  text = without_blanks(text);  // those inside of quotes
  if (given.contains(text)) return true;
  if (!is_usual_missing(text)) return false;
  return !is_text || std::find(values.begin(), values.end(), text) == values.end();
}

}  // namespace ladder::data
