#include "apps/support/markup.h"

#include <fmt/format.h>
#include <ladder/io/utf8.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace ladder::apps {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// Bytes of the character that begins `text`: 1 where it is not UTF-8.
size_t first_bytes(std::string_view text) { return std::max<size_t>(1, io::character_size(text)); }

// Width of a character in a wide sans-serif font, in units of the font size.
double character_width(std::string_view character) {
  if (character.size() > 2) return 1.05;  // other scripts and symbols
  if (character.size() == 2) return 0.75;
  const char c = character[0];
  constexpr std::string_view kNarrow = "ijl|!.,:;'`I";
  constexpr std::string_view kHalf = "frt()[]{}/\\-\" ";
  if (kNarrow.find(c) != std::string_view::npos) return 0.36;
  if (kHalf.find(c) != std::string_view::npos) return 0.44;
  if (c == 'm' || c == 'w' || c == 'M' || c == 'W' || c == '%' || c == '@') return 1.02;
  if (c >= 'A' && c <= 'Z') return 0.76;
  return 0.64;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const size_t size = io::character_size(text);
    const char c = text[0];
    const bool control = size == 1 && ((c >= 0 && c < 0x20 && c != '\t' && c != '\n') || c == 0x7F);
    if (size == 0 || control) {
      out += kReplacement;
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\'') {
      out += "&#39;";
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(std::max<size_t>(1, size));
  }
  return out;
}

std::string shortened(std::string_view text, size_t most) {
  std::string kept;
  size_t characters = 0;
  size_t end_of_cut = 0;  // bytes of the first most - 1 characters
  for (auto rest = text; !rest.empty();) {
    const auto size = first_bytes(rest);
    if (characters + 1 == most) end_of_cut = kept.size();
    if (++characters > most) return kept.substr(0, end_of_cut) + "…";
    kept += rest.substr(0, size);
    rest.remove_prefix(size);
  }
  return kept;
}

std::string shortened_name(std::string_view text, size_t most) {
  std::vector<size_t> begins;  // of the characters
  for (size_t at = 0; at < text.size(); at += first_bytes(text.substr(at))) {
    begins.push_back(at);
  }
  if (begins.size() <= most) return std::string(text);
  const size_t kept = most > 0 ? most - 1 : 0;
  const size_t tail = kept / 2;
  const auto begin = text.substr(0, begins[kept - tail]);
  const auto end = tail == 0 ? std::string_view() : text.substr(begins[begins.size() - tail]);
  return std::string(begin) + "…" + std::string(end);
}

double text_width(std::string_view text, double font_size) {
  double width = 0;
  while (!text.empty()) {
    const auto size = first_bytes(text);
    width += character_width(text.substr(0, size));
    text.remove_prefix(size);
  }
  return width * font_size;
}

std::string count_text(int64_t count) {
  auto digits = std::to_string(count);
  std::string out = count < 0 ? "-" : "";
  digits.erase(0, out.size());
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

std::string count_text(int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count_text(count), noun, count == 1 ? "" : "s");
}

std::string decimal_text(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  const auto text = fmt::format("{:.{}f}", value, digits);
  const bool zero = text.find_first_not_of("-0.") == std::string::npos;
  return zero && text[0] == '-' ? text.substr(1) : text;
}

std::string short_text(double value) {
  if (!std::isfinite(value)) return "–";
  const double size = std::abs(value);
  if (size == 0) return "0";
  if (size >= 1e9 || size < 1e-4) return fmt::format("{:.1e}", value);
  if (size >= 1000) return count_text(std::llround(value));
  return fmt::format("{:.3g}", value);
}

std::string duration_text(double seconds) {
  if (seconds >= 1e9) return short_text(seconds) + " s";
  const auto all = std::llround(std::max(0.0, seconds));
  if (all < 60) {
    return seconds < 10 ? decimal_text(seconds, 1) + " s" : fmt::format("{} s", all);
  }
  if (all < 3600) return fmt::format("{}:{:02} min", all / 60, all % 60);
  return fmt::format("{}:{:02}:{:02} h", all / 3600, all / 60 % 60, all % 60);
}

}  // namespace ladder::apps
