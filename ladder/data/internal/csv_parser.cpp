#include "ladder/data/internal/csv_parser.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "ladder/data/internal/column_hint.h"
#include "ladder/io/internal/file_kind.h"
#include "ladder/io/utf8.h"

namespace ladder::data {
namespace {

using std::string_view_literals::operator""sv;

#ifndef LADDER_CSV_BLOCK
#define LADDER_CSV_BLOCK (size_t{1} << 20)
#endif
constexpr size_t kCsvBlock = LADDER_CSV_BLOCK;   // bytes; a fuzz target has smaller ones
constexpr size_t kMostSample = size_t{8} << 20;  // bytes, to hold two lines
constexpr size_t kMostCell = size_t{1} << 20;    // bytes
constexpr size_t kMostRow = size_t{64} << 20;    // bytes
constexpr size_t kMostCsvColumns = 100'000;
constexpr size_t kDelimiterRows = 100;
constexpr size_t kSampleRows = 1000;
// A column of at least so many values, at least this share of them numbers, is a column of numbers
// with mistakes.
constexpr int64_t kNearlyRows = 50;
constexpr double kNearlyShare = 0.99;
// So is one with a smaller share of numbers that are not a few codes, beside a few other texts.
constexpr double kMostlyShare = 0.9;
constexpr size_t kMostCodes = 50;
constexpr size_t kFewOthers = 5;
// Marks that may all be those of thousands leave open what they are.
constexpr int64_t kOpenMarks = 20;
constexpr size_t kMostTitleLines = 10;
constexpr char kComment = '#';
constexpr double kIdentifying = 0.9;  // share of different values
constexpr size_t kCountingNames = 4;
constexpr size_t kMostCsvShown = 40;  // bytes of a text in a message
constexpr double kMissingNumber = std::numeric_limits<double>::quiet_NaN();

bool is_digit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

bool is_blank(char c, char delimiter) { return (c == ' ' || c == '\t') && c != delimiter; }

bool equal_letters(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return (a | 0x20) == b; });
}

constexpr std::array kTens = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                              1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                              1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

// Rounds digits correctly that `parse_number` has found to be a number without a sign.
NumberKind round_digits(std::string_view text, char decimal, double& value) {
  std::string with_point;
  if (decimal != '.') {
    with_point = text;
    std::replace(with_point.begin(), with_point.end(), decimal, '.');
    text = with_point;
  }
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec == std::errc()) {
    return std::isinf(value) ? NumberKind::kInfinite : NumberKind::kFinite;
  }
  // Out of range, far above or far below: the place of the first digit that is not zero tells.
  const size_t mark = text.find_first_of("eE");
  const std::string_view digits = text.substr(0, mark);
  int64_t exponent = 0;
  if (mark != std::string_view::npos) {
    std::string_view power = text.substr(mark + 1);
    const bool negative = power.starts_with('-');
    if (negative || power.starts_with('+')) power.remove_prefix(1);
    const auto parsed = std::from_chars(power.data(), power.data() + power.size(), exponent);
    if (parsed.ec != std::errc()) exponent = std::numeric_limits<int64_t>::max() / 4;
    if (negative) exponent = -exponent;
  }
  const size_t point = std::min(digits.find('.'), digits.size());
  const size_t first = std::min(digits.find_first_not_of("0."), digits.size());
  const int64_t lead = static_cast<int64_t>(point) - static_cast<int64_t>(first);
  value = exponent + lead > 0 ? std::numeric_limits<double>::infinity() : 0;
  return value > 0 ? NumberKind::kInfinite : NumberKind::kFinite;
}

// Steps over a minus: a hyphen, or the sign that typesetters use (U+2212).
inline bool take_minus(const char*& at, const char* end) {
  if (at == end) return false;
  if (*at == '-') {
    ++at;
    return true;
  }
  constexpr std::string_view kMinus = "\xE2\x88\x92";
  if (*at != kMinus[0] || end - at < std::ssize(kMinus) ||
      std::string_view(at, kMinus.size()) != kMinus) {
    return false;
  }
  at += kMinus.size();
  return true;
}

inline NumberKind parse_digits(const char* begin, const char* end, char decimal, double& value) {
  const char* at = begin;
  const bool negative = take_minus(at, end);
  if (!negative && at < end && *at == '+') ++at;
  const char* const unsigned_begin = at;
  uint64_t mantissa = 0;
  while (at < end && is_digit(*at)) {
    mantissa = 10 * mantissa + static_cast<uint64_t>(*at++ - '0');
  }
  int64_t digits = at - unsigned_begin;
  int64_t exponent = 0;
  if (at < end && *at == decimal) {
    const char* const fraction = ++at;
    while (at < end && is_digit(*at)) {
      mantissa = 10 * mantissa + static_cast<uint64_t>(*at++ - '0');
    }
    exponent = fraction - at;
    digits += at - fraction;
  }
  if (digits == 0) {
    const std::string_view word(at, static_cast<size_t>(end - at));
    if (at != unsigned_begin || !(equal_letters(word, "inf") || equal_letters(word, "infinity"))) {
      return NumberKind::kNone;
    }
    value = negative ? -std::numeric_limits<double>::infinity()
                     : std::numeric_limits<double>::infinity();
    return NumberKind::kInfinite;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    ++at;
    const bool below = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+')) ++at;
    const char* const power_begin = at;
    int64_t power = 0;
    while (at < end && is_digit(*at)) power = std::min<int64_t>(10 * power + (*at++ - '0'), 99999);
    if (at == power_begin) return NumberKind::kNone;
    exponent += below ? -power : power;
  }
  if (at != end) return NumberKind::kNone;

  // Digits and power of ten are exact in double precision, so that one rounding gives the nearest
  // double [Clinger1990]. 19 digits do not overflow the mantissa.
  constexpr auto kMostTens = static_cast<int64_t>(kTens.size()) - 1;
  if (digits <= 19 && mantissa <= uint64_t{1} << 53 && -kMostTens <= exponent &&
      exponent <= kMostTens) {
    const auto exact = static_cast<double>(mantissa);
    value = exponent < 0 ? exact / kTens[static_cast<size_t>(-exponent)]
                         : exact * kTens[static_cast<size_t>(exponent)];
  } else {
    const auto kind =
        round_digits({unsigned_begin, static_cast<size_t>(end - unsigned_begin)}, decimal, value);
    if (negative) value = -value;
    return kind;
  }
  if (negative) value = -value;
  return NumberKind::kFinite;
}

