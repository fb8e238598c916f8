/// A column of a CSV file while its rows come. It includes nothing of LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ladder/data/table.h"

namespace ladder::data {

/// The rows of a column so far, and what else it has met.
struct CsvColumn {
  /// A text, and the line where it was met.
  struct Met {
    int64_t line = 0;
    std::string text = {};
  };
  struct TextHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  Column rows = {};
  bool known = false;                         ///< the kind was given
  bool present = false;                       ///< kNumber: has had a number
  bool as_written = false;                    ///< only empty cells are missing
  bool unused = false;                        ///< mistakes do no harm
  bool whole = false;                         ///< of CsvOptions::whole_numbers
  int64_t others = 0;                         ///< values that are no numbers
  std::vector<std::string> other_texts = {};  ///< different ones of these, the first few
  std::optional<Met> first_other = {};
  std::optional<Met> first_infinite = {};
  std::unordered_map<std::string, int32_t, TextHash, std::equal_to<>> codes = {};
  std::vector<bool> number_levels = {};  ///< which levels are numbers, unless `known`
  int64_t numbers = 0;                   ///< kText: values that are numbers

  bool is_text() const { return rows.kind == ColumnKind::kText; }

  /// Append a missing value to a column of texts, and count its text.
  void append_missing(std::string_view text);
  /// Count a value that is no number in a column whose kind is not known.
  void count_other(int64_t line, std::string_view text);
  /// Make a column of texts of one that has only had missing values.
  void become_text();
  /// Return the rows, and begin anew. Later texts are numbered from 0.
  Column take();
};

/// Count a text of a missing value in `Column::missing_texts`, which keeps the first few.
void count_missing(Column& column, std::string_view text);

/// The most different texts of a column that are listed.
inline constexpr size_t kFewOthers = 5;

}  // namespace ladder::data
