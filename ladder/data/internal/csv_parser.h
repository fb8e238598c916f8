/// Core of the CSV reader. It includes nothing of LibTorch, so that it compiles in a second.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/data/csv.h"
#include "ladder/data/internal/csv_checks.h"
#include "ladder/data/internal/csv_column.h"
#include "ladder/data/internal/csv_dialect.h"
#include "ladder/data/internal/csv_fault.h"
#include "ladder/data/internal/csv_rows.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/io/internal/byte_source.h"

namespace ladder::data {

/// Rows of a CSV file, as columns: csv_rows.h finds the cells, csv_dialect.h what the options leave
/// open, and csv_checks.h mistakes.
class CsvParser {
 public:
  /// Read the first rows, recognise what `options` leaves open, and read the header.
  CsvParser(std::unique_ptr<io::ByteSource> source, std::string name, CsvOptions options);

  CsvParser(const CsvParser&) = delete;  // its parts refer to each other
  CsvParser& operator=(const CsvParser&) = delete;

  const std::vector<std::string>& names() const { return names_.columns; }
  char decimal() const { return decimal_.mark; }

  /// Read up to `max_rows` rows. Return fewer at the end and, unless `wait` is set, where the
  /// source has no more at hand, but at least one.
  Table next(int64_t max_rows, bool wait);

  /// Read all rows. Columns that meet a text only after numbers are named in `late_texts`; their
  /// texts are lost and the file must be read again with these columns as texts.
  Table all(std::vector<std::string>& late_texts);

 private:
  bool read_header();  // whether a row follows, to which it goes on
  void start_columns(const CsvSample& sample);

  bool repeats_names();
  void check_whole_numbers();
  void append_row();
  void append(size_t index, const CsvCell& cell);
  void append_other(size_t index, const CsvCell& cell);
  void append_text(size_t index, const CsvCell& cell, std::string_view text);
  void decide_decimal(std::string_view text);
  std::vector<std::string> missing_texts() const;
  Table take();

  CsvOptions options_;
  CsvNames names_;
  CsvRows rows_;
  CsvDecimal decimal_;
  MissingCells missing_;
  CsvChecks checks_;
  bool has_names_ = true;           // in the first line
  bool is_first_line_row_ = false;  // recognised, not given
  int64_t first_line_ = 0;          // of the header, or of the first row

  std::vector<CsvColumn> columns_;
  int64_t row_count_ = 0;    // in the columns
  bool first_block_ = true;  // of `next`
};

}  // namespace ladder::data
