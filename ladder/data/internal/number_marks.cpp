#include "ladder/data/internal/number_marks.h"

#include <array>
#include <cmath>

#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/parse_number.h"

namespace ladder::data {
namespace {

constexpr size_t kMaxUnitBytes = 12;
constexpr int64_t kGroupedNumbers = 20;  // with a mark, for a column to look like thousands
constexpr size_t kGroupedHundreds = 2;   // different numbers without one
constexpr std::string_view kWideSpace = "\xC2\xA0";        // U+00A0
constexpr std::string_view kNarrowSpace = "\xE2\x80\xAF";  // U+202F

size_t digits_from(std::string_view text, size_t begin) {
  size_t end = begin;
  while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
  return end - begin;
}

// Length of the number with separators of thousands at the start of a text, 0 if there is none.
size_t grouped_length(std::string_view text) {
  constexpr std::array<std::string_view, 7> kSeparators = {
      ".", ",", "'", "\xE2\x80\x99", " ", kWideSpace, kNarrowSpace};
  const size_t lead = digits_from(text, 0);
  if (lead < 1 || lead > 3 || text[0] == '0') return 0;
  for (const auto separator : kSeparators) {
    size_t at = lead;
    while (text.substr(at).starts_with(separator) &&
           digits_from(text, at + separator.size()) == 3) {
      at += separator.size() + 3;
    }
    if (at == lead) continue;
    const bool has_fraction =
        at < text.size() && (text[at] == '.' || text[at] == ',') && text.substr(at, 1) != separator;
    return has_fraction ? at + 1 + digits_from(text, at + 1) : at;
  }
  return 0;
}

// Length of the number without separators of thousands, with either decimal mark.
size_t plain_length(std::string_view text) {
  const size_t whole = digits_from(text, 0);
  if (whole == 0 || whole == text.size() || (text[whole] != '.' && text[whole] != ',')) {
    return whole;
  }
  const size_t fraction = digits_from(text, whole + 1);
  return fraction == 0 ? whole : whole + 1 + fraction;
}

bool take_space(std::string_view& text) {
  for (const auto space :
       {std::string_view(" "), std::string_view("\t"), kWideSpace, kNarrowSpace}) {
    if (text.starts_with(space)) {
      text.remove_prefix(space.size());
      return true;
    }
  }
  return false;
}

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

bool is_finite_number(std::string_view text, char decimal) {
  double value = 0;
  return parse_number(without_blanks(text), decimal, value) == NumberKind::kFinite;
}

bool may_be_thousands(std::string_view text, char mark) {
  text = without_sign(without_blanks(text));
  const size_t at = text.find(mark);
  constexpr std::string_view kDigits = "0123456789";
  return at >= 1 && at <= 3 && text[0] != '0' && text.size() == at + 4 &&
         text.substr(0, at).find_first_not_of(kDigits) == text.npos &&
         text.substr(at + 1).find_first_not_of(kDigits) == text.npos;
}

FaultyNumber faulty_number(std::string_view text, char decimal) {
  text = without_blanks(text);
  const auto body = without_sign(text);
  const size_t grouped = grouped_length(body);
  const size_t length = grouped > 0 ? grouped : plain_length(body);
  if (length == 0) return {};
  const char other = decimal == ',' ? '.' : ',';
  const auto number = body.substr(0, length);
  // The last three digits of 1.544 are no fraction here, since it is no number.
  const bool is_whole = grouped > 0 ? digits_from(number, number.size() - 3) == 3
                                    : number.find_first_of(".,") == number.npos;
  if (grouped == body.size()) return {.fault = NumberFault::kThousands, .is_whole = is_whole};
  if (body.find(other) != body.npos && is_finite_number(text, other)) {
    return {.fault = NumberFault::kDecimal, .is_whole = false};
  }
  auto rest = body.substr(length);
  if (rest == "-" && body.size() == text.size()) {
    return {.fault = NumberFault::kSign, .is_whole = is_whole};
  }
  bool is_spaced = false;
  while (take_space(rest)) is_spaced = true;
  if (rest.empty() || rest.size() > kMaxUnitBytes) return {};
  const bool is_sign =
      rest[0] == '%' || rest[0] == '$' || static_cast<unsigned char>(rest[0]) >= 0x80;
  if (!is_sign && !is_ascii_letter(rest[0])) return {};
  return {.fault = NumberFault::kUnit,
          .unit = rest,
          .is_whole = is_whole,
          .is_tight = !is_spaced && !is_sign};
}

bool ColumnMarks::is_mostly(char mark) const {
  const auto count = of(mark).count;
  const auto against = of(mark == ',' ? '.' : ',').count + others;
  return count > 0 && 10 * against <= count;
}

bool ColumnMarks::looks_grouped(char mark) const {
  return of(mark).is_open() && of(mark).count >= kGroupedNumbers && larger == 0 &&
         hundreds.size() >= kGroupedHundreds;
}

void ColumnMarks::add(std::string_view cell) {
  cell = without_blanks(cell);
  double value = 0;
  const bool with_point = parse_number(cell, '.', value) == NumberKind::kFinite;
  const bool with_comma = is_finite_number(cell, ',');
  if (with_point != with_comma) {
    MarkedNumbers& marked = with_comma ? commas : points;
    if (++marked.count == 1) marked.first = cell;
    if (may_be_thousands(cell, with_comma ? ',' : '.')) return;
    if (marked.sure.empty()) marked.first_sure = cell;
    marked.sure.insert(cell);
  } else if (!with_point) {
    ++others;
  } else if (value == std::round(value) && std::abs(value) >= 100) {
    if (std::abs(value) < 1000) {
      hundreds.insert(cell);
    } else {
      ++larger;
    }
  }
}

}  // namespace ladder::data
