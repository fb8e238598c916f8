/// Core of the CSV reader. It includes nothing of LibTorch, so that it compiles in a second.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ladder/data/csv.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/number_marks.h"
#include "ladder/io/internal/byte_source.h"

namespace ladder::data {

/// What is wrong with a CSV file: a whole sentence.
class CsvFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class NumberKind { kFinite, kInfinite, kNone };

/// Convert a text without spaces around it to the nearest double. "inf", "-Infinity" and 1e400 are
/// kInfinite. `decimal` is '.' or ','.
NumberKind parse_number(std::string_view text, char decimal, double& value);

/// Bytes of one cell, without the spaces around it and without its quotes.
struct CsvCell {
  const char* begin = nullptr;
  const char* end = nullptr;
  bool doubled = false;  ///< holds doubled quotes

  std::string_view bytes() const { return {begin, static_cast<size_t>(end - begin)}; }
};

/// Rows of a CSV file, as columns.
class CsvParser {
 public:
  /// Read the first rows, recognise what `options` leaves open, and read the header.
  CsvParser(std::unique_ptr<io::ByteSource> source, std::string name, CsvOptions options);

  const std::vector<std::string>& names() const { return names_; }
  char decimal() const { return decimal_; }

  /// Read up to `most_rows` rows. Return fewer at the end and, unless `wait` is set, where the
  /// source has no more at hand, but at least one.
  Table next(int64_t most_rows, bool wait);

  /// Read all rows. Columns that meet a text only after numbers are named in `late_texts`; their
  /// texts are lost and the file must be read again with these columns as texts.
  Table all(std::vector<std::string>& late_texts);

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  struct Place {
    int64_t line = 0;
    std::string text = {};
  };

  struct Builder {
    Column column = {};
    bool known = false;                         // the kind was given
    bool present = false;                       // kNumber: has had a number
    bool as_written = false;                    // only empty cells are missing
    bool unused = false;                        // mistakes do no harm
    bool whole = false;                         // of CsvOptions::whole_numbers
    int64_t others = 0;                         // values that are no numbers
    std::vector<std::string> other_texts = {};  // different ones of these, the first few
    std::optional<Place> first_other = {};
    std::optional<Place> first_infinite = {};
    std::unordered_map<std::string, int32_t, Hash, std::equal_to<>> codes = {};
    std::vector<bool> number_levels = {};  // which levels are numbers, unless `known`
    int64_t numbers = 0;                   // kText: values that are numbers
  };

  enum class Step { kRow, kIncomplete, kEnd };

  struct Scan {
    Step step = Step::kIncomplete;
    const char* begin = nullptr;  // of the row, behind empty lines
    const char* next = nullptr;
    int64_t skipped = 0;  // empty lines
    int64_t lines = 0;    // of the row
  };

  using Rows = std::vector<std::vector<std::string>>;

  void fill_sample();
  void grow(size_t size);
  bool fill();
  void start_text();
  char recognised_delimiter() const;
  bool begins_with_comment() const;
  void refuse_title(char delimiter) const;
  Rows sample_rows(char delimiter, size_t most, bool& whole) const;
  std::optional<ColumnKind> kind_in_sample(const Rows& rows, size_t column) const;
  void recognise_decimal(const Rows& rows);
  [[noreturn]] void refuse_open_mark(const std::string& got, const std::string& column,
                                     const std::string& number) const;
  void check_marks(const Rows& rows, const std::vector<ColumnMarks>& columns) const;
  bool recognised_header(const Rows& rows) const;
  bool read_header(bool header);  // whether a row follows, which it scans
  void set_kinds(const Rows& rows, bool header);

  Scan scan(const char* at, char delimiter, std::vector<CsvCell>& cells) const;
  Step scan_row(bool wait);
  bool repeats_names();
  void watch_whole_numbers();
  void append_row();
  void append(size_t index, const CsvCell& cell);
  void append_other(size_t index, const CsvCell& cell);
  void append_text(size_t index, const CsvCell& cell, std::string_view text);
  static void count_other(Builder& builder, int64_t line, std::string_view text);
  static void count_missing(Column& column, std::string_view text);
  void decide_decimal(std::string_view text);
  std::string_view text_of(const CsvCell& cell);
  bool is_missing(std::string_view text, bool is_text = true) const;
  void check_utf8(size_t index, const CsvCell& cell, std::string_view text) const;
  static int64_t numbers_of(const Builder& builder);
  static bool has_many_numbers(const Builder& builder);
  static bool is_nearly_numbers(const Builder& builder, int64_t numbers);
  void check_stray_line() const;
  void check_nearly_numbers(const Builder& builder, size_t index) const;
  void check_faulty_numbers(const Builder& builder, size_t index) const;
  void check_late_texts(const Builder& builder, size_t index) const;
  [[noreturn]] void refuse_fault(NumberFault fault, std::string_view text, size_t index) const;
  std::string number_hint(std::string_view text) const;
  void check_infinite(const Builder& builder, size_t index) const;
  std::vector<std::string> missing_texts() const;
  Table take();

  std::string column_place(size_t index) const;
  std::string place(int64_t line, size_t index) const;
  std::string place(const CsvCell& cell, size_t index) const;
  [[noreturn]] void fail(const std::string& expected, const std::string& got,
                         const std::string& hint = "") const;

  std::unique_ptr<io::ByteSource> source_;
  std::string name_;
  CsvOptions options_;
  char delimiter_ = ',';
  char decimal_ = '.';
  bool decimal_open_ = false;  // the first number with a mark decides
  bool watch_whole_ = false;   // no number has shown what the decimal mark is
  bool has_names_ = false;     // in the first line
  std::string shown_decimal_;  // a number of the first rows that has the mark, and its column
  bool is_first_line_row_ = false;
  MissingValues missing_ = MissingValues({});  // options_.missing

  std::unique_ptr<char[]> buffer_;  // bytes from begin_ to end_, and one more that ends a line
  size_t buffer_size_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool at_end_ = false;  // the source has no more
  bool after_cr_ = false;
  int64_t line_ = 1;        // of begin_
  int64_t first_line_ = 0;  // of the header, or of the first row
  const char* row_begin_ = nullptr;
  int64_t row_line_ = 0;
  std::vector<CsvCell> cells_;
  std::string scratch_;

  std::vector<std::string> names_;
  std::vector<Builder> builders_;
  int64_t rows_ = 0;         // in the builders
  bool first_block_ = true;  // of `next`
};

}  // namespace ladder::data
