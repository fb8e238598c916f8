#include "ladder/data/internal/csv_checks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "ladder/data/internal/column_hint.h"

namespace ladder::data {
namespace {

// A column of at least kNearlyRows values holds numbers, and its other values are mistakes, if the
// share of numbers is at least kNearlyShare.
constexpr int64_t kNearlyRows = 50;
constexpr double kNearlyShare = 0.99;
// A smaller share is enough if the numbers are no codes, and the others are few different texts.
constexpr double kMostlyShare = 0.9;
constexpr size_t kMaxCodes = 50;
constexpr double kIdentifying = 0.9;  // share of different values

int64_t numbers_of(const CsvColumn& column) {
  if (column.is_text()) return column.numbers;
  const auto& values = column.rows.numbers;
  return std::count_if(values.begin(), values.end(),
                       [](double value) { return !std::isnan(value); });
}

// Whether the numbers of a column are more than a few codes.
bool has_many_numbers(const CsvColumn& column) {
  if (column.is_text()) {
    return std::count(column.number_levels.begin(), column.number_levels.end(), true) >
           static_cast<std::ptrdiff_t>(kMaxCodes);
  }
  std::set<double> different;
  for (const double value : column.rows.numbers) {
    if (!std::isnan(value)) different.insert(value);
    if (different.size() > kMaxCodes) return true;
  }
  return false;
}

// Whether the values that are no numbers are so few that they are mistakes.
bool are_nearly_all(int64_t numbers, int64_t values, bool is_mostly_enough) {
  const auto share = static_cast<double>(numbers) / static_cast<double>(values);
  return share >= kNearlyShare || (share >= kMostlyShare && is_mostly_enough);
}

bool is_nearly_numbers(const CsvColumn& column, int64_t numbers) {
  const int64_t present = numbers + column.others;
  if (column.known || column.unused || column.others == 0 || present < kNearlyRows) return false;
  const bool few_others = column.other_texts.size() <= kFewOthers;
  return are_nearly_all(numbers, present, few_others && has_many_numbers(column));
}

// Levels of a column of texts that are no numbers for the same reason.
struct AlikeLevels {
  int64_t rows = 0;
  size_t count = 0;
  size_t first = 0;
  bool is_whole = true;  // all are
  bool is_tight = true;  // all are
  bool is_even = true;   // all have one length

