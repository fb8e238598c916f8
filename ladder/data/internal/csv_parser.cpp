#include "ladder/data/internal/csv_parser.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "ladder/data/internal/column_hint.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/number_marks.h"
#include "ladder/data/internal/parse_number.h"
#include "ladder/data/internal/spellings.h"
#include "ladder/data/internal/unnamed_column.h"

namespace ladder::data {
namespace {

constexpr size_t kSampleRows = 1000;
constexpr double kMissingNumber = std::numeric_limits<double>::quiet_NaN();

CsvOptions checked_options(CsvOptions options) {
  const char delimiter = options.delimiter.value_or(',');
  if (!may_delimit(delimiter)) {
    refuse_csv("a delimiter such as , or ; or a tab",
               "character " + std::to_string(int{delimiter}));
  }
  const char mark = options.decimal.value_or('.');
  if (mark != '.' && mark != ',') refuse_csv("'.' or ',' as decimal mark", quoted_text({&mark, 1}));
  if (options.decimal && options.delimiter && mark == delimiter) {
    refuse_csv("a decimal mark that is not the delimiter", quoted_text({&mark, 1}) + " for both");
  }
  // As cells are compared, and as tables and models keep them.
  for (auto& text : options.missing) text = std::string(without_blanks(text));
  return options;
}

// Whether a text is a number with blanks around it, as quotes keep them; then `value` is that.
bool is_padded_number(std::string_view text, char decimal, double& value) {
  const auto bare = without_blanks(text);
  return bare.size() < text.size() && parse_number(bare, decimal, value) == NumberKind::kFinite;
}

}  // namespace

CsvParser::CsvParser(std::unique_ptr<io::ByteSource> source, std::string name, CsvOptions options)
    : options_(checked_options(std::move(options))),
      names_{.file = std::move(name)},
      rows_(std::move(source), names_),
      checks_(names_, decimal_) {
  rows_.set_delimiter(recognised_delimiter(rows_, options_, names_));
  const CsvSample sample = rows_.sample(rows_.delimiter(), kSampleRows);
  decimal_ = recognised_decimal(sample, rows_.delimiter(), options_, names_);
  missing_ = {.given = MissingValues(options_.missing, decimal_.mark),
              .values = options_.not_missing};
  has_names_ =
      options_.header ? *options_.header : recognised_header(sample, decimal_.mark, missing_);
  is_first_line_row_ = !has_names_ && !options_.header;
  const bool any_row = read_header();
  start_columns(sample);
  if (any_row) append_row();
}

// ---- Columns

bool CsvParser::read_header() {
  if (rows_.next(true) == CsvRows::Step::kEnd) {
    refuse_csv("a table", "empty lines only in " + names_.file);
  }
  first_line_ = rows_.line();
  std::map<std::string, size_t> places;
  std::vector<std::string> names;
  for (const CsvCell& cell : rows_.cells()) {
    const size_t index = names.size();
    std::string name;
    if (has_names_) {
      name = rows_.text(cell);
      rows_.check_utf8(index, cell, name);
    }
    if (name.empty()) name = unnamed_column(index);
    const auto [other, added] = places.emplace(name, index);
    if (!added) {
      refuse_csv("different column names",
                 quoted_text(name) + " in columns " + std::to_string(other->second + 1) + " and " +
                     std::to_string(index + 1) + " of line " + std::to_string(first_line_) +
                     " of " + names_.file,
                 "rename one, or say that the file has no header");
    }
    names.push_back(std::move(name));
  }
  names_.columns = std::move(names);
  if (!has_names_ || rows_.next(true) == CsvRows::Step::kRow) return true;
  if (!options_.may_be_empty) {
    refuse_csv("rows", "only a header in " + names_.file,
               "say that the file has no header if its line is a row");
  }
  return false;
}

void CsvParser::start_columns(const CsvSample& sample) {
  const auto& names = names_.columns;
  for (const auto& name : options_.text_columns) {
    if (is_listed(names, name)) continue;
    refuse_csv(
        "a column " + quoted_text(name) + " in " + names_.file,
        "none" + (is_first_line_row_
                      ? " (the first line was read as a row; --header yes takes it for names)"
                      : column_hint(name, names)));
  }
  // A column is one of texts if its first rows have any.
  const auto kind_of_rows = [&](size_t c) {
    for (size_t r = has_names_ ? 1 : 0; r < sample.rows.size(); ++r) {
      if (sample.rows[r].size() != names.size()) break;
      double value = 0;
      const auto text = without_blanks(sample.rows[r][c]);
      if (!missing_.contains(text) &&
          parse_number(text, decimal_.mark, value) == NumberKind::kNone) {
        return ColumnKind::kText;
      }
    }
    return ColumnKind::kNumber;
  };
  for (size_t c = 0; c < names.size(); ++c) {
    auto given = known_kind(options_, names[c]);
    if (!given) given = options_.other_kind;
    columns_.push_back({.rows = {.name = names[c], .kind = given ? *given : kind_of_rows(c)},
                        .known = given.has_value(),
                        .as_written = is_listed(options_.as_written, names[c]),
                        .unused = is_listed(options_.unused, names[c]),
                        .whole = is_listed(options_.whole_numbers, names[c])});
  }
}

// ---- Rows

// Whether a row is the line of names.
bool CsvParser::repeats_names() {
  const auto& cells = rows_.cells();
  if (!has_names_ || cells.size() < 2) return false;
  size_t texts = 0;
  for (size_t c = 0; c < cells.size(); ++c) {
    const auto text = rows_.text(cells[c]);
    const auto& name = names_.columns[c];
    if (text != name && !(text.empty() && name == unnamed_column(c))) return false;
    texts += !text.empty();
  }
  return texts > 1;
}

// Refuses numbers that may be those of thousands in columns of whole numbers, until a number shows
// that their mark is decimal.
void CsvParser::check_whole_numbers() {
  const auto& cells = rows_.cells();
  for (size_t c = 0; c < cells.size(); ++c) {
    if (decimal_.is_open && !columns_[c].is_text()) decide_decimal(cells[c].bytes());
  }
  const char mark = decimal_.mark;
  for (size_t c = 0; c < cells.size(); ++c) {
    const auto text = cells[c].bytes();
    if (!columns_[c].is_text() && text.find(mark) != text.npos && is_finite_number(text, mark) &&
        !may_be_thousands(text, mark)) {
      decimal_.is_sure = true;
      return;
    }
  }
  for (size_t c = 0; c < cells.size(); ++c) {
    const std::string number(without_blanks(cells[c].bytes()));
    if (!columns_[c].whole || !may_be_thousands(number, mark) || missing_.given.contains(number)) {
      continue;
    }
    auto digits = number;
    digits.erase(digits.find(mark), 1);
    auto value = number;
    std::replace(value.begin(), value.end(), ',', '.');
    refuse_csv("whole numbers, as in training,",
               quoted_text(number) + " in " + names_.place(rows_.line(), c),
               "is it " + digits + "? then remove the marks of thousands; is it " + value +
                   "? then --decimal " + mark);
  }
}

void CsvParser::append_row() {
  const auto& cells = rows_.cells();
  const auto line = [&] {
    return " in line " + std::to_string(rows_.line()) + " of " + names_.file;
  };
  if (cells.size() != columns_.size()) {
    refuse_csv(
        std::to_string(columns_.size()) + (columns_.size() == 1 ? " column" : " columns") +
            ", as in line " + std::to_string(first_line_) + ",",
        std::to_string(cells.size()) + line(),
        "the delimiter is " + delimiter_name(rows_.delimiter()) + "; quote cells that hold it");
  }
  if (repeats_names()) {
    refuse_csv("rows below the names of the columns", "the names again" + line(),
               "remove the line");
  }
  if (!decimal_.is_sure && !options_.whole_numbers.empty()) check_whole_numbers();
  for (size_t c = 0; c < cells.size(); ++c) append(c, cells[c]);
  ++row_count_;
}

void CsvParser::append(size_t index, const CsvCell& cell) {
  CsvColumn& column = columns_[index];
  if (column.is_text()) {
    append_text(index, cell, rows_.text(cell));
    return;
  }
  if (decimal_.is_open) decide_decimal(cell.bytes());
  double value = 0;
  if (parse_number(cell.bytes(), decimal_.mark, value) != NumberKind::kFinite &&
      !is_padded_number(cell.bytes(), decimal_.mark, value)) {
    append_other(index, cell);
    return;
  }
  if (missing_.given.contains(value)) {
    value = kMissingNumber;
  } else {
    column.present = true;
  }
  column.rows.numbers.push_back(value);
}

// Appends what is not a finite number to a column of numbers.
void CsvParser::append_other(size_t index, const CsvCell& cell) {
  CsvColumn& column = columns_[index];
  const std::string_view text = rows_.text(cell);
  auto& numbers = column.rows.numbers;
  if (missing_.contains(text, /*is_text=*/!column.known)) {
    numbers.push_back(kMissingNumber);
    return;
  }
  rows_.check_utf8(index, cell, text);
  double value = 0;
  const int64_t line = rows_.line(cell);
  if (parse_number(without_blanks(text), decimal_.mark, value) == NumberKind::kInfinite) {
    if (!column.first_infinite) column.first_infinite = {line, std::string(text)};
    if (column.known) checks_.refuse_infinite(column, index);
    numbers.push_back(value);
    return;
  }
  if (const int truth = truth_value(without_blanks(text)); column.known && truth >= 0) {
    numbers.push_back(truth);  // as for columns of other tables
    return;
  }
  if (column.known) checks_.refuse_text(text, line, index);
  if (!column.present && !column.first_infinite) {
    column.become_text();
    append_text(index, cell, text);
    return;
  }
  column.count_other(line, text);
  numbers.push_back(kMissingNumber);
}

void CsvParser::append_text(size_t index, const CsvCell& cell, std::string_view text) {
  CsvColumn& column = columns_[index];
  auto& codes = column.rows.codes;
  auto& levels = column.rows.levels;
  if (column.as_written ? text.empty() : missing_.contains(text)) {
    column.append_missing(text);
    return;
  }
  int32_t code = codes.empty() ? -1 : codes.back();
  if (code < 0 || levels[static_cast<size_t>(code)] != text) {
    const auto found = column.codes.find(text);
    if (found != column.codes.end()) {
      code = found->second;
    } else {
      rows_.check_utf8(index, cell, text);
      code = static_cast<int32_t>(levels.size());
      levels.emplace_back(text);
      column.codes.emplace(levels.back(), code);
      if (!column.known) column.number_levels.push_back(is_finite_number(text, decimal_.mark));
    }
  }
  codes.push_back(code);
  if (column.known) return;
  if (column.number_levels[static_cast<size_t>(code)]) {
    ++column.numbers;
  } else {
    column.count_other(rows_.line(cell), text);
  }
}

void CsvParser::decide_decimal(std::string_view text) {
  for (const char mark : {'.', ','}) {
    if (text.find(mark) == text.npos || !is_finite_number(text, mark)) continue;
    decimal_.mark = may_be_thousands(text, mark) ? options_.usual_decimal.value_or(mark) : mark;
    decimal_.is_open = false;
    missing_.given = MissingValues(options_.missing, decimal_.mark);
  }
}

// ---- Tables

// Numbers that have a decimal comma are there with a point as well: other tables have it.
std::vector<std::string> CsvParser::missing_texts() const {
  auto texts = options_.missing;
  if (decimal_.mark != ',') return texts;
  for (const auto& text : options_.missing) {
    if (text.find(',') == text.npos || !is_finite_number(text, ',')) continue;
    auto with_point = text;
    std::replace(with_point.begin(), with_point.end(), ',', '.');
    if (!is_listed(texts, with_point)) texts.push_back(std::move(with_point));
  }
  return texts;
}

Table CsvParser::take() {
  Table table{.source = names_.file,
              .rows = std::exchange(row_count_, 0),
              .missing = missing_texts(),
              .decimal = decimal_.mark,
              .decimal_given = options_.decimal.has_value(),
              .is_first_line_row = is_first_line_row_};
  for (CsvColumn& column : columns_) table.columns.push_back(column.take());
  return table;
}

Table CsvParser::next(int64_t max_rows, bool wait) {
  while (row_count_ < max_rows && rows_.next(wait || row_count_ == 0) == CsvRows::Step::kRow) {
    append_row();
  }
  if (first_block_) checks_.refuse_stray_line(columns_);
  for (size_t c = 0; c < columns_.size(); ++c) {
    const CsvColumn& column = columns_[c];
    if (column.known) continue;
    if (column.is_text()) {
      if (first_block_) {
        checks_.refuse_nearly_numbers(column, c);
        checks_.refuse_faulty_numbers(column, c);
      }
      continue;
    }
    if (column.first_other) {
      const auto& [line, text] = *column.first_other;
      refuse_csv("a number, as in the rows before,",
                 quoted_text(text) + " in " + names_.place(line, c),
                 "name the text as a missing value, or the column as a text column");
    }
    checks_.refuse_infinite(column, c);
  }
  first_block_ = false;
  return take();
}

Table CsvParser::all(std::vector<std::string>& late_texts) {
  while (rows_.next(true) == CsvRows::Step::kRow) append_row();
  checks_.refuse_stray_line(columns_);
  for (size_t c = 0; c < columns_.size(); ++c) {
    const CsvColumn& column = columns_[c];
    if (column.known) continue;
    if (column.is_text()) {
      checks_.refuse_nearly_numbers(column, c);
      checks_.refuse_faulty_numbers(column, c);
    } else if (column.first_other) {
      checks_.refuse_nearly_numbers(column, c);
      checks_.refuse_late_texts(column, c);
      late_texts.push_back(names_.columns[c]);
    } else {
      checks_.refuse_infinite(column, c);
    }
  }
  return take();
}

}  // namespace ladder::data
