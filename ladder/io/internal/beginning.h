/// The beginning of a text, for the sentence of an error.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "ladder/io/utf8.h"

namespace ladder::io {

/// Return the first line of `text`, at most 60 bytes of it in whole characters, and "..." for what
/// is left out. A control character, such as a zero byte of a damaged file, ends the line.
///
///     beginning("{\n  \"seed\": 1\n}");   // {...
inline std::string beginning(std::string_view text) {
  constexpr size_t kMaxBytes = 60;
  const auto* const end = std::find_if(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  const auto line = text.substr(0, static_cast<size_t>(end - text.begin()));
  const auto shown = cut_text(line, kMaxBytes);
  return std::string(shown) + (shown.size() < text.size() ? "..." : "");
}

}  // namespace ladder::io
