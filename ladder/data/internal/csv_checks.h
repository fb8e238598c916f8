/// Mistakes in the columns of a CSV file, as errors. It includes nothing of LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/data/internal/csv_column.h"
#include "ladder/data/internal/csv_dialect.h"
#include "ladder/data/internal/csv_fault.h"
#include "ladder/data/internal/number_marks.h"

namespace ladder::data {

/// Refuse columns that would be read as something else than they are (csv.h says when). All throw
/// `CsvFault`. `index` is the place of the column in the file.
class CsvChecks {
 public:
  /// Both must outlive the checks; the decimal mark may change.
  CsvChecks(const CsvNames& names, const CsvDecimal& decimal) : names_(names), decimal_(decimal) {}

  /// Refuse a line of texts in columns of numbers, such as one of units. The same text in all of
  /// them is a missing value.
  void refuse_stray_line(const std::vector<CsvColumn>& columns) const;

  /// Refuse a column of numbers with some mistakes.
  void refuse_nearly_numbers(const CsvColumn& column, size_t index) const;

  /// Refuse a column of texts that are numbers in another spelling: with separators of thousands,
  /// units, or the other decimal mark.
  void refuse_faulty_numbers(const CsvColumn& column, size_t index) const;

  /// The same of a column whose texts come behind many numbers, by the first few of them.
  void refuse_late_texts(const CsvColumn& column, size_t index) const;

  void refuse_infinite(const CsvColumn& column, size_t index) const;

  /// Refuse a text in a column that a model expects numbers in.
  [[noreturn]] void refuse_text(std::string_view text, int64_t line, size_t index) const;

 private:
  [[noreturn]] void refuse_fault(NumberFault fault, std::string_view text, size_t index) const;

  const CsvNames& names_;
  const CsvDecimal& decimal_;
};

}  // namespace ladder::data
