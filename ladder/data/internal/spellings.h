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

/// The same for a level of a text column, which may also be 1 or 0.
int truth_of_level(std::string_view text);

/// Return other spellings of missing values and of levels, with the input of each (-1: none): the
/// usual missing texts and `missing`; and where all levels are truth values, or 1 and 0, the ways
/// in which CSV files, frames and Parquet write these.
std::vector<std::pair<std::string, int64_t>> other_spellings(
    const Feature& feature, const std::vector<std::string>& missing);

}  // namespace ladder::data