// Line ends in [begin, end): LF, CRLF, CR.
int64_t count_line_ends(const char* begin, const char* end) {
  int64_t count = 0;
  for (const char* at = begin; at < end; ++at) {
    count += *at == '\n' || (*at == '\r' && (at + 1 == end || at[1] != '\n'));
  }
  return count;
}

// A text as messages show it: at most 40 bytes, without control characters or broken UTF-8.
std::string quoted_text(std::string_view text) {
  std::string out(io::cut_text(text, kMostCsvShown));
  if (out.size() < text.size()) out += "...";
  const size_t whole = io::utf8_prefix(out);
  for (size_t at = 0; at < out.size(); ++at) {
    const auto byte = static_cast<unsigned char>(out[at]);
    if (byte < 0x20 || byte == 0x7F || (at >= whole && byte >= 0x80)) out[at] = '?';
  }
  return "'" + out + "'";
}

// A column of the first rows, with what may be its name.
std::string column_in(const std::vector<std::vector<std::string>>& rows, size_t column) {
  const auto& name = rows.front()[column];
  const bool is_name =
      !name.empty() && !is_finite_number(name, '.') && !is_finite_number(name, ',');
  return "column " + std::to_string(column + 1) + (is_name ? " (" + quoted_text(name) + ")" : "");
}

std::string delimiter_name(char delimiter) {
  return delimiter == '\t' ? "tab" : std::string("'") + delimiter + "'";
}

}  // namespace

NumberKind parse_number(std::string_view text, char decimal, double& value) {
  return parse_digits(text.data(), text.data() + text.size(), decimal, value);
}

CsvParser::CsvParser(std::unique_ptr<io::ByteSource> source, std::string name, CsvOptions options)
    : source_(io::unpack_bytes(std::move(source))),
      name_(std::move(name)),
      options_(std::move(options)) {
  const char given = options_.delimiter.value_or(',');
  if (given == '"' || given == '\n' || given == '\r' || given == '\0' || is_digit(given)) {
    fail("a delimiter such as , or ; or a tab", "character " + std::to_string(int{given}));
  }
  const char mark = options_.decimal.value_or('.');
  if (mark != '.' && mark != ',') fail("'.' or ',' as decimal mark", quoted_text({&mark, 1}));
  if (options_.decimal && options_.delimiter && mark == given) {
    fail("a decimal mark that is not the delimiter", quoted_text({&mark, 1}) + " for both");
  }

  grow(kCsvBlock + 1);
  fill_sample();
  start_text();
  delimiter_ = options_.delimiter ? *options_.delimiter : recognised_delimiter();
  if (options_.delimiter) refuse_title(delimiter_);
  bool whole = true;
  const Rows rows = sample_rows(delimiter_, kSampleRows, whole);
  recognise_decimal(rows);
  missing_ = MissingValues(options_.missing, decimal_);
  const bool header = options_.header ? *options_.header : recognised_header(rows);
  is_first_line_row_ = !header && !options_.header;
  const bool any_row = read_header(header);
  set_kinds(rows, header);
  if (any_row) append_row();
}

// ---- Bytes

// Leaves new bytes as they are: a small file touches only the pages that it fills.
void CsvParser::grow(size_t size) {
  auto larger = std::make_unique_for_overwrite<char[]>(size);
  if (end_ > 0) std::memcpy(larger.get(), buffer_.get(), end_);
  buffer_ = std::move(larger);
  buffer_size_ = size;
}

bool CsvParser::fill() {
  if (at_end_) return false;
  if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ + 1 == buffer_size_) {
    if (end_ >= kMostRow) {
      fail("rows of at most " + std::to_string(kMostRow >> 20) + " MiB",
           "a longer one in line " + std::to_string(line_) + " of " + name_,
           "is it a file of another kind?");
    }
    grow(2 * end_ + 1);
  }
  const size_t got = source_->read(buffer_.get() + end_, buffer_size_ - 1 - end_);
  end_ += got;
  at_end_ = got == 0;
  buffer_[end_] = '\n';
  return got > 0;
}

// Reads a block; of a slow source, only what is at hand and at least two lines.
void CsvParser::fill_sample() {
  int64_t lines = 0;
  while (true) {
    const bool full = end_ + 1 == buffer_size_;
    if (lines >= 2 && (full || !source_->ready())) break;
    if (full && end_ >= kMostSample) break;
    const size_t before = end_;
    if (!fill()) break;
    lines += count_line_ends(buffer_.get() + before, buffer_.get() + end_);
  }
}

void CsvParser::start_text() {
  const std::string_view text(buffer_.get(), end_);
  if (text.empty()) fail("a table", "an empty file at " + name_);
  if (text.starts_with("\xFF\xFE"sv) || text.starts_with("\xFE\xFF"sv)) {
    fail("text in UTF-8", "UTF-16 in " + name_, "save it as UTF-8");
  }
  const auto kind = io::file_kind(text);
  if (kind && !kind->text) fail("a table", kind->noun + " in " + name_, kind->hint);
  if (text.starts_with("\xEF\xBB\xBF"sv)) begin_ = 3;
  // Excel's note of the delimiter.
  const std::string_view rest = text.substr(begin_);
  if (rest.size() > 5 && rest.starts_with("sep="sv) && (rest[5] == '\n' || rest[5] == '\r')) {
    if (!options_.delimiter) options_.delimiter = rest[4];
    begin_ += rest.substr(5, 2) == "\r\n"sv ? 7 : 6;
    ++line_;
  }
}

// ---- What the first rows tell

