#include "ladder/data/table.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "ladder/data/internal/column_hint.h"
#include "ladder/data/internal/missing_values.h"

namespace ladder::data {

int64_t Table::find(std::string_view name) const {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const Column& column) { return column.name == name; });
  return found == columns.end() ? -1 : found - columns.begin();
}

const Column& Table::column(std::string_view name) const {
  const int64_t index = find(name);
  if (index < 0) {
    std::vector<std::string> names;
    for (const auto& column : columns) names.push_back(column.name);
    TORCH_CHECK(false, "Table: expected a column '", name, "' in ",
                source.empty() ? "the table" : source, " but found none",
                is_first_line_row
                    ? " (the first line was read as a row; --header yes takes it for names)"
                    : column_hint(name, names),
                ".");
  }
  return columns[static_cast<size_t>(index)];
}

void mark_missing(Table& table, const std::vector<std::string>& missing) {
  const MissingValues values(missing);
  for (auto& column : table.columns) {
    for (auto& number : column.numbers) {
      if (column.single ? values.contains_rounded(number) : values.contains(number))
        number = std::numeric_limits<double>::quiet_NaN();
    }
    constexpr int64_t kKept = -1;
    std::vector<int64_t> rows;  // of each level that is missing
    for (const auto& level : column.levels) {
      rows.push_back(values.contains(without_blanks(level)) ? 0 : kKept);
    }
    for (auto& code : column.codes) {
      if (code < 0 || rows[static_cast<size_t>(code)] == kKept) continue;
      ++rows[static_cast<size_t>(code)];
      code = -1;
    }
    for (size_t level = 0; level < rows.size(); ++level) {
      if (rows[level] > 0) column.missing_texts.emplace_back(column.levels[level], rows[level]);
    }
  }
  for (const auto& text : missing) table.missing.emplace_back(without_blanks(text));
}

int64_t drop_empty_rows(Table& table) {
  std::vector<bool> has_value(static_cast<size_t>(table.rows));
  const auto mark = [&](const auto& values, const auto& is_there) {
    for (size_t row = 0; row < has_value.size(); ++row) {
      has_value[row] = has_value[row] || is_there(values[row]);
    }
  };
  for (const auto& column : table.columns) {
    const auto rows =
        column.kind == ColumnKind::kNumber ? column.numbers.size() : column.codes.size();
    TORCH_CHECK(rows == has_value.size(), "drop_empty_rows: expected ", has_value.size(),
                " values in column '", column.name, "' but got ", rows, ".");
    if (column.kind == ColumnKind::kNumber) {
      mark(column.numbers, [](double value) { return !std::isnan(value); });
    } else {
      mark(column.codes, [](int32_t code) { return code >= 0; });
    }
  }
  const auto empty = std::count(has_value.begin(), has_value.end(), false);
  if (empty == 0) return 0;
  const auto drop = [&](auto& values) {
    size_t kept = 0;
    for (size_t row = 0; row < values.size(); ++row) {
      if (has_value[row]) values[kept++] = values[row];
    }
    values.resize(kept);
  };
  for (auto& column : table.columns) {
    drop(column.numbers);
    drop(column.codes);
  }
  for (auto& part : table.parts) {
    part -= std::count(has_value.begin(), has_value.begin() + part, false);
  }
  table.rows -= empty;
  return empty;
}

std::string cell_text(const Column& column, int64_t row) {
  const auto index = static_cast<size_t>(row);
  if (column.kind == ColumnKind::kText) {
    const int32_t code = column.codes[index];
    return code < 0 ? std::string() : column.levels[static_cast<size_t>(code)];
  }
  const double value = column.numbers[index];
  return std::isnan(value) ? std::string() : fmt::format("{}", value);
}

}  // namespace ladder::data
