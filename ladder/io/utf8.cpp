#include "ladder/io/utf8.h"

#include <map>
#include <utility>

namespace ladder::io {
namespace {

// A combining accent, and pairs of a letter and the same letter with it: those of Latin-1, of Latin
// Extended-A, of Romanian, of Greek and of Cyrillic.
struct Accent {
  char32_t mark;
  std::u32string_view pairs;
};
constexpr Accent kAccents[] = {
    {U'\u0300', U"AÀEÈIÌOÒUÙaàeèiìoòuùЕЀИЍеѐиѝ"},                      // grave accent
    {U'\u0301', U"AÁEÉIÍOÓUÚYÝaáeéiíoóuúyýCĆcćLĹlĺNŃnńRŔrŕSŚsśZŹzź"},  // acute accent
    {U'\u0301', U"ΑΆΕΈΗΉΙΊΟΌΥΎΩΏαάεέηήιίοόυύωώГЃКЌгѓкќ"},              // the same, other alphabets
    {U'\u0302', U"AÂEÊIÎOÔUÛaâeêiîoôuûCĈcĉGĜgĝHĤhĥJĴjĵSŜsŝWŴwŵYŶyŷ"},  // circumflex accent
    {U'\u0303', U"AÃNÑOÕaãnñoõIĨiĩUŨuũ"},                              // tilde
    {U'\u0304', U"AĀaāEĒeēIĪiīOŌoōUŪuū"},                              // macron
    {U'\u0306', U"AĂaăEĔeĕGĞgğIĬiĭOŎoŏUŬuŭУЎИЙийуў"},                  // breve
    {U'\u0307', U"CĊcċEĖeėGĠgġIİZŻzż"},                                // dot above
    {U'\u0308', U"AÄEËIÏOÖUÜaäeëiïoöuüyÿYŸΙΪΥΫιϊυϋЕЁІЇеёії"},          // diaeresis
    {U'\u030A', U"AÅaåUŮuů"},                                          // ring above
    {U'\u030B', U"OŐoőUŰuű"},                                          // double acute accent
    {U'\u030C', U"CČcčDĎdďEĚeěLĽlľNŇnňRŘrřSŠsšTŤtťZŽzž"},              // caron
    {U'\u0326', U"SȘsșTȚtț"},                                          // comma below
    {U'\u0327', U"CÇcçGĢgģKĶkķLĻlļNŅnņRŖrŗSŞsşTŢtţ"},                  // cedilla
    {U'\u0328', U"AĄaąEĘeęIĮiįUŲuų"},                                  // ogonek
};

// The letter and the accent of each letter that has one.
const std::map<char32_t, std::pair<char32_t, char32_t>>& letters_with_accents() {
  static const auto letters = [] {
    std::map<char32_t, std::pair<char32_t, char32_t>> all;
    for (const auto& [mark, pairs] : kAccents) {
      for (size_t i = 0; i + 1 < pairs.size(); i += 2) all[pairs[i + 1]] = {pairs[i], mark};
    }
    return all;
  }();
  return letters;
}

// The character of `size` bytes that begins `text`.
char32_t character_of(std::string_view text, size_t size) {
  const auto first = static_cast<unsigned char>(text.front());
  char32_t character = size == 1 ? first : first & (0x7FU >> size);
  for (size_t i = 1; i < size; ++i) {
    character = character << 6U | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  return character;
}

void append_character(char32_t character, std::string& text) {
  const auto append = [&](char32_t byte) { text += static_cast<char>(byte); };
  const auto append_rest = [&](unsigned bits) { append(0x80U | (character >> bits & 0x3FU)); };
  if (character < 0x80) {
    append(character);
  } else if (character < 0x800) {
    append(0xC0U | character >> 6U);
    append_rest(0);
  } else if (character < 0x10000) {
    append(0xE0U | character >> 12U);
    append_rest(6);
    append_rest(0);
  } else {
    append(0xF0U | character >> 18U);
    append_rest(12);
    append_rest(6);
    append_rest(0);
  }
}

// The small letter of a letter without an accent.
char32_t small_letter(char32_t c) {
  const auto within = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  if (within(U'A', U'Z') || (within(U'\u00C0', U'\u00DE') && c != U'\u00D7')) return c + 32;
  if (c == U'\u017F') return U's';       // the long s
  if (c == U'\u03C2') return U'\u03C3';  // the sigma at the end of a word
  if (within(U'\u0391', U'\u03A9') || within(U'\u0410', U'\u042F')) return c + 32;
  if (within(U'\u0400', U'\u040F')) return c + 80;
  // Of a pair, the capital letter is the even one, or the odd one.
  if (within(U'\u0139', U'\u0148') || within(U'\u0179', U'\u017E')) return c + c % 2;
  if (within(U'\u0100', U'\u0137') || within(U'\u014A', U'\u0177') ||
      within(U'\u0460', U'\u0481') || within(U'\u048A', U'\u04BF')) {
    return c == U'\u0131' ? c : c | 1U;  // the dotless i is no capital of another
  }
  return c;
}

// Appends what `take` makes of each character to the text without accents; other bytes are copied.
template <typename Take>
std::string decomposed_by(std::string_view text, const Take& take) {
  std::string out;
  while (!text.empty()) {
    const size_t size = character_size(text);
    if (size == 0) {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    const char32_t character = character_of(text, size);
    const auto& letters = letters_with_accents();
    const auto found = character < 0x80 ? letters.end() : letters.find(character);
    if (found == letters.end()) {
      take(character, out);
    } else {
      take(found->second.first, out);
      take(found->second.second, out);
    }
    text.remove_prefix(size);
  }
  return out;
}

}  // namespace

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

std::string valid_utf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t whole = utf8_prefix(text);
    valid += text.substr(0, whole);
    text.remove_prefix(whole);
    if (text.empty()) break;
    valid += "\xEF\xBF\xBD";
    text.remove_prefix(1);
  }
  return valid;
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

std::string decomposed_text(std::string_view text) { return decomposed_by(text, append_character); }

std::string folded_text(std::string_view text) {
  return decomposed_by(text, [](char32_t character, std::string& out) {
    if (character == U'\u00DF' || character == U'\u1E9E') {
      out += "ss";
    } else {
      append_character(small_letter(character), out);
    }
  });
}

}  // namespace ladder::io