CsvParser::Rows CsvParser::sample_rows(char delimiter, size_t most, bool& whole) const {
  Rows rows;
  std::vector<CsvCell> cells;
  const char* at = buffer_.get() + begin_;
  whole = true;
  while (rows.size() < most) {
    Scan found;
    try {
      found = scan(at, delimiter, cells);
    } catch (const CsvFault&) {
      whole = false;
      break;
    }
    if (found.step != Step::kRow) break;
    at = found.next;
    std::vector<std::string> row;
    for (const CsvCell& cell : cells) {
      std::string text(cell.bytes());
      for (size_t quote = 0; cell.doubled && (quote = text.find("\"\"", quote)) != text.npos;) {
        text.erase(quote++, 1);
      }
      row.push_back(std::move(text));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

char CsvParser::recognised_delimiter() const {
  // More than one column, then rows of one length, then cells that are numbers, then columns.
  using Score = std::tuple<bool, bool, double, double, size_t>;
  std::optional<Score> best;
  char chosen = ',';
  for (const char delimiter : {',', ';', '\t', '|'}) {
    bool whole = true;
    const Rows rows = sample_rows(delimiter, kDelimiterRows, whole);
    if (rows.empty()) continue;
    const size_t columns = rows.front().size();
    double equal = 0, numbers = 0, cells = 0;
    for (const auto& row : rows) {
      equal += row.size() == columns;
      for (const auto& cell : row) {
        numbers += is_finite_number(cell, '.') || (delimiter != ',' && is_finite_number(cell, ','));
      }
      cells += static_cast<double>(row.size());
    }
    const auto count = static_cast<double>(rows.size());
    const Score score(columns > 1, whole && equal == count, numbers / cells, equal / count,
                      columns);
    if (!best || score > *best) {
      best = score;
      chosen = delimiter;
    }
  }
  if (best && std::get<0>(*best)) {
    // A comment that has a delimiter in it is as good as a header.
    if (!std::get<1>(*best) && begins_with_comment()) {
      for (const char delimiter : {',', ';', '\t', '|'}) refuse_title(delimiter);
    }
    return chosen;
  }
  // Without a second column there is nothing to tell them apart.
  for (const char delimiter : {',', ';', '\t', '|'}) refuse_title(delimiter);
  return ',';
}

bool CsvParser::begins_with_comment() const {
  const std::string_view text(buffer_.get() + begin_, end_ - begin_);
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != text.npos && text[first] == kComment;
}

// Refuses lines of one cell, and comments, above rows that agree on more.
void CsvParser::refuse_title(char delimiter) const {
  bool whole = true;
  const Rows rows = sample_rows(delimiter, kDelimiterRows, whole);
  const size_t columns_below = rows.empty() ? 0 : rows.back().size();
  const auto is_title = [&](const auto& row) {
    return row.size() == 1 || (row.size() != columns_below && row[0].starts_with(kComment));
  };
  size_t above = 0;
  while (above < rows.size() && is_title(rows[above])) ++above;
  const size_t below = rows.size() - above;
  if (!whole || above == 0 || above > kMostTitleLines || below < 2 || below <= above) return;
  const size_t columns = rows[above].size();
  // A column of lists, such as "a;b", may have one name above it.
  if (!options_.delimiter && delimiter != ',' && columns == 2) return;
  if (std::any_of(rows.begin() + static_cast<std::ptrdiff_t>(above), rows.end(),
                  [&](const auto& row) { return row.size() != columns; })) {
    return;
  }
  fail("the names or the first row of a table",
       quoted_text(rows[0][0]) + " above rows of " + std::to_string(columns) + " cells in " + name_,
       "remove the lines above the header");
}

// The kind of a column if it is known. The header is not: the first row may be one.
std::optional<ColumnKind> CsvParser::kind_in_sample(const Rows& rows, size_t column) const {
  for (const auto& name : {rows.front()[column], "x" + std::to_string(column)}) {
    const auto& texts = options_.text_columns;
    if (std::find(texts.begin(), texts.end(), name) != texts.end()) return ColumnKind::kText;
    const auto known = options_.kinds.find(name);
    if (known != options_.kinds.end()) return known->second;
  }
  return options_.other_kind;
}

void CsvParser::recognise_decimal(const Rows& rows) {
  if (options_.decimal) {
    decimal_ = *options_.decimal;
    return;
  }
  if (delimiter_ == ',' && options_.usual_decimal != ',') return;
  decimal_ = options_.usual_decimal.value_or('.');
  decimal_open_ = delimiter_ == ';';
  if (rows.empty()) return;
  // Between commas that are followed by three digits each there may be thousands.
  const auto thousands = [](std::string_view text) {
    const size_t comma = text.find(',');
    return comma != text.npos && text.size() - comma - 1 == 3 &&
           text.find_first_not_of("0123456789", comma + 1) == text.npos;
  };
  struct Marked {
    int64_t count = 0;
    int64_t known = 0;    // in columns that are known to hold numbers
    bool is_open = true;  // each may be one of thousands
    std::string first = {};
    size_t column = 0;
  };
  Marked points, commas;
  bool sure = delimiter_ == ';';
  std::vector<ColumnMarks> columns(rows.front().size());
  std::vector<std::optional<ColumnKind>> kinds;
  for (size_t c = 0; c < columns.size(); ++c) kinds.push_back(kind_in_sample(rows, c));
  const auto& missing = options_.missing;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t c = 0; c < rows[r].size(); ++c) {
      const auto& cell = rows[r][c];
      const bool with_point = is_finite_number(cell, '.');
      const bool with_comma = is_finite_number(cell, ',');
      const bool is_name = r == 0 && !with_point && !with_comma;
      if (c < columns.size() && !is_name && !is_missing_text(cell) &&
          std::find(missing.begin(), missing.end(), cell) == missing.end()) {
        columns[c].add(cell);
      }
      if (with_point == with_comma) continue;
      Marked& marked = with_comma ? commas : points;
      if (++marked.count == 1) {
        marked.first = cell;
        marked.column = c;
      }
      marked.known += c < columns.size() && kinds[c] == ColumnKind::kNumber;
      marked.is_open = marked.is_open && may_be_thousands(cell, with_comma ? ',' : '.');
      sure = sure || (with_comma && !thousands(cell));
    }
  }
  // Columns that hold numbers in any case know best.
  const bool any_known = points.known + commas.known > 0;
  const bool mostly_commas = any_known ? commas.known > points.known : commas.count > points.count;
  decimal_ = sure && mostly_commas ? ',' : '.';
  decimal_open_ = delimiter_ == ';' && commas.count == 0 && points.count == 0;
  // Columns of texts show nothing.
  bool shows_any = false, shows_chosen = false;
  for (size_t c = 0; c < columns.size(); ++c) {
    if (kinds[c] == ColumnKind::kText) {
      columns[c] = {};
      continue;
    }
    shows_any = shows_any || !columns[c].points.sure.empty() || !columns[c].commas.sure.empty();
    const auto& marked = columns[c].of(decimal_);
    if (marked.sure.empty()) continue;
    if (!shows_chosen)
      shown_decimal_ = quoted_text(marked.first_sure) + " in " + column_in(rows, c);
    shows_chosen = true;
  }
  if (options_.usual_decimal && !shows_any) {
    decimal_ = *options_.usual_decimal;
    return;
  }
  if (delimiter_ == ',') return;
  watch_whole_ = !options_.whole_numbers.empty() && !shows_chosen;
  check_marks(rows, columns);
  const Marked& chosen = decimal_ == ',' ? commas : points;
  if (delimiter_ != ';' || !chosen.is_open || chosen.count < kOpenMarks) return;
  refuse_open_mark(quoted_text(chosen.first), "column " + std::to_string(chosen.column + 1),
                   chosen.first);
}

// Refuses a file that says nothing sure about the mark in `number`. `got` shows the number.
void CsvParser::refuse_open_mark(const std::string& got, const std::string& column,
                                 const std::string& number) const {
  const auto value = number.substr(0, number.find(decimal_));
  fail("numbers that show which mark is decimal",
       got + " in " + column + " of " + name_ + ", and three digits behind each other mark",
       std::string("is it ") + value + "." + number.substr(value.size() + 1) + "? then --decimal " +
           decimal_ + "; else remove the marks of thousands");
}

// Refuses marks that may be those of thousands although other numbers of the file have the other
// mark as the decimal one, or where they look like thousands.
void CsvParser::check_marks(const Rows& rows, const std::vector<ColumnMarks>& columns) const {
  const char other = decimal_ == ',' ? '.' : ',';
  const auto& unused = options_.unused;
  const auto is_used = [&](size_t c) {
    return std::find(unused.begin(), unused.end(), rows.front()[c]) == unused.end();
  };
  std::optional<size_t> open, against;
  size_t most_sure = 0;
  for (size_t c = 0; c < columns.size(); ++c) {
    const auto& marks = columns[c];
    most_sure = std::max(most_sure, marks.of(decimal_).sure.size());
    if (!is_used(c)) continue;
    if (!open && marks.of(decimal_).is_open() && marks.is_mostly(decimal_)) open = c;
    const auto different = marks.of(other).sure.size();
    if (different > 0 && marks.is_mostly(other) &&
        (!against || different > columns[*against].of(other).sure.size())) {
      against = c;
    }
  }
  // Fewer different numbers, such as versions, show less.
  if (open && against && columns[*against].of(other).sure.size() > most_sure) {
    fail("numbers that show which mark is decimal",
         quoted_text(columns[*open].of(decimal_).first) + " in " + column_in(rows, *open) +
             " and " + quoted_text(columns[*against].of(other).first_sure) + " in " +
             column_in(rows, *against) + " of " + name_,
         std::string("name the mark: --decimal ") + other + " or --decimal " + decimal_);
  }
  for (size_t c = 0; c < columns.size(); ++c) {
    if (!columns[c].looks_grouped(decimal_) || !is_used(c) || kind_in_sample(rows, c)) continue;
    const std::string number(columns[c].of(decimal_).first);
    refuse_open_mark(quoted_text(number) + " beside " + quoted_text(*columns[c].hundreds.begin()),
                     column_in(rows, c), number);
  }
}

bool CsvParser::recognised_header(const Rows& rows) const {
  if (rows.empty()) return true;
  const auto& first = rows.front();
  // Files that were put together repeat the line of names.
  const bool may_repeat =
      first.size() > 1 && std::none_of(first.begin(), first.end(), [&](auto& text) {
        return is_finite_number(text, decimal_);
      });
  std::vector<bool> repeats;
  for (const auto& row : rows) repeats.push_back(may_repeat && row == first);
  std::vector<double> counts;
  bool value = false, text = false, above_numbers = false;
  for (size_t c = 0; c < first.size(); ++c) {
    double number = 0;
    if (parse_number(first[c], decimal_, number) == NumberKind::kFinite) {
      counts.push_back(number);
      continue;
    }
    if (is_missing(first[c])) continue;
    text = true;
    bool again = false, numbers = false, others = false;
    for (size_t r = 1; r < rows.size(); ++r) {
      if (repeats[r]) again = true;
      if (repeats[r] || c >= rows[r].size() || is_missing(rows[r][c])) continue;
      const bool is_number = is_finite_number(rows[r][c], decimal_);
      numbers = numbers || is_number;
      others = others || !is_number;
      again = again || rows[r][c] == first[c];
    }
    above_numbers = above_numbers || (numbers && !others);
    value = value || again;
  }
  if (above_numbers) return true;
  if (value) return false;
  if (counts.empty()) return text;
  bool counting = counts.size() >= kCountingNames && (counts[0] == 0 || counts[0] == 1);
  for (size_t i = 1; i < counts.size(); ++i) {
    counting = counting && counts[i] == counts[i - 1] + 1;
  }
  return counting;
}

bool CsvParser::read_header(bool header) {
  const Step step = scan_row(true);
  if (step == Step::kEnd) fail("a table", "empty lines only in " + name_);
  first_line_ = row_line_;
  has_names_ = header;
  std::map<std::string, size_t> columns;
  for (size_t c = 0; c < cells_.size(); ++c) {
    std::string name;
    if (header) {
      const std::string_view text = text_of(cells_[c]);
      check_utf8(c, cells_[c], text);
      name = text;
    }
    if (name.empty()) name = "x" + std::to_string(c);
    const auto [other, added] = columns.emplace(name, c);
    if (!added) {
      fail("different column names",
           quoted_text(name) + " in columns " + std::to_string(other->second + 1) + " and " +
               std::to_string(c + 1) + " of line " + std::to_string(row_line_) + " of " + name_,
           "rename one, or say that the file has no header");
    }
    names_.push_back(std::move(name));
  }
  if (!header || scan_row(true) == Step::kRow) return true;
  if (!options_.may_be_empty) {
    fail("rows", "only a header in " + name_,
         "say that the file has no header if its line is a row");
  }
  return false;
}

void CsvParser::set_kinds(const Rows& rows, bool header) {
  for (const auto& name : options_.text_columns) {
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
      fail("a column " + quoted_text(name) + " in " + name_,
           "none" + (is_first_line_row_
                         ? " (the first line was read as a row; --header yes takes it for names)"
                         : column_hint(name, names_)));
    }
  }
  builders_.resize(names_.size());
  for (size_t c = 0; c < names_.size(); ++c) {
    Builder& builder = builders_[c];
    builder.column.name = names_[c];
    builder.as_written = std::find(options_.as_written.begin(), options_.as_written.end(),
                                   names_[c]) != options_.as_written.end();
    builder.unused = std::find(options_.unused.begin(), options_.unused.end(), names_[c]) !=
                     options_.unused.end();
    const auto& whole = options_.whole_numbers;
    builder.whole = std::find(whole.begin(), whole.end(), names_[c]) != whole.end();
    const auto& texts = options_.text_columns;
    const auto known = options_.kinds.find(names_[c]);
    builder.known = true;
    if (std::find(texts.begin(), texts.end(), names_[c]) != texts.end()) {
      builder.column.kind = ColumnKind::kText;
    } else if (known != options_.kinds.end()) {
      builder.column.kind = known->second;
    } else if (options_.other_kind) {
      builder.column.kind = *options_.other_kind;
    } else {
      builder.known = false;
      for (size_t r = header ? 1 : 0; r < rows.size(); ++r) {
        if (rows[r].size() != names_.size()) break;
        double value = 0;
        if (!is_missing(rows[r][c]) &&
            parse_number(rows[r][c], decimal_, value) == NumberKind::kNone) {
          builder.column.kind = ColumnKind::kText;
          break;
        }
      }
    }
  }
}

