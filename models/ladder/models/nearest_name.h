/// Which of a few names a mistyped one was meant to be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ladder::models {

/// The number of characters to insert, delete or replace that turns `a` into `b` (Levenshtein).
size_t edit_distance(std::string_view a, std::string_view b);

/// The name of `names` with the least edit distance to `name`, the first of several; empty when
/// there are no names.
///
///     nearest_name("mnist-10-full", {"mnist-100-full", "mnist-all-full"});   // mnist-100-full
std::string nearest_name(std::string_view name, const std::vector<std::string>& names);

}  // namespace ladder::models
