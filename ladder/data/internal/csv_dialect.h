/// How a CSV file is written, by its first rows. It includes nothing of LibTorch.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/data/csv.h"
#include "ladder/data/internal/csv_rows.h"
#include "ladder/data/internal/missing_values.h"

namespace ladder::data {

/// Return the delimiter that a file begins with: that of the options, that of its first line, or
/// the one which gives more than one column, then rows of one length, then the most numbers, then
/// the most columns. Throws `CsvFault`: lines above the table.
char recognised_delimiter(const CsvRows& rows, const CsvOptions& options, const CsvNames& names);

/// The decimal mark of a file.
struct CsvDecimal {
  char mark = '.';
  bool is_open = false;    ///< no number has a mark: the first one that has decides
  bool is_sure = true;     ///< false while all marks may be those of thousands
  std::string shown = {};  ///< a number that shows the mark, and its column, for messages
};

/// Return the decimal mark of the options, or the one that the numbers of the first rows have; rows
/// of a file with commas between the cells have points. Throws `CsvFault`: marks that may be those
/// of thousands or not (csv.h says which).
CsvDecimal recognised_decimal(const CsvSample& sample, char delimiter, const CsvOptions& options,
                              const CsvNames& names);

/// Return whether a list of the options has a name or a text.
bool is_listed(const std::vector<std::string>& all, std::string_view one);

/// Return the kind that the options have for a column of this name, without that of all others.
std::optional<ColumnKind> known_kind(const CsvOptions& options, const std::string& name);

/// Return whether the first line has the names of the columns (csv.h says when).
bool recognised_header(const CsvSample& sample, char decimal, const MissingCells& missing);

}  // namespace ladder::data