// ---- Rows and cells

CsvParser::Scan CsvParser::scan(const char* at, char delimiter, std::vector<CsvCell>& cells) const {
  const char* const limit = buffer_.get() + end_;
  Scan found;
  cells.clear();
  const auto skip_line_end = [&](const char* p) {
    return *p == '\r' && p + 1 < limit && p[1] == '\n' ? p + 2 : p + 1;
  };
  while (true) {
    found.begin = at;
    while (at < limit && is_blank(*at, delimiter)) ++at;
    if (at == limit) {
      found.step = at_end_ ? Step::kEnd : Step::kIncomplete;
      return found;
    }
    if (*at != '\n' && *at != '\r') break;
    at = skip_line_end(at);
    ++found.skipped;
  }
  const auto where = [&](const char* p) {
    const int64_t line = line_ + count_line_ends(buffer_.get() + begin_, p);
    return place(line, cells.size());
  };

  at = found.begin;
  while (true) {
    while (at < limit && is_blank(*at, delimiter)) ++at;
    CsvCell cell;
    cell.begin = at;
    if (at < limit && *at == '"') {
      const char* const quote = at++;
      cell.begin = at;
      while (true) {
        const auto rest = static_cast<size_t>(limit - at);
        at = static_cast<const char*>(std::memchr(at, '"', rest));
        const size_t size = static_cast<size_t>((at == nullptr ? limit : at) - cell.begin);
        if (size > kMostCell || (at == nullptr && at_end_)) {
          fail("a second quote for the one in " + where(quote),
               size > kMostCell ? "1 MiB without it" : "the end of the file",
               "write a quote inside quotes twice");
        }
        if (at == nullptr || (at + 1 == limit && !at_end_)) return found;
        if (at + 1 == limit || at[1] != '"') break;
        cell.doubled = true;
        at += 2;
      }
      cell.end = at++;
      found.lines += count_line_ends(cell.begin, cell.end);
      while (at < limit && is_blank(*at, delimiter)) ++at;
      if (at < limit && *at != delimiter && *at != '\n' && *at != '\r') {
        const char* end = at;
        while (end < limit && *end != delimiter && *end != '\n' && *end != '\r') ++end;
        if (end == limit && !at_end_ && end < at + kMostCsvShown) return found;
        fail(delimiter_name(delimiter) + " or the end of the line after a quoted cell",
             quoted_text({at, static_cast<size_t>(end - at)}) + " in " + where(quote),
             "write a quote inside quotes twice");
      }
    } else {
      while (*at != delimiter && *at != '\n' && *at != '\r') ++at;
      cell.end = at;
      while (cell.end > cell.begin && is_blank(cell.end[-1], delimiter)) --cell.end;
      if (static_cast<size_t>(cell.end - cell.begin) > kMostCell) {
        fail("cells of at most 1 MiB", "a longer one in " + where(cell.begin));
      }
    }
    if (at >= limit && !at_end_) return found;
    if (cells.size() == kMostCsvColumns) {
      fail("at most " + std::to_string(kMostCsvColumns) + " columns",
           "more in line " + std::to_string(line_ + found.skipped) + " of " + name_,
           "is the delimiter really " + delimiter_name(delimiter) + "?");
    }
    cells.push_back(cell);
    if (at >= limit || *at != delimiter) break;
    ++at;
  }
  if (at < limit) at = skip_line_end(at);
  ++found.lines;
  found.step = Step::kRow;
  found.next = at;
  return found;
}