  void add(const AlikeLevels& more) {
    if (count == 0) first = more.first;
    rows += more.rows;
    count += more.count;
    is_whole = is_whole && more.is_whole;
    is_tight = is_tight && more.is_tight;
    is_even = is_even && more.is_even;
  }
};

// What keeps the levels of a column of texts from being numbers.
struct LevelFaults {
  using Fault = std::pair<NumberFault, std::string_view>;  // with its unit
  std::map<Fault, AlikeLevels> alike = {};
  size_t numbers = 0;   // levels that are numbers
  size_t others = 0;    // levels that do not look like numbers
  int64_t present = 0;  // rows that are not missing
};

LevelFaults level_faults(const CsvColumn& column, char decimal) {
  LevelFaults faults;
  const auto& levels = column.rows.levels;
  std::vector<int64_t> rows(levels.size());
  for (const int32_t code : column.rows.codes) {
    if (code < 0) continue;
    ++rows[static_cast<size_t>(code)];
    ++faults.present;
  }
  if (faults.present < kNearlyRows) return faults;
  AlikeLevels either;  // 1.544 where commas are decimal: a point, or a separator
  const char other_mark = decimal == ',' ? '.' : ',';
  for (size_t level = 0; level < levels.size(); ++level) {
    if (column.number_levels[level]) {
      ++faults.numbers;
      continue;
    }
    const std::string_view text = levels[level];
    const auto faulty = faulty_number(text, decimal);
    if (faulty.fault == NumberFault::kNone) {
      ++faults.others;
      continue;
    }
    const bool is_either =
        faulty.fault == NumberFault::kThousands && is_finite_number(text, other_mark);
    AlikeLevels& alike = is_either ? either : faults.alike[{faulty.fault, faulty.unit}];
    const size_t first = alike.count == 0 ? level : alike.first;
    alike.add({.rows = rows[level],
               .count = 1,
               .first = level,
               .is_whole = faulty.is_whole,
               .is_tight = faulty.is_tight,
               .is_even = text.size() == levels[first].size()});
  }
  if (either.count > 0) {
    const LevelFaults::Fault point{NumberFault::kDecimal, {}};
    const LevelFaults::Fault separator{NumberFault::kThousands, {}};
    faults.alike[faults.alike.contains(point) ? point : separator].add(either);
  }
  return faults;
}

// What to do about a text in a column that a model expects numbers in.
std::string number_hint(std::string_view text, char decimal) {
  switch (faulty_number(text, decimal).fault) {
    case NumberFault::kThousands:
      return "remove the separators of thousands";
    case NumberFault::kDecimal:
      return decimal == ',' ? "is the point the decimal mark? then --decimal ."
                            : "is the comma the decimal mark? then --decimal ,";
    case NumberFault::kUnit:
      return "remove the unit";
    case NumberFault::kSign:
      return "move the sign to the front";
    default:
      return "name the text as a missing value: --missing " + quoted_text(listed_word(text));
  }
}

}  // namespace

void CsvChecks::refuse_stray_line(const std::vector<CsvColumn>& columns) const {
  std::map<int64_t, std::vector<const std::string*>> lines;  // texts of each
  for (const CsvColumn& column : columns) {
    if (column.others == 1 && is_nearly_numbers(column, numbers_of(column))) {
      lines[column.first_other->line].push_back(&column.first_other->text);
    }
  }
  for (const auto& [line, texts] : lines) {
    const std::string& first = *texts[0];
    if (std::all_of(texts.begin(), texts.end(), [&](const auto* text) { return *text == first; })) {
      continue;
    }
    const auto second = quoted_text(*texts[1]);
    const auto rest = texts.size() == 2
                          ? " and " + second
                          : ", " + second + " and " + std::to_string(texts.size() - 2) + " more";
    refuse_csv(
        "numbers, as in the other lines,",
        quoted_text(first) + rest + " in line " + std::to_string(line) + " of " + names_.file,
        "remove the line if it holds units; --missing names texts of missing values");
  }
}

void CsvChecks::refuse_nearly_numbers(const CsvColumn& column, size_t index) const {
  const auto numbers = numbers_of(column);
  if (!is_nearly_numbers(column, numbers)) return;
  const auto& [line, text] = *column.first_other;
  const auto faulty = faulty_number(text, decimal_.mark);
  if (faulty.fault != NumberFault::kNone && faulty.fault != NumberFault::kDecimal &&
      !faulty.is_tight) {
    refuse_fault(faulty.fault, text, index);
  }
  const bool few_others = column.other_texts.size() <= kFewOthers;
  std::string texts;
  for (const auto& other : column.other_texts) {
    texts += (texts.empty() ? "" : ",") + listed_word(other);
  }
  const bool one = column.other_texts.size() == 1;
  refuse_csv("a number, as in " + std::to_string(numbers) + " of " +
                 std::to_string(numbers + column.others) + " values of the column,",
             quoted_text(text) + " in " + names_.place(line, index),
             (one ? std::string("name the text as a missing value: --missing ")
                  : std::string("name such texts as missing values: --missing ")) +
                 quoted_text(few_others ? texts : listed_word(text)) +
                 ", or the column as a text column: --text-columns " +
                 quoted_text(listed_word(names_.columns[index])));
}

void CsvChecks::refuse_faulty_numbers(const CsvColumn& column, size_t index) const {
  if (column.known || column.unused || column.rows.levels.size() <= kMaxCodes) return;
  const LevelFaults faults = level_faults(column, decimal_.mark);
  if (faults.alike.empty()) return;
  const auto most =
      std::max_element(faults.alike.begin(), faults.alike.end(),
                       [](const auto& a, const auto& b) { return a.second.rows < b.second.rows; });
  const auto fault = most->first.first;
  const AlikeLevels& alike = most->second;
  size_t others = faults.others;
  for (const auto& one : faults.alike) others += &one == &*most ? 0 : one.second.count;
  if (faults.numbers + alike.count <= kMaxCodes ||
      !are_nearly_all(column.numbers + alike.rows, faults.present, others <= kFewOthers)) {
    return;
  }
  // Dates and versions have points in files with decimal commas. Codes are whole numbers with a
  // letter, or as long as each other and different in nearly every row.
  if (fault == NumberFault::kDecimal && decimal_.mark == ',') return;
  if (alike.is_tight && alike.is_whole) return;
  if (alike.is_whole && alike.is_even && faults.numbers == 0 &&
      static_cast<double>(alike.count) > kIdentifying * static_cast<double>(faults.present)) {
    return;
  }
  refuse_fault(fault, column.rows.levels[alike.first], index);
}

void CsvChecks::refuse_late_texts(const CsvColumn& column, size_t index) const {
  const auto& texts = column.other_texts;
  if (column.known || column.unused || texts.size() <= kFewOthers || !has_many_numbers(column)) {
    return;
  }
  const bool all = std::all_of(texts.begin(), texts.end(), [&](const auto& text) {
    return faulty_number(text, decimal_.mark).fault == NumberFault::kThousands;
  });
  if (all) refuse_fault(NumberFault::kThousands, texts.front(), index);
}

void CsvChecks::refuse_infinite(const CsvColumn& column, size_t index) const {
  if (!column.first_infinite) return;
  const auto& [line, text] = *column.first_infinite;
  refuse_csv("a finite number", quoted_text(text) + " in " + names_.place(line, index),
             "name it as a missing value, or the column as a text column");
}

void CsvChecks::refuse_text(std::string_view text, int64_t line, size_t index) const {
  refuse_csv("a number", quoted_text(text) + " in " + names_.place(line, index),
             number_hint(text, decimal_.mark));
}

void CsvChecks::refuse_fault(NumberFault fault, std::string_view text, size_t index) const {
  std::string expected, hint;
  switch (fault) {
    case NumberFault::kThousands:
      expected = "numbers without thousands separators";
      hint = "remove the separators, or";
      break;
    case NumberFault::kDecimal:
      expected =
          decimal_.mark == ',' ? "numbers with a decimal comma" : "numbers with a decimal point";
      if (!decimal_.shown.empty()) expected += ", as " + decimal_.shown + ",";
      hint = decimal_.mark == ',' ? "is the point the decimal mark? then --decimal .; else"
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
  refuse_csv(expected, quoted_text(text) + " in " + names_.column(index),
             hint + " name the column as a text column: --text-columns " +
                 quoted_text(listed_word(names_.columns[index])));
}

}  // namespace ladder::data
