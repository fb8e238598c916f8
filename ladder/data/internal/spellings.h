#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ladder::data {

struct Feature;

/// Return 1 for true, True and TRUE, 0 for false, False and FALSE, as CSV files of other programs
/// and columns of truth values have them, and -1 for another text.
int truth_value(std::string_view text);

/// The same for a level of a text column, which may also be 1 or 0.
int truth_of_level(std::string_view text);

/// Return other spellings of missing values and of levels, with the input of each (-1: none): the
/// usual missing texts and `missing`; where all levels are truth values, or 1 and 0, the ways in
/// which CSV files, frames and Parquet write these; and the ways in which these write whole numbers
/// (2 and 2.0) and days (2020-01-31 and 2020-01-31 00:00:00). A text that is a level is no other
/// spelling of another level. 01 and 1, and 1.10 and 1.1, are different texts.
std::vector<std::pair<std::string, int64_t>> other_spellings(
    const Feature& feature, const std::vector<std::string>& missing);

/// Return a hint for an error that names what is not there, as `name_hint` does; of a name that
/// looks the same but has its accents in another encoding, it says so.
std::string spelling_hint(std::string_view name, const std::vector<std::string>& names);

}  // namespace ladder::data