CsvParser::Step CsvParser::scan_row(bool wait) {
  while (true) {
    if (after_cr_ && begin_ < end_) {
      if (buffer_[begin_] == '\n') ++begin_;
      after_cr_ = false;
    }
    const Scan found = scan(buffer_.get() + begin_, delimiter_, cells_);
    const bool row = found.step == Step::kRow;
    const char* const next = row ? found.next : found.begin;
    line_ += found.skipped;
    row_line_ = line_;
    if (row) line_ += found.lines;
    row_begin_ = found.begin;
    const auto used = static_cast<size_t>(next - buffer_.get());
    after_cr_ = after_cr_ || (used > begin_ && next[-1] == '\r');
    begin_ = used;
    if (found.step != Step::kIncomplete) return found.step;
    if (!wait && !source_->ready()) return Step::kIncomplete;
    fill();
  }
}

// Whether a row is the line of names.
bool CsvParser::repeats_names() {
  if (!has_names_ || cells_.size() < 2) return false;
  size_t texts = 0;
  for (size_t c = 0; c < cells_.size(); ++c) {
    const auto text = text_of(cells_[c]);
    if (text != names_[c] && !(text.empty() && names_[c] == "x" + std::to_string(c))) return false;
    texts += !text.empty();
  }
  return texts > 1;
}

// Refuses numbers that may be those of thousands in columns of whole numbers, until a number shows
// that their mark is decimal.
void CsvParser::watch_whole_numbers() {
  for (const CsvCell& cell : cells_) {
    if (decimal_open_) decide_decimal(cell.bytes());
  }
  for (size_t c = 0; c < cells_.size(); ++c) {
    const auto text = cells_[c].bytes();
    if (builders_[c].column.kind == ColumnKind::kNumber && text.find(decimal_) != text.npos &&
        is_finite_number(text, decimal_) && !may_be_thousands(text, decimal_)) {
      watch_whole_ = false;
      return;
    }
  }
  for (size_t c = 0; c < cells_.size(); ++c) {
    const std::string number(cells_[c].bytes());
    if (!builders_[c].whole || !may_be_thousands(number, decimal_) || missing_.contains(number)) {
      continue;
    }
    auto digits = number;
    digits.erase(digits.find(decimal_), 1);
    auto value = number;
    std::replace(value.begin(), value.end(), ',', '.');
    fail("whole numbers, as in training,", quoted_text(number) + " in " + place(row_line_, c),
         "is it " + digits + "? then remove the marks of thousands; is it " + value +
             "? then --decimal " + decimal_);
  }
}

