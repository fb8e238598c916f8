/// Nearest of a few names to a mistyped one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ladder {

/// Number of characters to insert, delete or replace to turn `a` into `b` (Levenshtein distance).
size_t edit_distance(std::string_view a, std::string_view b);

/// Return the first of `names` with the least edit distance to `name`, or "" without names.
///
///     nearest_name("mnist-10-full", {"mnist-100-full", "mnist-all-full"});   // mnist-100-full
std::string nearest_name(std::string_view name, const std::vector<std::string>& names);

}  // namespace ladder
