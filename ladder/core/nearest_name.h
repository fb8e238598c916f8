/// Nearest of a few names to a mistyped one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ladder {

/// Number of characters to insert, delete or replace to turn `a` into `b` (Levenshtein distance).
size_t edit_distance(std::string_view a, std::string_view b);

/// Return the first of `names` with the least edit distance to `name`, compared without case first,
/// if the distance without case is at most half of the mean length of both; else "".
///
///     nearest_name("mnist-10-full", {"mnist-100-full", "mnist-all-full"});   // mnist-100-full
///     nearest_name("state", {"warn", "STATE"});                              // STATE
///     nearest_name("vib", {"id"});                                           // ""
std::string nearest_name(std::string_view name, const std::vector<std::string>& names);

/// Return a hint for an error that names what is not there: " (did you mean 'x'?)" if one of
/// `names` is near, else " (there are 'a', 'b', 'c')" with at most 10 of them; "" without names.
/// `quote` stands at both sides of a name.
std::string name_hint(std::string_view name, const std::vector<std::string>& names,
                      std::string_view quote = "'");

/// Return "a, b or c" of at least one name.
std::string or_list(const std::vector<std::string>& names);

}  // namespace ladder