void CsvParser::append_row() {
  if (cells_.size() != builders_.size()) {
    fail(std::to_string(builders_.size()) + (builders_.size() == 1 ? " column" : " columns") +
             ", as in line " + std::to_string(first_line_) + ",",
         std::to_string(cells_.size()) + " in line " + std::to_string(row_line_) + " of " + name_,
         "the delimiter is " + delimiter_name(delimiter_) + "; quote cells that hold it");
  }
  if (repeats_names()) {
    fail("rows below the names of the columns",
         "the names again in line " + std::to_string(row_line_) + " of " + name_,
         "remove the line");
  }
  if (watch_whole_) watch_whole_numbers();
  for (size_t c = 0; c < cells_.size(); ++c) append(c, cells_[c]);
  ++rows_;
}

void CsvParser::append(size_t index, const CsvCell& cell) {
  Builder& builder = builders_[index];
  if (decimal_open_) decide_decimal(cell.bytes());
  if (builder.column.kind == ColumnKind::kNumber) {
    double value = 0;
    if (parse_digits(cell.begin, cell.end, decimal_, value) != NumberKind::kFinite) {
      append_other(index, cell);
      return;
    }
    if (missing_.contains(value)) {
      value = kMissingNumber;
    } else {
      builder.present = true;
    }
    builder.column.numbers.push_back(value);
  } else {
    append_text(index, cell, text_of(cell));
  }
}

// Appends what is not a finite number to a column of numbers.
void CsvParser::append_other(size_t index, const CsvCell& cell) {
  Builder& builder = builders_[index];
  const std::string_view text = text_of(cell);
  auto& numbers = builder.column.numbers;
  if (is_missing(text, /*is_text=*/!builder.known)) {
    numbers.push_back(kMissingNumber);
    return;
  }
  check_utf8(index, cell, text);
  double value = 0;
  const int64_t line = row_line_ + count_line_ends(row_begin_, cell.begin);
  if (parse_number(text, decimal_, value) == NumberKind::kInfinite) {
    if (!builder.first_infinite) builder.first_infinite = {line, std::string(text)};
    if (builder.known) check_infinite(builder, index);
    numbers.push_back(value);
    return;
  }
  if (builder.known) {
    fail("a number", quoted_text(text) + " in " + place(line, index), number_hint(text));
  }
  if (!builder.present && !builder.first_infinite) {
    builder.column.kind = ColumnKind::kText;
    builder.column.codes.assign(numbers.size(), -1);
    numbers = {};
    append_text(index, cell, text);
    return;
  }
  count_other(builder, line, text);
  numbers.push_back(kMissingNumber);
}

// Counts a value that is no number in a column whose kind is not known.
void CsvParser::count_other(Builder& builder, int64_t line, std::string_view text) {
  if (++builder.others == 1) builder.first_other = {line, std::string(text)};
  auto& texts = builder.other_texts;
  if (texts.size() <= kFewOthers && std::find(texts.begin(), texts.end(), text) == texts.end()) {
    texts.emplace_back(text);
  }
}

void CsvParser::append_text(size_t index, const CsvCell& cell, std::string_view text) {
  Builder& builder = builders_[index];
  Column& column = builder.column;
  if (builder.as_written ? text.empty() : is_missing(text)) {
    column.codes.push_back(-1);
    if (!text.empty()) count_missing(column, text);
    return;
  }
  int32_t code = column.codes.empty() ? -1 : column.codes.back();
  if (code < 0 || column.levels[static_cast<size_t>(code)] != text) {
    const auto found = builder.codes.find(text);
    if (found != builder.codes.end()) {
      code = found->second;
    } else {
      check_utf8(index, cell, text);
      code = static_cast<int32_t>(column.levels.size());
      column.levels.emplace_back(text);
      builder.codes.emplace(column.levels.back(), code);
      double value = 0;
      if (!builder.known) {
        builder.number_levels.push_back(parse_number(text, decimal_, value) == NumberKind::kFinite);
      }
    }
  }
  column.codes.push_back(code);
  if (builder.known) return;
  if (builder.number_levels[static_cast<size_t>(code)]) {
    ++builder.numbers;
  } else {
    count_other(builder, row_line_ + count_line_ends(row_begin_, cell.begin), text);
  }
}

// A file has few of these texts, apart from different spellings of a number.
void CsvParser::count_missing(Column& column, std::string_view text) {
  auto& texts = column.missing_texts;
  const auto known =
      std::find_if(texts.begin(), texts.end(), [&](const auto& one) { return one.first == text; });
  constexpr size_t kMostSpellings = 20;
  if (known != texts.end()) {
    ++known->second;
  } else if (texts.size() < kMostSpellings) {
    texts.emplace_back(text, 1);
  }
}

void CsvParser::decide_decimal(std::string_view text) {
  for (const char mark : {'.', ','}) {
    if (text.find(mark) != text.npos && is_finite_number(text, mark)) {
      decimal_ = may_be_thousands(text, mark) ? options_.usual_decimal.value_or(mark) : mark;
      decimal_open_ = false;
      missing_ = MissingValues(options_.missing, decimal_);
    }
  }
}

std::string_view CsvParser::text_of(const CsvCell& cell) {
  if (!cell.doubled) return cell.bytes();
  scratch_.clear();
  for (const char* at = cell.begin; at < cell.end; ++at) {
    scratch_ += *at;
    if (*at == '"') ++at;
  }
  return scratch_;
}

// `is_text`: of a column that is not known to hold numbers.
bool CsvParser::is_missing(std::string_view text, bool is_text) const {
  text = without_blanks(text);  // those inside of quotes
  if (missing_.contains(text)) return true;
  if (!is_usual_missing(text)) return false;
  const auto& values = options_.not_missing;
  return !is_text || std::find(values.begin(), values.end(), text) == values.end();
}

void CsvParser::check_utf8(size_t index, const CsvCell& cell, std::string_view text) const {
  const size_t zero = text.find('\0');
  if (zero != text.npos) {
    fail("text", "a zero byte in " + place(cell, index),
         "the file is damaged, or its text is UTF-16: save it as UTF-8");
  }
  const size_t whole = io::utf8_prefix(text);
  if (whole < text.size()) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    const auto byte = static_cast<unsigned char>(text[whole]);
    fail("text in UTF-8",
         std::string("byte ") + kDigits[byte >> 4] + kDigits[byte & 15] + " in " +
             place(cell, index),
         "save it as UTF-8: in Excel as CSV UTF-8, elsewhere by iconv -f windows-1252 -t utf-8");
  }
}

