#include "ladder/data/internal/label_column.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "ladder/data/class_labels.h"
#include "ladder/data/internal/class_places.h"

namespace ladder::data {

std::vector<std::string> label_texts(const Column& column) {
  if (column.kind == ColumnKind::kText) return column.levels;
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

int64_t rows_of_minus_one(const Column& column) {
  if (column.kind == ColumnKind::kNumber) {
    return std::count(column.numbers.begin(), column.numbers.end(), -1.0);
  }
  std::vector<bool> is_one;
  for (const auto& level : column.levels) {
    is_one.push_back(!without_label_blanks(level).empty() && is_unlabeled(level));
  }
  return std::count_if(column.codes.begin(), column.codes.end(), [&](int32_t code) {
    return code >= 0 && is_one[static_cast<size_t>(code)];
  });
}

}  // namespace ladder::data
