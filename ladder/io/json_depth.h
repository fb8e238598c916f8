/// Nesting of JSON.
#pragma once

#include <string_view>

namespace ladder::io {

/// Most arrays and objects inside of each other that a file of the library may have.
inline constexpr int kMaxJsonDepth = 64;

/// Return whether `text` nests arrays and objects deeper than kMaxJsonDepth, up to where it ends or
/// is no JSON any more. Comments as in C++ are skipped. Ask before a value is made of the text of a
/// file: writing or copying a value takes stack for each level, and a file could use it up.
///
///     if (is_deep_json(text)) ...  // "[[[[...": no file of ours
bool is_deep_json(std::string_view text);

}  // namespace ladder::io
