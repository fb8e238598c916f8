#include "ladder/data/internal/label_column.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <unordered_set>

#include "ladder/data/internal/class_places.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/number_marks.h"

namespace ladder::data {

std::vector<std::string> label_texts(const Column& column) {
  if (column.kind == ColumnKind::kText) {
    std::vector<bool> is_used(column.levels.size());
    for (const int32_t code : column.codes) {
      if (code >= 0) is_used[static_cast<size_t>(code)] = true;
    }
    std::vector<std::string> used;
    for (size_t level = 0; level < is_used.size(); ++level) {
      if (is_used[level]) used.push_back(column.levels[level]);
    }
    return used;
  }
  std::vector<double> values;
  for (const double value : column.numbers) {
    if (!std::isnan(value)) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  std::vector<std::string> texts;
  for (const double value : values) texts.push_back(fmt::format("{}", value));
  return texts;
}

int64_t rows_of_minus_one(const Column& column, const std::vector<std::string>& classes) {
  if (column.kind == ColumnKind::kNumber) {
    return std::count(column.numbers.begin(), column.numbers.end(), -1.0);
  }
  const ClassPlaces places(classes, label_texts(column));
  std::vector<bool> is_one;
  for (const auto& level : column.levels) {
    is_one.push_back(!without_blanks(level).empty() &&
                     places.find(level) == ClassPlaces::kUnlabeled);
  }
  return std::count_if(column.codes.begin(), column.codes.end(), [&](int32_t code) {
    return code >= 0 && is_one[static_cast<size_t>(code)];
  });
}

std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    const size_t first = text.find_first_not_of(' ', begin);
    if (first < end) {
      parts.push_back(text.substr(first, text.find_last_not_of(' ', end - 1) + 1 - first));
    }
    begin = end + 1;
  }
  return parts;
}

bool are_comma_numbers(const std::vector<std::string>& classes) {
  const std::unordered_set<std::string> names(classes.begin(), classes.end());
  bool some_without = false, all_parts_known = true, any_repeats = false;
  for (const auto& name : classes) {
    if (name.find(',') == name.npos) {
      some_without = some_without || is_finite_number(name, '.');
      continue;
    }
    const auto parts = parts_of(name, ',');
    if (parts.size() != 2) return false;
    any_repeats = any_repeats || parts[0] == parts[1];
    for (const auto& part : parts) {
      if (!is_finite_number(part, '.')) return false;
      all_parts_known = all_parts_known && names.contains(part);
    }
  }
  return any_repeats || !some_without || !all_parts_known;
}

}  // namespace ladder::data
