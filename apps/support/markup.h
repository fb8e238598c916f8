/// Text as it stands in HTML and SVG.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ladder::apps {

/// Return `text` with &, <, >, " and ' written as entities. Bytes that are not UTF-8 and control
/// characters become U+FFFD; tabs and line ends stay.
std::string escaped(std::string_view text);

/// Return at most `most` characters of a UTF-8 text, the last of them "…" where some are left out.
std::string shortened(std::string_view text, size_t most);

/// The same with the "…" in the middle, since names often differ at their ends.
std::string shortened_name(std::string_view text, size_t most);

/// Estimate of the width of a text in pixels at a font size. It is that of a wide font, so that a
/// text fits where another font is used.
double text_width(std::string_view text, double font_size);

/// "12,345".
std::string count_text(int64_t count);

/// "1 row", "12,345 rows": the plural ends in s.
std::string count_text(int64_t count, std::string_view noun);

/// A number with `digits` digits behind the point: "0.93". Not a number is "–".
std::string decimal_text(double value, int digits);

/// A number with about three digits: "0.00123", "12.3", "12,345", "1.2e-07".
std::string short_text(double value);

/// "1:02:03 h", "4:05 min", "12 s".
std::string duration_text(double seconds);

}  // namespace ladder::apps
