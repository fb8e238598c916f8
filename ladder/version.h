#pragma once

#include <string_view>

namespace ladder {

/// The version of this library, as in `0.1.0`.
std::string_view version();

/// The commit this library was built from: forty hexadecimal digits, followed by `-dirty` when a
/// tracked file differed from it, or `unknown` when it was built outside a git work tree.
std::string_view git_commit();

}  // namespace ladder
