#include "ladder/data/internal/csv_dialect.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>

#include "ladder/data/internal/number_marks.h"
#include "ladder/data/internal/parse_number.h"
#include "ladder/data/internal/unnamed_column.h"

namespace ladder::data {
namespace {

constexpr auto kDelimiters = {',', ';', '\t', '|'};
constexpr size_t kDelimiterRows = 100;
constexpr size_t kMaxTitleLines = 10;
constexpr size_t kCountingNames = 4;
// Marks that may all be those of thousands leave open what they are.
constexpr int64_t kOpenMarks = 20;

using CsvTexts = std::vector<std::vector<std::string>>;

// ---- The delimiter

// Refuses lines of one cell, and comments, above rows that agree on more.
void refuse_title(const CsvRows& rows, char delimiter, bool is_given, const CsvNames& names) {
  const auto sample = rows.sample(delimiter, kDelimiterRows);
  const auto& texts = sample.rows;
  const size_t columns_below = texts.empty() ? 0 : texts.back().size();
  const auto is_title = [&](const auto& row) {
    return row.size() == 1 || (row.size() != columns_below && row[0].starts_with('#'));
  };
  size_t above = 0;
  while (above < texts.size() && is_title(texts[above])) ++above;
  const size_t below = texts.size() - above;
  if (!sample.is_whole || above == 0 || above > kMaxTitleLines || below < 2 || below <= above) {
    return;
  }
  const size_t columns = texts[above].size();
  // A column of lists, such as "a;b", may have one name above it.
  if (!is_given && delimiter != ',' && columns == 2) return;
  if (std::any_of(texts.begin() + static_cast<std::ptrdiff_t>(above), texts.end(),
                  [&](const auto& row) { return row.size() != columns; })) {
    return;
  }
  refuse_csv("the names or the first row of a table",
             quoted_text(texts[0][0]) + " above rows of " + std::to_string(columns) + " cells in " +
                 names.file,
             "remove the lines above the header");
}

// ---- The decimal mark

// Whether there may be thousands between the commas of a text: three digits follow each.
bool has_groups(std::string_view text) {
  const size_t comma = text.find(',');
  return comma != text.npos && text.size() - comma - 1 == 3 &&
         text.find_first_not_of("0123456789", comma + 1) == text.npos;
}

// The numbers of the first rows that only one of the marks can be decimal in.
struct FirstMarks {
  int64_t count = 0;
  int64_t known = 0;    // in columns that are known to hold numbers
  bool is_open = true;  // each may be one of thousands
  std::string first = {};
  size_t column = 0;
};

// What the first rows tell about decimal marks.
struct MarkedRows {
  FirstMarks points = {}, commas = {};
  bool has_sure_comma = false;            // which is not one of thousands
  std::vector<ColumnMarks> columns = {};  // they point to the texts
  std::vector<std::optional<ColumnKind>> kinds = {};
};

// The kind of a column if the options have one. The header is not: the first row may be one.
std::optional<ColumnKind> kind_in_sample(const CsvTexts& texts, size_t column,
                                         const CsvOptions& options) {
  for (const auto& name : {texts.front()[column], unnamed_column(column)}) {
    if (const auto kind = known_kind(options, name)) return kind;
  }
  return options.other_kind;
}

MarkedRows marked_rows(const CsvTexts& texts, const CsvOptions& options) {
  MarkedRows marked;
  marked.columns.resize(texts.front().size());
  for (size_t c = 0; c < marked.columns.size(); ++c) {
    marked.kinds.push_back(kind_in_sample(texts, c, options));
  }
  for (size_t r = 0; r < texts.size(); ++r) {
    for (size_t c = 0; c < texts[r].size(); ++c) {
      const auto& cell = texts[r][c];
      const bool with_point = is_finite_number(cell, '.');
      const bool with_comma = is_finite_number(cell, ',');
      const bool is_name = r == 0 && !with_point && !with_comma;
      const bool is_in_column = c < marked.columns.size();
      if (is_in_column && !is_name && !is_missing_text(cell) &&
          !is_listed(options.missing, without_blanks(cell))) {
        marked.columns[c].add(cell);
      }
      if (with_point == with_comma) continue;
      FirstMarks& first = with_comma ? marked.commas : marked.points;
      if (++first.count == 1) {
        first.first = cell;
        first.column = c;
      }
      first.known += is_in_column && marked.kinds[c] == ColumnKind::kNumber;
      first.is_open = first.is_open && may_be_thousands(cell, with_comma ? ',' : '.');
      marked.has_sure_comma = marked.has_sure_comma || (with_comma && !has_groups(cell));
    }
  }
  // Columns of texts show nothing.
  for (size_t c = 0; c < marked.columns.size(); ++c) {
    if (marked.kinds[c] == ColumnKind::kText) marked.columns[c] = {};
  }
  return marked;
}

// A column of the first rows, with what may be its name.
std::string column_in(const CsvTexts& texts, size_t column) {
  const auto& name = texts.front()[column];
  const bool is_name =
      !name.empty() && !is_finite_number(name, '.') && !is_finite_number(name, ',');
  return "column " + std::to_string(column + 1) + (is_name ? " (" + quoted_text(name) + ")" : "");
}

// Refuses a file that says nothing sure about the mark in `number`. `got` shows the number.
[[noreturn]] void refuse_open_mark(const std::string& number, char mark, const std::string& got,
                                   const std::string& place) {
  const auto value = number.substr(0, number.find(mark));
  refuse_csv("numbers that show which mark is decimal",
             got + " in " + place + ", and three digits behind each other mark",
             std::string("is it ") + value + "." + number.substr(value.size() + 1) +
                 "? then --decimal " + mark + "; else remove the marks of thousands");
}

// Refuses marks that may be those of thousands although other numbers of the file have the other
// mark as the decimal one, or where they look like thousands.
void check_marks(const CsvTexts& texts, const MarkedRows& marked, char mark,
                 const CsvOptions& options, const CsvNames& names) {
  const char other = mark == ',' ? '.' : ',';
  const auto& columns = marked.columns;
  const auto is_used = [&](size_t c) { return !is_listed(options.unused, texts.front()[c]); };
  std::optional<size_t> open, against;
  size_t most_sure = 0;
  for (size_t c = 0; c < columns.size(); ++c) {
    const auto& marks = columns[c];
    most_sure = std::max(most_sure, marks.of(mark).sure.size());
    if (!is_used(c)) continue;
    if (!open && marks.of(mark).is_open() && marks.is_mostly(mark)) open = c;
    const auto different = marks.of(other).sure.size();
    if (different > 0 && marks.is_mostly(other) &&
        (!against || different > columns[*against].of(other).sure.size())) {
      against = c;
    }
  }
  // Fewer different numbers, such as versions, show less.
  if (open && against && columns[*against].of(other).sure.size() > most_sure) {
    refuse_csv("numbers that show which mark is decimal",
               quoted_text(columns[*open].of(mark).first) + " in " + column_in(texts, *open) +
                   " and " + quoted_text(columns[*against].of(other).first_sure) + " in " +
                   column_in(texts, *against) + " of " + names.file,
               std::string("name the mark: --decimal ") + other + " or --decimal " + mark);
  }
  for (size_t c = 0; c < columns.size(); ++c) {
    if (!columns[c].looks_grouped(mark) || !is_used(c) || marked.kinds[c]) continue;
    const std::string number(columns[c].of(mark).first);
    refuse_open_mark(number, mark,
                     quoted_text(number) + " beside " + quoted_text(*columns[c].hundreds.begin()),
                     column_in(texts, c) + " of " + names.file);
  }
}

}  // namespace

bool is_listed(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

std::optional<ColumnKind> known_kind(const CsvOptions& options, const std::string& name) {
  if (is_listed(options.text_columns, name)) return ColumnKind::kText;
  const auto known = options.kinds.find(name);
  if (known == options.kinds.end()) return std::nullopt;
  return known->second;
}

char recognised_delimiter(const CsvRows& rows, const CsvOptions& options, const CsvNames& names) {
  const auto given = options.delimiter ? options.delimiter : rows.noted_delimiter();
  if (given) {
    refuse_title(rows, *given, /*is_given=*/true, names);
    return *given;
  }
  // More than one column, then rows of one length, then cells that are numbers, then columns.
  using Score = std::tuple<bool, bool, double, double, size_t>;
  std::optional<Score> best;
  char chosen = ',';
  for (const char delimiter : kDelimiters) {
    const auto sample = rows.sample(delimiter, kDelimiterRows);
    if (sample.rows.empty()) continue;
    const size_t columns = sample.rows.front().size();
    double equal = 0, numbers = 0, cells = 0;
    for (const auto& row : sample.rows) {
      equal += row.size() == columns;
      for (const auto& cell : row) {
        numbers += is_finite_number(cell, '.') || (delimiter != ',' && is_finite_number(cell, ','));
      }
      cells += static_cast<double>(row.size());
    }
    const auto count = static_cast<double>(sample.rows.size());
    const Score score(columns > 1, sample.is_whole && equal == count, numbers / cells,
                      equal / count, columns);
    if (!best || score > *best) {
      best = score;
      chosen = delimiter;
    }
  }
  const bool has_columns = best && std::get<0>(*best);
  const bool is_even = best && std::get<1>(*best);
  // Without a second column there is nothing to tell titles apart. A comment that has a delimiter
  // in it is as good as a header.
  if (!has_columns || (!is_even && rows.begins_with_comment())) {
    for (const char delimiter : kDelimiters) {
      refuse_title(rows, delimiter, /*is_given=*/false, names);
    }
  }
  return has_columns ? chosen : ',';
}

CsvDecimal recognised_decimal(const CsvSample& sample, char delimiter, const CsvOptions& options,
                              const CsvNames& names) {
  if (options.decimal) return {.mark = *options.decimal};
  if (delimiter == ',' && options.usual_decimal != ',') return {};
  const bool semicolons = delimiter == ';';
  CsvDecimal decimal{.mark = options.usual_decimal.value_or('.'), .is_open = semicolons};
  const auto& texts = sample.rows;
  if (texts.empty()) return decimal;
  const MarkedRows marked = marked_rows(texts, options);
  const FirstMarks& points = marked.points;
  const FirstMarks& commas = marked.commas;
  // Columns that hold numbers in any case know best.
  const bool any_known = points.known + commas.known > 0;
  const bool mostly_commas = any_known ? commas.known > points.known : commas.count > points.count;
  const char mark = (semicolons || marked.has_sure_comma) && mostly_commas ? ',' : '.';
  decimal.is_open = semicolons && commas.count == 0 && points.count == 0;
  bool shows_any = false;
  for (size_t c = 0; c < marked.columns.size(); ++c) {
    const auto& column = marked.columns[c];
    shows_any = shows_any || !column.points.sure.empty() || !column.commas.sure.empty();
    const auto& sure = column.of(mark);
    if (!sure.sure.empty() && decimal.shown.empty()) {
      decimal.shown = quoted_text(sure.first_sure) + " in " + column_in(texts, c);
    }
  }
  if (options.usual_decimal && !shows_any) return decimal;
  decimal.mark = mark;
  if (delimiter == ',') return decimal;
  decimal.is_sure = !decimal.shown.empty();
  check_marks(texts, marked, mark, options, names);
  // Points in files with decimal commas may be those of codes, versions and days; commas in files
  // with decimal points are no such.
  if (mark == '.') check_marks(texts, marked, ',', options, names);
  const FirstMarks& chosen = mark == ',' ? commas : points;
  if (semicolons && chosen.is_open && chosen.count >= kOpenMarks) {
    refuse_open_mark(chosen.first, mark, quoted_text(chosen.first),
                     "column " + std::to_string(chosen.column + 1) + " of " + names.file);
  }
  return decimal;
}

bool recognised_header(const CsvSample& sample, char decimal, const MissingCells& missing) {
  const auto& rows = sample.rows;
  if (rows.empty()) return true;
  const auto& first = rows.front();
  // Files that were put together repeat the line of names.
  const bool may_repeat =
      first.size() > 1 && std::none_of(first.begin(), first.end(),
                                       [&](auto& text) { return is_finite_number(text, decimal); });
  std::vector<bool> repeats;
  for (const auto& row : rows) repeats.push_back(may_repeat && row == first);
  std::vector<double> counts;
  bool value = false, text = false, above_numbers = false;
  for (size_t c = 0; c < first.size(); ++c) {
    double number = 0;
    if (parse_number(without_blanks(first[c]), decimal, number) == NumberKind::kFinite) {
      counts.push_back(number);
      continue;
    }
    if (missing.contains(first[c])) continue;
    text = true;
    bool again = false, numbers = false, others = false;
    for (size_t r = 1; r < rows.size(); ++r) {
      if (repeats[r]) again = true;
      if (repeats[r] || c >= rows[r].size() || missing.contains(rows[r][c])) continue;
      const bool is_number = is_finite_number(rows[r][c], decimal);
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

}  // namespace ladder::data
