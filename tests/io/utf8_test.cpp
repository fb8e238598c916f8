#include <ladder/io/internal/beginning.h>
#include <ladder/io/utf8.h>
#include <tests/support/catch.h>

#include <iterator>
#include <string>

using ladder::io::beginning;
using ladder::io::character_size;
using ladder::io::cut_text;
using ladder::io::decomposed_text;
using ladder::io::folded_text;
using ladder::io::utf8_prefix;
using ladder::io::valid_utf8;

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

TEST_CASE("valid_utf8 replaces what is no text", "[io]") {
  for (const char* text : {"", "a", "caf\xC3\xA9"}) CHECK(valid_utf8(text) == text);
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(valid_utf8("caf\xE9.csv") == "caf" + mark + ".csv");
  CHECK(valid_utf8("\xC3\xC3\xA9\xFF") == mark + "\xC3\xA9" + mark);
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

TEST_CASE("decomposed_text makes texts equal whose accents are encoded in another way", "[io]") {
  CHECK(decomposed_text("\u00D6lfleck") == "O\u0308lfleck");
  CHECK(decomposed_text("O\u0308lfleck") == "O\u0308lfleck");
  // One letter of each accent and alphabet.
  CHECK(decomposed_text("\u00E0\u00E9\u00EE\u00F1\u0101\u011F\u017C\u00FF") ==
        "a\u0300e\u0301i\u0302n\u0303a\u0304g\u0306z\u0307y\u0308");
  CHECK(decomposed_text("\u00E5\u0151\u017E\u0219\u00E7\u0105") ==
        "a\u030Ao\u030Bz\u030Cs\u0326c\u0327a\u0328");
  CHECK(decomposed_text("\u03AC\u0439\u0451\u0457") ==
        "\u03B1\u0301\u0438\u0306\u0435\u0308\u0456\u0308");
  // Case stays, and so does what has no accent: letters with a stroke, other alphabets, no UTF-8.
  for (const char* text : {"Loop", "\u00DF\u0142\u00F8", "\u4E2D\u6587", "a\xFF\xC3", ""}) {
    CHECK(decomposed_text(text) == text);
  }
}

TEST_CASE("folded_text makes texts equal that differ in case or in the encoding of accents",
          "[io]") {
  CHECK(folded_text("GR\u00DCN") == folded_text("gru\u0308n"));
  CHECK(folded_text("STRASSE") == folded_text("Stra\u00DFe"));
  CHECK(folded_text("\u0141\u00D3D\u0179") == folded_text("\u0142\u00F3d\u017A"));
  CHECK(folded_text("\u0160\u010C\u0139\u0147\u0178") ==
        folded_text("\u0161\u010D\u013A\u0148\u00FF"));
  CHECK(folded_text("\u039F\u0394\u038C\u03A3") == folded_text("\u03BF\u03B4\u03CC\u03C2"));
  CHECK(folded_text("\u0419\u041E\u0414 \u0401 \u0407 \u0490 \u0402") ==
        folded_text("\u0439\u043E\u0434 \u0451 \u0457 \u0491 \u0452"));
  // Other letters are others.
  CHECK(folded_text("gr\u00FCn") != folded_text("grun"));
  CHECK(folded_text("\u0131") != folded_text("i"));
  CHECK(folded_text("\u00D7") == "\u00D7");
  CHECK(folded_text("\u00F7") == "\u00F7");
  CHECK(folded_text("\u4E2D a\xFF\xC3") == "\u4E2D a\xFF\xC3");
}

TEST_CASE("beginning of a text ends with a whole character", "[io]") {
  const std::string most(59, 'x');
  CHECK(beginning(most + "\xC3\xAB") == most + "...");
  CHECK(beginning(most.substr(1) + "\xC3\xAB") == most.substr(1) + "\xC3\xAB");
  CHECK(beginning("ab\ncd") == "ab...");
}
