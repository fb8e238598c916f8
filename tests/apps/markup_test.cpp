#include "apps/support/markup.h"

#include <cmath>
#include <limits>

#include "tests/support/catch.h"

using namespace ladder::apps;

TEST_CASE("escaped: writes what HTML and SVG take for markup as entities", "[apps]") {
  CHECK(escaped("a < b & \"c\" > 'd'") == "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
  CHECK(escaped("Zürich, 北京, 🙂\tand\n") == "Zürich, 北京, 🙂\tand\n");
  CHECK(escaped("</script>") == "&lt;/script&gt;");
  CHECK(escaped("").empty());
}

TEST_CASE("escaped: replaces bytes that are not UTF-8 and control characters", "[apps]") {
  const std::string mark = "\xEF\xBF\xBD";
  CHECK(escaped(std::string("a\0b", 3)) == "a" + mark + "b");
  CHECK(escaped("\x1b[1m") == mark + "[1m");
  CHECK(escaped("\xff") == mark);
  CHECK(escaped("\xC0\xAF") == mark + mark);             // overlong
  CHECK(escaped("\xED\xA0\x80") == mark + mark + mark);  // surrogate
  CHECK(escaped("\xF4\x90\x80\x80") == mark + mark + mark + mark);
  CHECK(escaped("a\xE2\x82") == "a" + mark + mark);  // cut off
}

TEST_CASE("shortened: keeps whole characters", "[apps]") {
  CHECK(shortened("short", 5) == "short");
  CHECK(shortened("longer", 5) == "long…");
  CHECK(shortened("äöüßé", 5) == "äöüßé");
  CHECK(shortened("äöüßéx", 5) == "äöüß…");
  CHECK(shortened("ab", 1) == "…");
  CHECK(shortened("", 3).empty());
}

TEST_CASE("shortened_name: keeps both ends", "[apps]") {
  CHECK(shortened_name("short", 5) == "short");
  CHECK(shortened_name("class number 12", 7) == "cla… 12");
  CHECK(shortened_name("äöüßéx", 5) == "äö…éx");
  CHECK(shortened_name("abc", 2) == "a…");
  CHECK(shortened_name("abc", 1) == "…");
}

TEST_CASE("text_width: grows with the text and the font", "[apps]") {
  CHECK(text_width("", 10) == 0);
  CHECK(text_width("WWW", 10) > text_width("iii", 10));
  CHECK(text_width("10", 20) == Approx(2 * text_width("10", 10)));
  CHECK(text_width("北", 10) > text_width("a", 10));
}

TEST_CASE("Numbers are written for people", "[apps]") {
  CHECK(count_text(0) == "0");
  CHECK(count_text(999) == "999");
  CHECK(count_text(1000) == "1,000");
  CHECK(count_text(-1234567) == "-1,234,567");
  CHECK(count_text(1, "row") == "1 row");
  CHECK(count_text(60000, "row") == "60,000 rows");
  CHECK(decimal_text(0.926, 2) == "0.93");
  CHECK(decimal_text(-0.001, 1) == "0.0");
  CHECK(decimal_text(std::nan(""), 1) == "–");
  CHECK(short_text(0.00123) == "0.00123");
  CHECK(short_text(12.345) == "12.3");
  CHECK(short_text(12345) == "12,345");
  CHECK(short_text(1.25e-7) == "1.2e-07");
  CHECK(short_text(0) == "0");
  CHECK(short_text(std::numeric_limits<double>::infinity()) == "–");
  CHECK(duration_text(3.21) == "3.2 s");
  CHECK(duration_text(42.4) == "42 s");
  CHECK(duration_text(125) == "2:05 min");
  CHECK(duration_text(3723) == "1:02:03 h");
}
