#include "ladder/data/internal/fit_column.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/number_marks.h"
#include "ladder/data/internal/parse_number.h"
#include "ladder/data/internal/spellings.h"
#include "ladder/io/utf8.h"

namespace ladder::data {
namespace {

// Rounds of measuring mean and standard deviation, each with values clipped by those of the last.
constexpr int kClippedRounds = 2;
constexpr double kClipAt = 3;  // standard deviations
// A text column with more levels than this share of its rows identifies rows.
constexpr double kIdentifierShare = 0.9;
constexpr size_t kIdentifierRows = 20;
// Numbers whose mean step is at most this share of the number of rows count them.
constexpr double kCounterStep = 0.1;
// A text column is noted if so large a share of its values are numbers.
constexpr double kNotedNumbers = 0.5;

struct Moments {
  double mean = 0;
  double std = 0;
};

// Values are clipped to [low, high] and measured in units of `unit`, a power of two near the
// largest of them, so that no square overflows or vanishes.
Moments moments(const std::vector<double>& values, double unit, double low, double high) {
  double count = 0, mean = 0, squares = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    const double clipped = std::clamp(value, low, high) / unit;
    const double step = clipped - mean;
    mean += step / ++count;
    squares += step * (clipped - mean);
  }
  return {mean * unit, count > 0 ? std::sqrt(squares / count) * unit : 0};
}

// Call `is_so(begin, end)` for the rows of each source that has enough of them to show an
// identifier. Return true if there is one and all are so.
template <typename IsSo>
bool in_each_source(const std::vector<int64_t>& parts, size_t rows, const IsSo& is_so) {
  bool any = false;
  for (size_t i = 0; i <= parts.size(); ++i) {
    const size_t begin = i == 0 ? 0 : static_cast<size_t>(parts[i - 1]);
    const size_t end = i == parts.size() ? rows : static_cast<size_t>(parts[i]);
    if (end < begin + kIdentifierRows) continue;
    if (!is_so(begin, end)) return false;
    any = true;
  }
  return any;
}

// How the values of some rows follow each other; missing ones are left out.
struct Sequence {
  size_t rows = 0, present = 0;
  bool rises = true, falls = true;  // from each value to the next
  bool whole = true;                // all are whole numbers of int64
  double first = 0, last = 0;
  int64_t unit = 0;  // greatest common divisor of the steps

