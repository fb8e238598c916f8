/// How the numbers of text files are written: decimal marks, separators of thousands, units. It
/// includes nothing of LibTorch.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_set>

namespace ladder::data {

/// Return whether a text without spaces around it is a finite number with this decimal mark.
bool is_finite_number(std::string_view text, char decimal);

/// Return whether a number with a mark may be one of thousands: 1,234 may, 0,123 and 12,34 may not.
bool may_be_thousands(std::string_view text, char mark);

/// Why a text that looks like a number is none.
enum class NumberFault {
  kNone,       ///< it does not look like one
  kThousands,  ///< separators of thousands: 1'234, 1.544,7
  kDecimal,    ///< the other decimal mark
  kUnit,       ///< a unit behind the number: 12 mm, 45.9 %
  kSign,       ///< the sign behind the number: 123-
};

struct FaultyNumber {
  NumberFault fault = NumberFault::kNone;
  std::string_view unit = {};  ///< kUnit: without the spaces before it
  bool is_whole = true;        ///< no fraction: codes look so, too
  bool is_tight = false;       ///< kUnit: a letter that touches the digits, as in 12A
};

/// Return what keeps a text from being a number in a file with this decimal mark. The text must not
/// be a number; spaces around it are ignored.
FaultyNumber faulty_number(std::string_view text, char decimal);

/// What the numbers of one column show about a mark.
struct MarkedNumbers {
  int64_t count = 0;                                          ///< numbers that have the mark
  std::string_view first = {};                                ///< of these
  std::string_view first_sure = {};                           ///< that cannot be one of thousands
  std::unordered_set<std::string_view> sure = {};             ///< different ones of these
  bool is_open() const { return count > 0 && sure.empty(); }  ///< all may be those of thousands
};

/// What the cells of one column show about marks. It points to the cells.
struct ColumnMarks {
  MarkedNumbers points = {}, commas = {};
  std::unordered_set<std::string_view> hundreds = {};  ///< whole numbers from 100 to 999
  int64_t larger = 0;                                  ///< whole numbers above without a mark
  int64_t others = 0;                                  ///< texts

  const MarkedNumbers& of(char mark) const { return mark == ',' ? commas : points; }
  /// Return whether nine of ten cells or more are numbers with the mark `mark`, or without any.
  bool is_mostly(char mark) const;
  /// Return whether numbers with the mark `mark` look like thousands: larger ones than 999 have it,
  /// with three digits behind, and smaller ones do not.
  bool looks_grouped(char mark) const;
  void add(std::string_view cell);  ///< a cell that is not missing
};

}  // namespace ladder::data
