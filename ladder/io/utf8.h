/// Texts in UTF-8.
#pragma once

#include <cstddef>
#include <string_view>

namespace ladder::io {

/// Return the number of bytes of the UTF-8 character that begins `text`, or 0 if there is none: for
/// no text, and for bytes that are not UTF-8.
size_t character_size(std::string_view text);

/// Return the position of the first byte that is not UTF-8, or the size.
size_t utf8_prefix(std::string_view text);

/// Return the beginning of `text`, at most `bytes` bytes of it, which does not end inside of a
/// character. Bytes that are not UTF-8 are characters of their own.
///
///     cut_text("Zoë", 3);   // "Zo": ë has two bytes
std::string_view cut_text(std::string_view text, size_t bytes);

}  // namespace ladder::io