  bool is_one_way() const { return (rises || falls) && present >= 2; }
  // Mean step, in units.
  double mean_step() const {
    return std::abs(last - first) / static_cast<double>(unit) / static_cast<double>(present - 1);
  }
};

Sequence sequence_of(const std::vector<double>& values, size_t begin, size_t end) {
  constexpr double kMaxWhole = 0x1p62;
  Sequence found{.rows = end - begin};
  for (size_t row = begin; row < end && (found.rises || found.falls); ++row) {
    const double value = values[row];
    if (std::isnan(value)) continue;
    found.whole = found.whole && value == std::round(value) && std::abs(value) < kMaxWhole;
    if (found.present++ == 0) {
      found.first = value;
    } else {
      found.rises = found.rises && value > found.last;
      found.falls = found.falls && value < found.last;
      if (found.whole) {
        found.unit =
            std::gcd(found.unit, static_cast<int64_t>(value) - static_cast<int64_t>(found.last));
      }
    }
    found.last = value;
  }
  return found;
}

// True for whole numbers that count rows or time: they rise in every row, or fall, and lie so near
// to each other that some of n measured ones would be equal. (Of n values among m, n^2 / 2m pairs
// are.) Rows that were deleted leave gaps, and lines above or below a table leave missing values.
bool is_counter(const Sequence& found) {
  const auto present = static_cast<double>(found.present);
  return found.is_one_way() && found.whole &&
         present >= kIdentifierShare * static_cast<double>(found.rows) &&
         found.mean_step() <= kCounterStep * present;
}

Feature fit_number(const Column& column, const std::vector<int64_t>& parts) {
  Feature feature{.name = column.name, .kind = ColumnKind::kNumber};
  bool all_count = true, by_one = true, all_one_way = true, rises = false;
  const bool judged = in_each_source(parts, column.numbers.size(), [&](size_t begin, size_t end) {
    const auto found = sequence_of(column.numbers, begin, end);
    all_count = all_count && is_counter(found);
    by_one = by_one && found.rises && found.unit == 1 && found.present == found.rows &&
             found.last - found.first == static_cast<double>(found.rows - 1);
    all_one_way = all_one_way && found.is_one_way() && found.present >= kIdentifierRows;
    rises = rises || found.rises;
    return all_one_way || all_count;
  });
  if (judged && all_count) {
    feature.dropped = by_one ? "counts the rows" : "counts rows or time";
    return feature;
  }
  std::optional<double> first;
  bool varies = false;
  double largest = 0;
  for (const double value : column.numbers) {
    if (std::isnan(value)) {
      feature.indicator = true;
      continue;
    }
    largest = std::max(largest, std::abs(value));
    if (!first) first = value;
    varies = varies || value != *first;
  }
  if (!first || (!varies && !feature.indicator)) {
    feature.dropped = first ? "constant" : "empty";
    return feature;
  }
  if (!varies) {
    feature.center = *first;
    return feature;
  }
  constexpr double kLargest = std::numeric_limits<double>::max();
  const double unit = std::ldexp(1.0, std::clamp(std::ilogb(largest), -1000, 1000));
  Moments measured = moments(column.numbers, unit, -kLargest, kLargest);
  for (int round = 0; round < kClippedRounds; ++round) {
    const double reach = kClipAt * measured.std;
    const Moments clipped =
        moments(column.numbers, unit, measured.mean - reach, measured.mean + reach);
    if (!(clipped.std > 0)) break;
    measured = clipped;
  }
  feature.center = measured.mean;
  feature.scale = measured.std > 0 ? measured.std : 1;
  if (judged && all_one_way) {
    feature.note = fmt::format("{} in every row (leave it out if it counts rows or time)",
                               rises ? "rises" : "falls");
  }
  return feature;
}

// Returns how many numbers a cell lists, "1.5;2" or "[3, 4, 5]"; 0 if it is no list of numbers.
int64_t numbers_listed(std::string_view cell) {
  std::string_view separators = " ;|";  // 1,234 is a number
  if (cell.size() >= 2 && (cell.front() == '[' || cell.front() == '(')) {
    cell = cell.substr(1, cell.size() - 2);
    separators = " ;|,";
  }
  int64_t count = 0;
  for (size_t at = cell.find_first_not_of(separators); at != std::string_view::npos;) {
    const size_t end = std::min(cell.find_first_of(separators, at), cell.size());
    double value = 0;
    const auto [rest, error] = std::from_chars(cell.data() + at, cell.data() + end, value);
    if (error != std::errc() || rest != cell.data() + end) return 0;
    ++count;
    at = cell.find_first_not_of(separators, end);
  }
  return count;
}

// Refuses cells that list numbers, of different counts: sequences.
void refuse_sequences(const Column& column, const std::string& source) {
  int64_t least = std::numeric_limits<int64_t>::max();
  int64_t most = 0;
  for (const auto& level : column.levels) {
    const int64_t count = numbers_listed(level);
    if (count == 0) return;
    least = std::min(least, count);
    most = std::max(most, count);
  }
  TORCH_CHECK(most <= least || column.levels.empty(),
              "Features: expected one number or text in each cell but got lists of ", least, " to ",
              most, " numbers in column '", column.name, "'", of_source(source),
              " (sequences are not supported; compute summary columns, such as the mean, or leave "
              "the column out).");
}

using TextRows = std::vector<std::pair<std::string_view, int64_t>>;

// Texts of a column, without the spaces around them, and their numbers of rows. Spellings of one
// truth value count for the most frequent one where all texts are truth values.
TextRows rows_of_texts(const Column& column) {
  std::vector<int64_t> counts(column.levels.size());
  for (const int32_t code : column.codes) {
    if (code >= 0) ++counts[static_cast<size_t>(code)];
  }
  TextRows spelled;
  for (size_t level = 0; level < counts.size(); ++level) {
    const auto text = without_blanks(column.levels[level]);
    if (counts[level] > 0 && !text.empty()) spelled.emplace_back(text, counts[level]);
  }
  std::sort(spelled.begin(), spelled.end());
  TextRows texts;
  bool all_truths = true;
  for (const auto& [text, rows] : spelled) {
    if (!texts.empty() && texts.back().first == text) {
      texts.back().second += rows;
    } else {
      texts.emplace_back(text, rows);
      all_truths = all_truths && truth_of_level(text) >= 0;
    }
  }
  if (!all_truths) return texts;
  std::stable_sort(texts.begin(), texts.end(),
                   [](const auto& left, const auto& right) { return left.second > right.second; });
  TextRows truths;
  for (const auto& one : texts) {
    const auto same = std::find_if(truths.begin(), truths.end(), [&](const auto& known) {
      return truth_of_level(known.first) == truth_of_level(one.first);
    });
    if (same == truths.end()) {
      truths.push_back(one);
    } else {
      same->second += one.second;
    }
  }
  return truths;
}

// True if texts differ in nearly every row of all sources, or of each by itself: identifiers may
// begin anew.
bool differs_by_row(const Column& column, const TextRows& texts, int64_t present,
                    const std::vector<int64_t>& parts) {
  if (column.codes.size() < kIdentifierRows) return false;
  if (static_cast<double>(texts.size()) > kIdentifierShare * static_cast<double>(present)) {
    return true;
  }
  return !parts.empty() &&
         in_each_source(parts, column.codes.size(), [&](size_t begin, size_t end) {
           std::unordered_set<int32_t> different;
           double rows = 0;
           for (size_t row = begin; row < end; ++row) {
             if (column.codes[row] < 0) continue;
             different.insert(column.codes[row]);
             ++rows;
           }
           return static_cast<double>(different.size()) > kIdentifierShare * rows;
         });
}

// Decimal mark of most numbers among the texts of a column.
char decimal_among(const Column& column) {
  int64_t points = 0, commas = 0;
  for (const auto& level : column.levels) {
    const auto text = without_blanks(level);
    const bool with_point = is_finite_number(text, '.');
    const bool with_comma = is_finite_number(text, ',');
    points += with_point && !with_comma;
    commas += with_comma && !with_point;
  }
  return commas > points ? ',' : '.';
}

// "380 of 400 values are numbers; the first other is 'error' in row 7" where many are, else an
// example of texts that begin like numbers, else "". `decimal`: the mark by which the file was
// read.
std::string numbers_among(const Column& column, char decimal) {
  const char mark = decimal_among(column);
  std::vector<bool> is_number;
  std::vector<bool> begins_so;
  for (const auto& level : column.levels) {
    const auto text = without_blanks(level);
    double value = 0;
    is_number.push_back(parse_number(text, mark, value) != NumberKind::kNone);
    const size_t first = text.find_first_not_of("+-<>~ .");
    begins_so.push_back(first != text.npos && text[first] >= '0' && text[first] <= '9');
  }
  int64_t present = 0, numbers = 0, begun = 0;
  std::optional<size_t> other;
  for (size_t row = 0; row < column.codes.size(); ++row) {
    if (column.codes[row] < 0) continue;
    const auto code = static_cast<size_t>(column.codes[row]);
    ++present;
    numbers += is_number[code];
    begun += begins_so[code];
    if (!is_number[code] && !other) other = row;
  }
  const std::string numbers_text =
      mark == decimal ? "numbers"
                      : fmt::format("numbers with a decimal {}", mark == ',' ? "comma" : "point");
  if (!other) {
    if (mark == decimal || present == 0) return {};
    if (std::all_of(column.levels.begin(), column.levels.end(),
                    [&](const auto& level) { return may_be_thousands(level, mark); })) {
      auto value = std::string(without_blanks(column.levels.front()));
      std::replace(value.begin(), value.end(), ',', '.');
      return fmt::format(
          "all {} values are numbers, perhaps with thousands (--decimal {} reads "
          "'{}' as {})",
          present, mark, column.levels.front(), value);
    }
    return fmt::format("all {} values are {} (--decimal {} reads them)", present, numbers_text,
                       mark);
  }
  std::string example(without_blanks(column.levels[static_cast<size_t>(column.codes[*other])]));
  constexpr size_t kMaxShown = 40;  // bytes
  example.resize(std::min(example.size(), kMaxShown));
  example.resize(io::utf8_prefix(example));
  std::replace_if(
      example.begin(), example.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; },
      '?');
  const auto least = kNotedNumbers * static_cast<double>(present);
  if (static_cast<double>(numbers) >= least) {
    return fmt::format("{} of {} values are {}; the first other is '{}' in row {}", numbers,
                       present, numbers_text, example, *other + 1);
  }
  return static_cast<double>(begun) > least ? fmt::format("such as '{}'", example) : "";
}

