/// Numbers that are names of things, such as classes and identifiers.
#pragma once

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "ladder/data/table.h"

namespace ladder::data {

/// Refuse a column of numbers that are names if a double does not tell one of them from the next:
/// 2^53 or above. `caller` begins the sentence; `source` is the file, or empty.
inline void check_exact_numbers(const Column& column, const std::string& caller,
                                const std::string& source = "") {
  constexpr double kMaxExact = 9007199254740992;  // 2^53
  const auto large = std::find_if(column.numbers.begin(), column.numbers.end(),
                                  [](double number) { return std::abs(number) >= kMaxExact; });
  TORCH_CHECK(large == column.numbers.end(), caller, ": expected numbers below ",
              fmt::format("{:.0f}", kMaxExact), " as names in column '", column.name, "'",
              source.empty() ? "" : " of " + source, " but got ", fmt::format("{:.0f}", *large),
              " (larger ones are rounded; save the column as texts).");
}

}  // namespace ladder::data
