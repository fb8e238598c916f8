#include "ladder/data/internal/csv_column.h"

#include <algorithm>
#include <utility>

namespace ladder::data {

void CsvColumn::append_missing(std::string_view text) {
  rows.codes.push_back(-1);
  if (!text.empty()) count_missing(rows, text);
}

// A file has few of these texts, apart from different spellings of a number.
void count_missing(Column& column, std::string_view text) {
  auto& texts = column.missing_texts;
  const auto counted =
      std::find_if(texts.begin(), texts.end(), [&](const auto& one) { return one.first == text; });
  constexpr size_t kMaxSpellings = 20;
  if (counted != texts.end()) {
    ++counted->second;
  } else if (texts.size() < kMaxSpellings) {
    texts.emplace_back(text, 1);
  }
}

void CsvColumn::count_other(int64_t line, std::string_view text) {
  if (++others == 1) first_other = {line, std::string(text)};
  if (other_texts.size() <= kFewOthers &&
      std::find(other_texts.begin(), other_texts.end(), text) == other_texts.end()) {
    other_texts.emplace_back(text);
  }
}

void CsvColumn::become_text() {
  rows.kind = ColumnKind::kText;
  rows.codes.assign(rows.numbers.size(), -1);
  rows.numbers = {};
}

Column CsvColumn::take() {
  Column next{.name = rows.name, .kind = rows.kind};
  codes.clear();
  number_levels.clear();
  return std::exchange(rows, std::move(next));
}

}  // namespace ladder::data