// ---- Results

// Numbers that have a decimal comma are there with a point as well: other tables have it.
std::vector<std::string> CsvParser::missing_texts() const {
  auto texts = options_.missing;
  if (decimal_ != ',') return texts;
  for (const auto& text : options_.missing) {
    if (text.find(',') == text.npos || !is_finite_number(text, ',')) continue;
    auto with_point = text;
    std::replace(with_point.begin(), with_point.end(), ',', '.');
    if (std::find(texts.begin(), texts.end(), with_point) == texts.end()) {
      texts.push_back(std::move(with_point));
    }
  }
  return texts;
}

Table CsvParser::take() {
  Table table{.source = name_,
              .rows = std::exchange(rows_, 0),
              .missing = missing_texts(),
              .decimal = decimal_,
              .decimal_given = options_.decimal.has_value(),
              .is_first_line_row = is_first_line_row_};
  for (Builder& builder : builders_) {
    Column next{.name = builder.column.name, .kind = builder.column.kind};
    table.columns.push_back(std::exchange(builder.column, std::move(next)));
    builder.codes.clear();
    builder.number_levels.clear();
  }
  return table;
}

int64_t CsvParser::numbers_of(const Builder& builder) {
  if (builder.column.kind == ColumnKind::kText) return builder.numbers;
  const auto& values = builder.column.numbers;
  return std::count_if(values.begin(), values.end(),
                       [](double value) { return !std::isnan(value); });
}

// Whether the numbers of a column are more than a few codes.
bool CsvParser::has_many_numbers(const Builder& builder) {
  if (builder.column.kind == ColumnKind::kText) {
    return std::count(builder.number_levels.begin(), builder.number_levels.end(), true) >
           static_cast<std::ptrdiff_t>(kMostCodes);
  }
  std::set<double> different;
  for (const double value : builder.column.numbers) {
    if (!std::isnan(value)) different.insert(value);
    if (different.size() > kMostCodes) return true;
  }
  return false;
}

bool CsvParser::is_nearly_numbers(const Builder& builder, int64_t numbers) {
  const int64_t present = numbers + builder.others;
  if (builder.known || builder.unused || builder.others == 0 || present < kNearlyRows) {
    return false;
  }
  const bool few_others = builder.other_texts.size() <= kFewOthers;
  const double share = static_cast<double>(numbers) / static_cast<double>(present);
  return share >= kNearlyShare ||
         (share >= kMostlyShare && few_others && has_many_numbers(builder));
}

// Refuses a line of texts in columns of numbers, such as one of units. The same text in all of them
// is a missing value.
void CsvParser::check_stray_line() const {
  std::map<int64_t, std::vector<const Builder*>> lines;
  for (const Builder& builder : builders_) {
    if (builder.others == 1 && is_nearly_numbers(builder, numbers_of(builder))) {
      lines[builder.first_other->line].push_back(&builder);
    }
  }
  for (const auto& [line, builders] : lines) {
    const auto& first = builders[0]->first_other->text;
    if (std::all_of(builders.begin(), builders.end(),
                    [&](const Builder* builder) { return builder->first_other->text == first; })) {
      continue;
    }
    std::string texts = quoted_text(first);
    const auto second = quoted_text(builders[1]->first_other->text);
    texts += builders.size() == 2
                 ? " and " + second
                 : ", " + second + " and " + std::to_string(builders.size() - 2) + " more";
    fail("numbers, as in the other lines,",
         texts + " in line " + std::to_string(line) + " of " + name_,
         "remove the line if it holds units; --missing names texts of missing values");
  }
}

void CsvParser::check_nearly_numbers(const Builder& builder, size_t index) const {
  const auto numbers = numbers_of(builder);
  if (!is_nearly_numbers(builder, numbers)) return;
  const auto& [line, text] = *builder.first_other;
  const auto faulty = faulty_number(text, decimal_);
  if (faulty.fault != NumberFault::kNone && faulty.fault != NumberFault::kDecimal &&
      !faulty.is_tight) {
    refuse_fault(faulty.fault, text, index);
  }
  const bool few_others = builder.other_texts.size() <= kFewOthers;
  std::string texts;
  for (const auto& other : builder.other_texts) {
    texts += (texts.empty() ? "" : ",") + listed_word(other);
  }
  const bool one = builder.other_texts.size() == 1;
  fail("a number, as in " + std::to_string(numbers) + " of " +
           std::to_string(numbers + builder.others) + " values of the column,",
       quoted_text(text) + " in " + place(line, index),
       (one ? std::string("name the text as a missing value: --missing ")
            : std::string("name such texts as missing values: --missing ")) +
           quoted_text(few_others ? texts : listed_word(text)) +
           ", or the column as a text column: --text-columns " +
           quoted_text(listed_word(names_[index])));
}

// Refuses a column of texts that are numbers in another spelling: with separators of thousands,
// units, or the other decimal mark.
void CsvParser::check_faulty_numbers(const Builder& builder, size_t index) const {
  const Column& column = builder.column;
  if (builder.known || builder.unused || column.levels.size() <= kMostCodes) return;
  std::vector<int64_t> rows(column.levels.size());
  int64_t present = 0;
  for (const int32_t code : column.codes) {
    if (code < 0) continue;
    ++rows[static_cast<size_t>(code)];
    ++present;
  }
  if (present < kNearlyRows) return;
  struct Alike {
    int64_t rows = 0;
    size_t levels = 0;
    size_t first = 0;      // of the levels
    bool is_whole = true;  // all are
    bool is_tight = true;  // all are
    bool is_even = true;   // all have one length

    void add(const Alike& more) {
      if (levels == 0) first = more.first;
      rows += more.rows;
      levels += more.levels;
      is_whole = is_whole && more.is_whole;
      is_tight = is_tight && more.is_tight;
      is_even = is_even && more.is_even;
    }
  };
  using Fault = std::pair<NumberFault, std::string_view>;
  std::map<Fault, Alike> found;
  Alike either;  // 1.544 where commas are decimal: a point, or a separator
  size_t numbers = 0, others = 0;
  const char other_mark = decimal_ == ',' ? '.' : ',';
  for (size_t level = 0; level < rows.size(); ++level) {
    if (builder.number_levels[level]) {
      ++numbers;
      continue;
    }
    const std::string_view text = column.levels[level];
    const auto faulty = faulty_number(text, decimal_);
    if (faulty.fault == NumberFault::kNone) {
      ++others;
      continue;
    }
    const bool is_either =
        faulty.fault == NumberFault::kThousands && is_finite_number(text, other_mark);
    Alike& alike = is_either ? either : found[{faulty.fault, faulty.unit}];
    const size_t first = alike.levels == 0 ? level : alike.first;
    alike.add({.rows = rows[level],
               .levels = 1,
               .first = level,
               .is_whole = faulty.is_whole,
               .is_tight = faulty.is_tight,
               .is_even = text.size() == column.levels[first].size()});
  }
  if (either.levels > 0) {
    const Fault decimal{NumberFault::kDecimal, {}};
    found[found.contains(decimal) ? decimal : Fault{NumberFault::kThousands, {}}].add(either);
  }
  if (found.empty()) return;
  const auto most = std::max_element(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.second.rows < b.second.rows;
  });
  const auto fault = most->first.first;
  const Alike& alike = most->second;
  for (const auto& one : found) others += &one.second == &alike ? 0 : one.second.levels;
  const auto share =
      static_cast<double>(builder.numbers + alike.rows) / static_cast<double>(present);
  if (numbers + alike.levels <= kMostCodes ||
      !(share >= kNearlyShare || (share >= kMostlyShare && others <= kFewOthers))) {
    return;
  }
  // Dates and versions have points in files with decimal commas. Codes are whole numbers with a
  // letter, or as long as each other and different in nearly every row.
  if (fault == NumberFault::kDecimal && decimal_ == ',') return;
  if (alike.is_tight && alike.is_whole) return;
  if (alike.is_whole && alike.is_even && numbers == 0 &&
      static_cast<double>(alike.levels) > kIdentifying * static_cast<double>(present)) {
    return;
  }
  refuse_fault(fault, column.levels[alike.first], index);
}

