/// From the bytes of a CSV file to the cells of its rows. It includes nothing of LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/data/internal/csv_fault.h"
#include "ladder/io/internal/byte_source.h"

namespace ladder::data {

/// Return whether a character may separate cells: no quote, line end, digit or zero byte.
bool may_delimit(char character);

/// Bytes of one cell, without the spaces around it and without its quotes.
struct CsvCell {
  const char* begin = nullptr;
  const char* end = nullptr;
  bool doubled = false;  ///< holds doubled quotes

  std::string_view bytes() const { return {begin, static_cast<size_t>(end - begin)}; }
};

/// The first rows of a file, cell by cell.
struct CsvSample {
  std::vector<std::vector<std::string>> rows = {};
  bool is_whole = true;  ///< false where a row could not be read
};

/// Rows of a CSV file, one after another.
///
///     CsvRows rows(io::open_bytes("t.csv"), names);
///     rows.set_delimiter(';');
///     while (rows.next(true) == CsvRows::Step::kRow) use(rows.cells());
class CsvRows {
 public:
  enum class Step {
    kRow,         ///< `cells` are those of the next row
    kIncomplete,  ///< the source has no whole row at hand
    kEnd,
  };

  /// Read a first block of the file, packed by gzip or not. `names` is what errors call the file
  /// and its columns; it must outlive the rows. Throws `CsvFault`, here and below.
  CsvRows(std::unique_ptr<io::ByteSource> source, const CsvNames& names);

  /// Return the delimiter that a first line names for Excel, as in "sep=;".
  std::optional<char> noted_delimiter() const { return noted_delimiter_; }

  /// Return the first rows of the first block, at most `most`, without going on to them.
  CsvSample sample(char delimiter, size_t most) const;

  /// Return whether the file begins with a comment (#).
  bool begins_with_comment() const;

  void set_delimiter(char delimiter) { delimiter_ = delimiter; }
  char delimiter() const { return delimiter_; }

  /// Go to the next row; skip empty lines. Unless `wait` is set, take only what is at hand.
  Step next(bool wait);

  /// Return the cells of the row. They hold until `next`.
  const std::vector<CsvCell>& cells() const { return cells_; }
  /// Return the line of the row, or of one of its cells, from 1.
  int64_t line() const { return row_line_; }
  int64_t line(const CsvCell& cell) const;
  /// Return the text of a cell, with single quotes for doubled ones. It holds until the next call.
  std::string_view text(const CsvCell& cell);
  /// Refuse bytes of the cell of a column, whose text this is, that are not UTF-8.
  void check_utf8(size_t column, const CsvCell& cell, std::string_view text) const;

 private:
  struct Scan {
    Step step = Step::kIncomplete;
    const char* begin = nullptr;  // of the row, behind empty lines
    const char* next = nullptr;
    int64_t skipped = 0;  // empty lines
    int64_t lines = 0;    // of the row
  };

  void grow(size_t size);
  bool fill();
  void fill_sample();
  void start_text();
  Scan scan(const char* at, char delimiter, std::vector<CsvCell>& cells) const;

  const CsvNames& names_;
  std::unique_ptr<io::ByteSource> source_;
  char delimiter_ = ',';
  std::optional<char> noted_delimiter_ = {};

  std::unique_ptr<char[]> buffer_;  // bytes from begin_ to end_, and one more that ends a line
  size_t buffer_size_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool at_end_ = false;  // the source has no more
  bool after_cr_ = false;
  int64_t line_ = 1;  // of begin_

  std::vector<CsvCell> cells_;
  const char* row_begin_ = nullptr;
  int64_t row_line_ = 0;
  std::string scratch_;
};

}  // namespace ladder::data
