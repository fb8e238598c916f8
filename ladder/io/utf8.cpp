#include "ladder/io/utf8.h"

namespace ladder::io {

size_t character_size(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const size_t size = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate = first == 0xED && byte(1) >= 0xA0;
  const bool beyond = first == 0xF4 && byte(1) >= 0x90;
  return overlong || surrogate || beyond ? 0 : size;
}

size_t utf8_prefix(std::string_view text) {
  size_t at = 0;
  while (const size_t size = character_size(text.substr(at))) at += size;
  return at;
}

std::string_view cut_text(std::string_view text, size_t bytes) {
  if (text.size() <= bytes) return text;
  // A character that the cut goes through begins at most three bytes before it.
  for (size_t back = 0; back < 4 && back <= bytes; ++back) {
    const size_t size = character_size(text.substr(bytes - back));
    if (size > 0) return text.substr(0, size > back && back > 0 ? bytes - back : bytes);
  }
  return text.substr(0, bytes);
}

}  // namespace ladder::io