// The same of a column whose texts come behind many numbers, by the first few of them.
void CsvParser::check_late_texts(const Builder& builder, size_t index) const {
  const auto& texts = builder.other_texts;
  if (builder.known || builder.unused || texts.size() <= kFewOthers || !has_many_numbers(builder)) {
    return;
  }
  const bool all = std::all_of(texts.begin(), texts.end(), [&](const auto& text) {
    return faulty_number(text, decimal_).fault == NumberFault::kThousands;
  });
  if (all) refuse_fault(NumberFault::kThousands, texts.front(), index);
}

void CsvParser::refuse_fault(NumberFault fault, std::string_view text, size_t index) const {
  std::string expected, hint;
  switch (fault) {
    case NumberFault::kThousands:
      expected = "numbers without thousands separators";
      hint = "remove the separators, or";
      break;
    case NumberFault::kDecimal:
      expected = decimal_ == ',' ? "numbers with a decimal comma" : "numbers with a decimal point";
      if (!shown_decimal_.empty()) expected += ", as " + shown_decimal_ + ",";
      hint = decimal_ == ',' ? "is the point the decimal mark? then --decimal .; else"
                             : "is the comma the decimal mark? then --decimal ,; else";
      break;
    case NumberFault::kUnit:
      expected = "numbers without units";
      hint = "remove the unit, or";
      break;
    default:
      expected = "numbers with the sign in front";
      hint = "move the sign, or";
  }
  fail(expected, quoted_text(text) + " in " + column_place(index),
       hint + " name the column as a text column: --text-columns " +
           quoted_text(listed_word(names_[index])));
}

// What to do about a text in a column that a model expects numbers in.
std::string CsvParser::number_hint(std::string_view text) const {
  switch (faulty_number(text, decimal_).fault) {
    case NumberFault::kThousands:
      return "remove the separators of thousands";
    case NumberFault::kDecimal:
      return decimal_ == ',' ? "is the point the decimal mark? then --decimal ."
                             : "is the comma the decimal mark? then --decimal ,";
    case NumberFault::kUnit:
      return "remove the unit";
    case NumberFault::kSign:
      return "move the sign to the front";
    default:
      return "name the text as a missing value: --missing " + quoted_text(listed_word(text));
  }
}

void CsvParser::check_infinite(const Builder& builder, size_t index) const {
  if (!builder.first_infinite) return;
  const auto& [line, text] = *builder.first_infinite;
  fail("a finite number", quoted_text(text) + " in " + place(line, index),
       "name it as a missing value, or the column as a text column");
}

Table CsvParser::next(int64_t most_rows, bool wait) {
  while (rows_ < most_rows) {
    const Step step = scan_row(wait || rows_ == 0);
    if (step != Step::kRow) break;
    append_row();
  }
  if (first_block_) check_stray_line();
  for (size_t c = 0; c < builders_.size(); ++c) {
    const Builder& builder = builders_[c];
    if (builder.known) continue;
    if (builder.column.kind == ColumnKind::kText) {
      if (first_block_) {
        check_nearly_numbers(builder, c);
        check_faulty_numbers(builder, c);
      }
      continue;
    }
    if (builder.first_other) {
      const auto& [line, text] = *builder.first_other;
      fail("a number, as in the rows before,", quoted_text(text) + " in " + place(line, c),
           "name the text as a missing value, or the column as a text column");
    }
    check_infinite(builder, c);
  }
  first_block_ = false;
  return take();
}

Table CsvParser::all(std::vector<std::string>& late_texts) {
  while (scan_row(true) == Step::kRow) append_row();
  check_stray_line();
  for (size_t c = 0; c < builders_.size(); ++c) {
    const Builder& builder = builders_[c];
    if (builder.known) continue;
    if (builder.column.kind == ColumnKind::kText) {
      check_nearly_numbers(builder, c);
      check_faulty_numbers(builder, c);
    } else if (builder.first_other) {
      check_nearly_numbers(builder, c);
      check_late_texts(builder, c);
      late_texts.push_back(names_[c]);
    } else {
      check_infinite(builder, c);
    }
  }
  return take();
}

// ---- Sentences

std::string CsvParser::column_place(size_t index) const {
  return "column " + std::to_string(index + 1) +
         (index < names_.size() ? " (" + quoted_text(names_[index]) + ")" : "") + " of " + name_;
}

std::string CsvParser::place(int64_t line, size_t index) const {
  return "line " + std::to_string(line) + ", " + column_place(index);
}

std::string CsvParser::place(const CsvCell& cell, size_t index) const {
  return place(row_line_ + count_line_ends(row_begin_, cell.begin), index);
}

void CsvParser::fail(const std::string& expected, const std::string& got,
                     const std::string& hint) const {
  throw CsvFault("read_csv: expected " + expected + " but got " + got +
                 (hint.empty() ? "" : " (" + hint + ")") + ".");
}

}  // namespace ladder::data
