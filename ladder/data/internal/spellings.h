#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ladder/data/features.h"

namespace ladder::data {

/// Return 1 for true, True and TRUE, 0 for false, False and FALSE, as CSV files of other programs
/// and columns of truth values have them, and -1 for another text.
int truth_value(std::string_view text);

/// Texts that are no level of a text column and still known, and the input of each, -1 for none:
/// missing values, usual ones and `missing`; and where all levels are truth values, or 1 and 0,
/// their other spellings, since a CSV file, a frame and Parquet each have one of their own.
std::vector<std::pair<std::string, int64_t>> other_spellings(
    const Feature& feature, const std::vector<std::string>& missing);

}  // namespace ladder::data
