#include <ladder/io/internal/beginning.h>
#include <ladder/io/utf8.h>
#include <tests/support/catch.h>

#include <iterator>
#include <string>

using ladder::io::beginning;
using ladder::io::character_size;
using ladder::io::cut_text;
using ladder::io::utf8_prefix;

TEST_CASE("character_size knows the characters of UTF-8", "[io]") {
  CHECK(character_size("a") == 1);
  CHECK(character_size("\xC3\xAB!") == 2);
  CHECK(character_size("\xE2\x82\xAC!") == 3);
  CHECK(character_size("\xF0\x9F\x99\x82!") == 4);
  // Nothing, a byte from inside, the beginning of a character, two ways to write too much for one,
  // a surrogate, and a number above the last character.
  for (const char* text : {"", "\xAB", "\xC3", "\xE2\x82", "\xC0\x80", "\xE0\x80\x80",
                           "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    CHECK(character_size(text) == 0);
  }
}

TEST_CASE("utf8_prefix finds the first byte that is no text", "[io]") {
  CHECK(utf8_prefix("") == 0);
  CHECK(utf8_prefix("Zo\xC3\xAB") == 4);
  CHECK(utf8_prefix("Zo\xC3\xAB\xFF!") == 4);
  CHECK(utf8_prefix("Zo\xC3") == 2);
}

TEST_CASE("cut_text cuts between characters", "[io]") {
  const std::string text = "a\xC3\xAB\xE2\x82\xAC\xF0\x9F\x99\x82z";  // 1, 2, 3, 4 and 1 bytes
  const size_t ends[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
  for (size_t bytes = 0; bytes < std::size(ends); ++bytes) {
    CAPTURE(bytes);
    CHECK(cut_text(text, bytes) == text.substr(0, ends[bytes]));
  }
  // Bytes that are not UTF-8 are kept as they are.
  CHECK(cut_text("\x80\x80\x80\x80\x80\x80", 5) == "\x80\x80\x80\x80\x80");
  CHECK(cut_text("ab\x80\x80", 3) == "ab\x80");
  CHECK(cut_text("ab\xFF\xFF", 3) == "ab\xFF");
}

TEST_CASE("beginning of a text ends with a whole character", "[io]") {
  const std::string most(59, 'x');
  CHECK(beginning(most + "\xC3\xAB") == most + "...");
  CHECK(beginning(most.substr(1) + "\xC3\xAB") == most.substr(1) + "\xC3\xAB");
  CHECK(beginning("ab\ncd") == "ab...");
}
