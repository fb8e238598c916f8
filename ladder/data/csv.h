/// Tables from CSV and TSV files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/data/table.h"

namespace ladder::data {

/// Return whether a text is a missing value in every file: "", NA, None and the like (`read_csv`).
bool is_missing_text(std::string_view text);

/// How to read a CSV file. Options that are not set are detected from the first rows.
struct CsvOptions {
  std::optional<char> delimiter = {};  ///< detected: one of , ; tab |
  std::optional<char> decimal = {};    ///< '.' or ','
  /// Decimal mark where no number shows another: that of earlier files, such as those of training.
  std::optional<char> usual_decimal = {};
  std::optional<bool> header = {};             ///< whether the first line has the column names
  std::vector<std::string> missing = {};       ///< texts of missing values besides the usual ones
  std::vector<std::string> text_columns = {};  ///< columns whose numbers are texts
  /// Usual texts of missing values that are values in columns of texts, such as levels of a trained
  /// model.
  std::vector<std::string> not_missing = {};
  /// Columns of texts in which only empty cells are missing, as identifiers are copied. Names that
  /// the file does not have are ignored.
  std::vector<std::string> as_written = {};
  /// Kinds of columns, where they are known. Names that the file does not have are ignored.
  std::map<std::string, ColumnKind> kinds = {};
  /// Kind of all columns that are in neither `text_columns` nor `kinds`.
  std::optional<ColumnKind> other_kind = {};
  /// Columns that are known to hold whole numbers, some above 999: 1.234 in them is refused unless
  /// another number shows that its mark is decimal. Names that the file does not have are ignored.
  std::vector<std::string> whole_numbers = {};
  /// Columns that nobody needs: texts among their numbers are no errors. Names that the file does
  /// not have are ignored.
  std::vector<std::string> unused = {};
  bool may_be_empty = false;  ///< whether a header without rows is a table without rows
};

/// Read a table from a CSV or TSV file [RFC 4180], plain or gzip, in UTF-8.
///
/// - Cells may be quoted: "a, b", "two\nlines", "say ""yes""". Inside an unquoted cell a quote is
///   an ordinary character. Spaces around a cell are ignored; spaces inside quotes are kept, and so
///   are no-break spaces. Neither belongs to a number or to a missing value. A quoted cell has the
///   same meaning as the same text without quotes.
/// - Lines end by LF, CRLF or CR. Empty lines are skipped.
/// - Missing are: empty cells, NA, N/A, n/a, #NA, #N/A, #N/A N/A, <NA>, NaN, nan, -NaN, -nan, NULL,
///   null, None, 1.#IND, -1.#IND, 1.#QNAN, -1.#QNAN, ?, and `options.missing`. A number in
///   `options.missing`, such as -999, covers all its spellings (-999.0), in text columns as well;
///   0999 counts as a text. Write it with a point or with the decimal mark of the file;
///   Table::missing then has both.
/// - Numbers are decimal, with or without exponent: 12, -0.5, +.5, 1e-3; the minus may be U+2212.
///   They are the same in every locale. A decimal comma is recognised in files whose cells are
///   separated by semicolons (and by tabs or bars, if some cell cannot be a number of thousands):
///   most numbers decide, those of columns that `kinds` knows to be numbers if they have marks.
///   Marks that may be those of thousands (1,234) are refused until `decimal` says what they are:
///   between semicolons, 20 or more if all may be; those of a column, if another column has more
///   different numbers with the other mark than any has with theirs; 20 or more of a column whose
///   smaller numbers have none; one in `whole_numbers`.
/// - Thousands separators, units and signs behind a number are not taken. A column of 50 or more
///   values, more than 50 different, is refused if nine of ten or more are numbers and such texts.
/// - The first line is a header unless it holds a number, or a text that occurs again in its
///   column. It is always a header if it has a text above a column of numbers, or if its numbers
///   count up from 0 or 1. Columns without a name are called x0, x1, ... by their position.
/// - A column is numeric if all its values are numbers, else text. A column of 50 or more values is
///   refused if at least 99 %, but not all, of them are numbers, or if at least 90 % are numbers,
///   more than 50 different ones, and the rest are at most 5 different texts ("error", "-").
///
/// Throws `c10::Error`, one sentence with the file, the line and the column: no file, another kind
/// of file, damaged gzip data, no rows, rows of different lengths, lines of one cell above those
/// of a table, a quote without its end, text after a quoted cell, a zero byte, another encoding
/// than UTF-8, columns of one name, the line of names among the rows, a line of texts in two or
/// more columns of numbers, an infinite number, a text in a column of numbers, a name of
/// `text_columns` that the file does not have, more than 100,000 columns, a cell above 1 MiB, a row
/// above 64 MiB.
///
///     Table table = read_csv("people.csv.gz", {.text_columns = {"zip"}});
Table read_csv(const std::filesystem::path& path, const CsvOptions& options = {});

/// Read a CSV file or stream block by block, in constant memory.
///
/// Kinds of columns that are not given are those of the first rows (up to 1 MiB): a later text in a
/// column of numbers is an error. Texts are numbered anew in each block.
///
///     CsvReader reader(std::cin, "standard input");
///     while (auto rows = reader.next(4096)) predict(*rows);
class CsvReader {
 public:
  /// Open a file, a pipe or a device, and wait for its first row. Errors: those of `read_csv`.
  explicit CsvReader(const std::filesystem::path& path, const CsvOptions& options = {});

  /// Read a stream, which must outlive the reader. `name` is what errors call it.
  CsvReader(std::istream& in, std::string name, const CsvOptions& options = {});

  CsvReader(CsvReader&&) noexcept;
  CsvReader& operator=(CsvReader&&) noexcept;
  ~CsvReader();

  /// Return the names of the columns.
  const std::vector<std::string>& names() const;

  /// Return the decimal mark of numbers: the one that was given, or recognised in the rows so far.
  char decimal() const;

  /// Return the next rows, at least 1 and at most `max_rows`, or nothing at the end. Of a slow
  /// stream, return the rows at hand, and wait only if there are none.
  std::optional<Table> next(int64_t max_rows);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace ladder::data
