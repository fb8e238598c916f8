/// Texts in UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ladder::io {

/// Return the number of bytes of the UTF-8 character that begins `text`, or 0 if there is none: for
/// no text, and for bytes that are not UTF-8.
size_t character_size(std::string_view text);

/// Return the position of the first byte that is not UTF-8, or the size.
size_t utf8_prefix(std::string_view text);

/// Return `text` with U+FFFD in place of each byte that is not UTF-8, as file names may have.
///
///     valid_utf8("caf\xe9.csv");   // "caf\uFFFD.csv"
std::string valid_utf8(std::string_view text);

/// Return the beginning of `text`, at most `bytes` bytes of it, which does not end inside of a
/// character. Bytes that are not UTF-8 are characters of their own.
///
///     cut_text("Zoë", 3);   // "Zo": ë has two bytes
std::string_view cut_text(std::string_view text, size_t bytes);

/// Return `text` with each accented letter of the Latin, Greek and Cyrillic alphabets as a letter
/// and a combining accent. Texts that look the same but have their accents in another encoding, as
/// file names of macOS do, become equal. Letters of other alphabets and bytes that are not UTF-8
/// stay as they are.
std::string decomposed_text(std::string_view text);

/// Return the decomposed text in small letters, so that texts that differ in nothing but case and
/// the encoding of accents become equal: GRÜN is grün, STRASSE is Straße. It is to
/// compare, not to show.
std::string folded_text(std::string_view text);

}  // namespace ladder::io