// True for 2024-03-01, 1.3.2024, 03/01/24 and the like, also with a time behind.
bool is_date(std::string_view text) {
  constexpr size_t kParts = 3;
  const std::string_view separators = "-./";
  char separator = 0;
  size_t years = 0;
  bool all_of_two = true;
  for (size_t part = 0; part < kParts; ++part) {
    const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const bool year = digits == 4 && part != 1;
    if (!year && (digits < 1 || digits > 2)) return false;
    years += year ? 1 : 0;
    all_of_two = all_of_two && digits == 2;
    text.remove_prefix(digits);
    if (part + 1 == kParts) break;
    if (text.empty() || separators.find(text.front()) == separators.npos) return false;
    if (part > 0 && text.front() != separator) return false;
    separator = text.front();
    text.remove_prefix(1);
  }
  // 1.2.3 is a version, 1/2/24 and 01.02.24 are not.
  if (years > 1 || (years == 0 && separator != '/' && !all_of_two)) return false;
  return text.empty() || text.front() == ' ' || text.front() == 'T';
}

// `decimal`: the mark by which the file was read.
Feature fit_text(const Column& column, const FeatureOptions& options,
                 const std::vector<int64_t>& parts, char decimal) {
  Feature feature{.name = column.name, .kind = ColumnKind::kText};
  auto texts = rows_of_texts(column);
  int64_t present = 0;
  for (const auto& one : texts) present += one.second;
  feature.indicator = present < static_cast<int64_t>(column.codes.size());
  if (texts.empty() || (texts.size() == 1 && !feature.indicator)) {
    feature.dropped = texts.empty() ? "empty" : "constant";
    return feature;
  }
  const auto rows = static_cast<double>(present);
  if (differs_by_row(column, texts, present, parts)) {
    feature.dropped = "different in nearly every row";
    // A note goes with the table. The model keeps no value of a column that it does not use.
    feature.note = numbers_among(column, decimal);
    if (feature.note.starts_with("such")) feature.note = "texts " + feature.note;
    return feature;
  }
  std::sort(texts.begin(), texts.end(), [](const auto& left, const auto& right) {
    return left.second != right.second ? left.second > right.second : left.first < right.first;
  });
  for (const auto& [text, count] : texts) {
    if (static_cast<int64_t>(feature.levels.size()) < options.max_levels &&
        (static_cast<double>(count) >= options.min_share * rows || feature.levels.size() < 2)) {
      feature.levels.emplace_back(text);
    } else {
      feature.other = true;
    }
  }
  if (static_cast<int64_t>(texts.size()) > options.max_levels) {
    feature.note = fmt::format("{} texts, {} inputs", texts.size(), feature.width());
    if (const auto numbers = numbers_among(column, decimal); !numbers.empty()) {
      feature.note += (numbers.starts_with("such") ? ", " : "; ") + numbers;
    }
  } else if (std::all_of(texts.begin(), texts.end(),
                         [](const auto& one) { return is_date(one.first); })) {
    feature.note = fmt::format(
        "{} dates, taken as categories: later dates tell the network nothing (leave the column "
        "out)",
        texts.size());
  }
  return feature;
}

}  // namespace

std::string of_source(const std::string& source) {
  return source.empty() ? std::string() : " of " + source;
}

void check_finite_column(const Column& column, const std::string& source) {
  const auto found = std::find_if(column.numbers.begin(), column.numbers.end(),
                                  [](double value) { return std::isinf(value); });
  TORCH_CHECK(found == column.numbers.end(), "Features: expected finite numbers but got ", *found,
              " in row ", found - column.numbers.begin() + 1, " of column '", column.name, "'",
              of_source(source), ".");
}

Feature fit_column(const Column& column, const Table& table, const FeatureOptions& options) {
  if (column.kind == ColumnKind::kNumber) {
    check_finite_column(column, table.source);
    return fit_number(column, table.parts);
  }
  refuse_sequences(column, table.source);
  return fit_text(column, options, table.parts, table.decimal == ',' ? ',' : '.');
}

}  // namespace ladder::data
