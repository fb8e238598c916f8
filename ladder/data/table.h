/// Columns with names, as they are read from a file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ladder::data {

enum class ColumnKind {
  kNumber,  ///< values are numbers
  kText,    ///< values are texts, numbered by their level
};

/// One column of a table.
struct Column {
  std::string name = {};
  ColumnKind kind = ColumnKind::kNumber;
  std::vector<double> numbers = {};      ///< kNumber: one value a row; NaN is missing
  std::vector<int32_t> codes = {};       ///< kText: index into `levels` of each row; -1 is missing
  std::vector<std::string> levels = {};  ///< kText: different texts, in the order of appearance
  bool single = false;  ///< kNumber: values were in single precision, so that -999.9 is rounded
  /// kText: texts of missing values that are not empty ("NA"), with their rows, where the reader
  /// tells them.
  std::vector<std::pair<std::string, int64_t>> missing_texts = {};
};

/// Rows of a file. All columns have `rows` values, and no two have one name.
struct Table {
  std::string source = {};  ///< file that the rows come from, for messages
  int64_t rows = 0;
  std::vector<Column> columns = {};
  /// Texts that were missing values besides the usual ones (CsvOptions::missing).
  std::vector<std::string> missing = {};
  /// Decimal mark of a text file: the one that was given, or the one that was recognised. 0 where
  /// another reader made the table.
  char decimal = 0;
  /// True if the mark was given (CsvOptions::decimal).
  bool decimal_given = false;
  /// True if the reader took the first line for a row, so that columns are x0, x1, ...
  bool is_first_line_row = false;
  /// Number of columns of an array, which are known by their places alone: x0, x1, ... 0 where
  /// columns have names.
  int64_t array_columns = 0;
  /// First row of each further source, where rows of several sources were put together.
  std::vector<int64_t> parts = {};

  /// Return the index of the column `name`, or -1.
  int64_t find(std::string_view name) const;

  /// Return the column `name`. Error: no such column; the sentence gives the nearest name.
  const Column& column(std::string_view name) const;
};

/// Make values missing that are one of `missing`, by text or by number (-999.0 is "-999"), and add
/// these to `table.missing`. The reader of CSV files does so itself.
void mark_missing(Table& table, const std::vector<std::string>& missing);

/// Remove the rows in which every column is missing, as programs for spreadsheets write them below
/// a table, and return how many there were. Error: a column of another number of rows.
int64_t drop_empty_rows(Table& table);

/// Return the text of a value: the level of a text, the shortest decimal form of a number ("3",
/// "0.1"), "" for a missing value.
std::string cell_text(const Column& column, int64_t row);

}  // namespace ladder::data
