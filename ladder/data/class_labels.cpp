#include "ladder/data/class_labels.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "ladder/core/nearest_name.h"
#include "ladder/core/random.h"
#include "ladder/data/internal/class_places.h"
#include "ladder/data/internal/folders.h"
#include "ladder/data/internal/parse_number.h"
#include "ladder/data/internal/spellings.h"
#include "ladder/io/utf8.h"

namespace ladder::data {
namespace {

// Texts of a column: levels of texts, or the different numbers in the order of rows.
std::vector<std::string> texts_of(const Column& column) {
  if (column.kind == ColumnKind::kText) return column.levels;
  std::vector<double> values;
  for (const double value : column.numbers) {
    if (!std::isnan(value)) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  std::vector<std::string> texts;
  for (const double value : values) texts.push_back(fmt::format("{}", value));
  return texts;
}

// Value of a label that may be a quantity: files with decimal commas have 21,5.
std::optional<double> quantity_of(const std::string& text) {
  double value = 0;
  for (const char decimal : {'.', ','}) {
    if (parse_number(text, decimal, value) == NumberKind::kFinite) return value;
  }
  return std::nullopt;
}

// Refuses a column of a quantity: numbers with fractions, or far apart, that nearly all differ, and
// many different numbers with fractions.
void refuse_quantity(const ClassLabels& found, const std::string& column) {
  constexpr size_t kMostDistinct = 10;
  constexpr double kSparse = 10;          // values of a range for each class
  constexpr int64_t kMostFractions = 50;  // shoe sizes, versions and grades are fewer
  const auto labeled = found.labels.ge(0).sum().item<int64_t>();
  const auto distinct = static_cast<int64_t>(found.classes.size());
  const bool many_rows = 2 * distinct <= labeled;
  if (found.classes.size() <= kMostDistinct || (many_rows && distinct <= kMostFractions)) return;
  bool whole = true;
  double least = std::numeric_limits<double>::infinity();
  double most = -least;
  for (const auto& name : found.classes) {
    const auto value = quantity_of(name);
    if (!value) return;
    whole = whole && *value == std::round(*value);
    least = std::min(least, *value);
    most = std::max(most, *value);
  }
  if (whole && many_rows) return;
  TORCH_CHECK(whole && most - least < kSparse * static_cast<double>(distinct),
              "class_labels: expected classes but got ", distinct, " different numbers in ",
              labeled, " labeled rows of column '", column,
              "' (regression is not supported; replace numbers with names of ranges, such as low "
              "and high).");
}

std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    const size_t first = text.find_first_not_of(' ', begin);
    if (first < end) {
      parts.push_back(text.substr(first, text.find_last_not_of(' ', end - 1) + 1 - first));
    }
    begin = end + 1;
  }
  return parts;
}

// Whether a comma in class names is a decimal mark: "1,5" beside "1" and "2", unless the parts of
// all names are classes as well, as those of "1,2" are.
bool has_decimal_commas(const std::vector<std::string>& classes) {
  const std::unordered_set<std::string> names(classes.begin(), classes.end());
  bool some_without = false, all_parts_known = true;
  for (const auto& name : classes) {
    double value = 0;
    if (parse_number(name, ',', value) != NumberKind::kFinite) return false;
    if (name.find(',') == name.npos) {
      some_without = true;
      continue;
    }
    for (const auto& part : parts_of(name, ',')) {
      all_parts_known = all_parts_known && names.contains(part);
    }
  }
  return !some_without || !all_parts_known;
}

// Refuses cells that list classes: "a;b" beside "a" and "b;c". A separator that is a part of names,
// as in "Paris, France", leaves parts that are in one class only.
void refuse_lists(const std::vector<std::string>& classes, const std::string& column) {
  for (const char separator : {';', '|', ','}) {
    const auto has_it = [&](const auto& name) { return name.find(separator) != name.npos; };
    const auto list = std::find_if(classes.begin(), classes.end(), has_it);
    if (list == classes.end() || (separator == ',' && has_decimal_commas(classes))) continue;
    std::unordered_map<std::string, int> uses;
    for (const auto& name : classes) {
      auto parts = parts_of(name, separator);
      std::sort(parts.begin(), parts.end());
      parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
      for (auto& part : parts) ++uses[std::move(part)];
    }
    const bool shared = std::all_of(classes.begin(), classes.end(), [&](const auto& name) {
      if (!has_it(name)) return true;
      const auto parts = parts_of(name, separator);
      return parts.size() > 1 && std::all_of(parts.begin(), parts.end(),
                                             [&](const auto& part) { return uses[part] > 1; });
    });
    TORCH_CHECK(!shared, "class_labels: expected one class in each row but got '", *list,
                "' in column '", column,
                "' (several labels a row are not supported; make a column of each label and train "
                "one model for each).");
  }
}

int64_t rows_of(const Column& column) {
  return static_cast<int64_t>(column.kind == ColumnKind::kText ? column.codes.size()
                                                               : column.numbers.size());
}

// Number of rows whose label is written as -1, however it is spelled.
int64_t rows_of_minus_one(const Column& column) {
  if (column.kind == ColumnKind::kNumber) {
    return std::count(column.numbers.begin(), column.numbers.end(), -1.0);
  }
  std::vector<bool> is_one;
  for (const auto& level : column.levels) {
    is_one.push_back(!without_label_blanks(level).empty() && is_unlabeled(level));
  }
  return std::count_if(column.codes.begin(), column.codes.end(), [&](int32_t code) {
    return code >= 0 && is_one[static_cast<size_t>(code)];
  });
}

// Rows of each class in a seeded order.
std::vector<std::vector<int64_t>> shuffled_classes(const torch::Tensor& labels, int64_t classes,
                                                   uint64_t seed) {
  const auto contiguous = labels.contiguous();
  const int64_t* label = contiguous.const_data_ptr<int64_t>();
  std::vector<std::vector<int64_t>> rows(static_cast<size_t>(classes));
  for (int64_t row = 0; row < contiguous.numel(); ++row) {
    if (label[row] >= 0) rows[static_cast<size_t>(label[row])].push_back(row);
  }
  std::mt19937_64 random(seed);
  for (auto& of_class : rows) {
    for (size_t i = of_class.size(); i > 1; --i) std::swap(of_class[i - 1], of_class[random() % i]);
  }
  return rows;
}

torch::Tensor sorted_rows(std::vector<int64_t> rows) {
  std::sort(rows.begin(), rows.end());
  return at::tensor(rows, at::kLong);
}

// Leaves one spelling of each truth value where all of sorted, different names are truth values
// and one of them is no number: "true" before "True", "TRUE" and 1.
void drop_truth_spellings(std::vector<std::string>& names) {
  const auto is_truth = [](const auto& name) { return truth_of_level(name) >= 0; };
  const auto is_word = [](const auto& name) { return truth_value(name) >= 0; };
  if (!std::all_of(names.begin(), names.end(), is_truth) ||
      std::none_of(names.begin(), names.end(), is_word)) {
    return;
  }
  std::vector<std::string> kept;
  for (const int truth : {0, 1}) {  // the last by bytes: small letters
    const auto of_truth = [&](const auto& name) { return truth_of_level(name) == truth; };
    const auto last = std::find_if(names.rbegin(), names.rend(), of_truth);
    if (last != names.rend()) kept.push_back(*last);
  }
  std::sort(kept.begin(), kept.end());
  names = std::move(kept);
}

constexpr size_t kMostNames = 4;  // in a note

std::string rows_text(int64_t rows) { return fmt::format("{} row{}", rows, rows == 1 ? "" : "s"); }

// How names that are equal when folded differ.
std::string difference_of(const std::vector<std::string>& names) {
  std::unordered_set<std::string> letters;
  for (const auto& name : names) letters.insert(io::decomposed_text(name));
  if (letters.size() == names.size()) return "case or spaces";
  return letters.size() == 1 ? "the encoding of their accents"
                             : "case, spaces or the encoding of their accents";
}

bool looks_missing(const std::string& name) {
  static const std::unordered_set<std::string> names = {
      "none", "na", "n/a", "null", "nan", "nil",       "missing",    "unknown",
      "?",    "??", ".",   "-",    "--",  "unlabeled", "unlabelled", "undefined"};
  return names.contains(folded_class(name));
}

// "a, b and 3 more": at most a few names in quotes.
std::string some_names(const std::vector<std::string>& names, size_t most) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < most; ++i) {
    const bool last = i + 1 == names.size();
    text += fmt::format("{}'{}'", i == 0 ? "" : last ? " and " : ", ", names[i]);
  }
  if (names.size() > most) text += fmt::format(" and {} more", names.size() - most);
  return text;
}

}  // namespace

bool is_unlabeled(const std::string& text) {
  const std::string bare(without_label_blanks(text));
  return bare.empty() || (bare.front() == '-' && class_number(bare) == -1.0);
}

std::vector<std::string> ordered_classes(std::vector<std::string> names) {
  for (auto& name : names) {
    if (const auto bare = without_label_blanks(name); bare.size() < name.size()) {
      name = std::string(bare);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  drop_truth_spellings(names);
  std::vector<std::pair<double, std::string>> numbered;
  for (const auto& name : names) {
    const auto value = class_number(name);
    if (!value) return names;
    numbered.emplace_back(*value, name);
  }
  std::sort(numbered.begin(), numbered.end(), [](const auto& a, const auto& b) {
    return std::tuple(a.first, a.second.size(), a.second) <
           std::tuple(b.first, b.second.size(), b.second);
  });
  names.clear();
  std::optional<double> last;  // value of the last name that may be spelled otherwise
  for (auto& [value, name] : numbered) {
    const bool plain = is_plain_number(name);
    if (plain && last == value) continue;
    if (plain) last = value;
    names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::string> label_notes(const Column& column,
                                     const std::vector<std::string>& classes) {
  constexpr size_t kMostGroups = 3;
  std::vector<std::string> notes;
  if (const auto rows = rows_of_minus_one(column); rows > 0) {
    notes.push_back("-1 means no label: " + rows_text(rows));
  }
  std::string missing;
  for (const auto& [text, rows] : column.missing_texts) {
    missing += fmt::format("{}{} '{}'", missing.empty() ? "" : ", ", rows_text(rows), text);
  }
  if (!missing.empty()) notes.push_back("missing values mean no label: " + missing);

  const ClassPlaces places(classes);
  std::map<int64_t, std::vector<std::string>> spellings;
  for (const auto& text : texts_of(column)) {
    const auto place = is_unlabeled(text) ? -1 : places.find(text);
    if (place >= 0) spellings[place].push_back(text);
  }
  size_t groups = 0;
  for (auto& [place, names] : spellings) {
    if (names.size() < 2) continue;
    if (++groups > kMostGroups) continue;
    std::sort(names.begin(), names.end());
    notes.push_back(fmt::format("labels {} are one class", some_names(names, kMostNames)));
  }
  if (groups > kMostGroups) {
    notes.push_back(
        fmt::format("labels of {} more classes have several spellings", groups - kMostGroups));
  }

  for (auto& note : class_name_notes(classes)) notes.push_back(std::move(note));
  for (const auto& name : classes) {
    if (looks_missing(name)) {
      notes.push_back(fmt::format(
          "class '{0}' looks like a missing value (--missing '{0}' if it means no label)", name));
    }
  }
  return notes;
}

std::vector<std::string> class_name_notes(const std::vector<std::string>& classes) {
  std::vector<std::string> notes;
  std::map<std::string, std::vector<std::string>> alike;
  for (const auto& name : classes) alike[folded_class(name)].push_back(name);
  for (const auto& [folded, names] : alike) {
    if (names.size() > 1) {
      notes.push_back(fmt::format("classes {} differ only in {}", some_names(names, kMostNames),
                                  difference_of(names)));
    }
  }
  return notes;
}

std::vector<std::string> single_row_notes(const torch::Tensor& labels,
                                          const std::vector<std::string>& classes) {
  constexpr int64_t kUsualRows = 5;  // of a class, for a single one to be strange
  constexpr size_t kMostNotes = 3;
  const auto classes_count = std::ssize(classes);
  const auto counts = at::bincount(labels.masked_select(labels.ge(0)), {}, classes_count);
  if (counts.sum().item<int64_t>() < kUsualRows * classes_count) return {};
  std::vector<std::string> singles, others, notes;
  for (size_t c = 0; c < classes.size(); ++c) {
    const bool single = counts[static_cast<int64_t>(c)].item<int64_t>() == 1;
    (single ? singles : others).push_back(classes[c]);
  }
  for (size_t i = 0; i < singles.size() && i < kMostNotes; ++i) {
    const auto nearest = nearest_name(singles[i], others);
    notes.push_back(
        fmt::format("class '{}' has a single labeled row{}", singles[i],
                    nearest.empty() ? "" : fmt::format(" (did you mean '{}'?)", nearest)));
  }
  if (singles.size() > kMostNotes) {
    notes.push_back(
        fmt::format("{} more classes have a single labeled row", singles.size() - kMostNotes));
  }
  return notes;
}

void check_class_labels(const ClassLabels& found, const std::string& column, int64_t minus_ones) {
  TORCH_CHECK(!found.classes.empty(), "class_labels: expected labels in column '", column,
              "' but got none (each value is missing or -1).");
  TORCH_CHECK(found.classes.size() > 1, "class_labels: expected at least 2 classes in column '",
              column, "' but got only '", found.classes.front(), "'",
              minus_ones > 0 ? fmt::format(" (-1 means no label: {} row{}; write the class another "
                                           "way)",
                                           minus_ones, minus_ones > 1 ? "s" : "")
                             : "",
              ".");
  refuse_lists(found.classes, column);
  refuse_quantity(found, column);
}

ClassLabels class_labels(const Column& column) {
  auto names = texts_of(column);
  std::erase_if(names, is_unlabeled);
  ClassLabels found{.classes = ordered_classes(std::move(names))};
  found.labels = labels_of(column, found.classes);
  check_class_labels(found, column.name, rows_of_minus_one(column));
  return found;
}

torch::Tensor labels_of(const Column& column, const std::vector<std::string>& classes) {
  const ClassPlaces places(classes);
  const auto place_of = [&](const std::string& text, int64_t row) -> int64_t {
    if (is_unlabeled(text)) return -1;
    const auto place = places.find(text);
    TORCH_CHECK(place >= 0, "labels_of: expected a known class but got '", text, "' in row ",
                row + 1, " of column '", column.name, "'", spelling_hint(text, classes), ".");
    return place;
  };
  const int64_t rows = rows_of(column);
  auto labels = at::empty({rows}, at::kLong);
  int64_t* out = labels.data_ptr<int64_t>();
  constexpr int64_t kUnknown = -2;
  std::vector<int64_t> of_code(column.levels.size(), kUnknown);
  for (int64_t row = 0; row < rows; ++row) {
    if (column.kind == ColumnKind::kNumber) {
      out[row] = place_of(cell_text(column, row), row);
      continue;
    }
    const int32_t code = column.codes[static_cast<size_t>(row)];
    if (code < 0) {
      out[row] = -1;
      continue;
    }
    auto& place = of_code[static_cast<size_t>(code)];
    if (place == kUnknown) place = place_of(column.levels[static_cast<size_t>(code)], row);
    out[row] = place;
  }
  return labels;
}

torch::Tensor relabeled(const torch::Tensor& labels, const std::vector<std::string>& names,
                        const std::vector<std::string>& classes, const std::string& source) {
  std::unordered_map<std::string_view, int64_t> place_of;
  for (size_t c = 0; c < classes.size(); ++c) {
    place_of.try_emplace(classes[c], static_cast<int64_t>(c));
  }
  std::vector<int64_t> places;
  for (const auto& name : names) {
    const auto found = place_of.find(name);
    TORCH_CHECK(found != place_of.end(), "relabeled: expected known classes in ", source,
                " but got '", name, "'", spelling_hint(name, classes), ".");
    places.push_back(found->second);
  }
  places.push_back(-1);  // of rows without a label
  const auto count = static_cast<int64_t>(names.size());
  const auto row_places = at::where(labels.ge(0) & labels.lt(count), labels, count);
  return at::tensor(places, labels.options()).index_select(0, row_places);
}

torch::Tensor hold_back(const torch::Tensor& labels, int64_t classes, double share, uint64_t seed) {
  TORCH_CHECK(share >= 0 && share < 1, "hold_back: expected a share from 0 to below 1 but got ",
              share, ".");
  const auto by_class = shuffled_classes(labels, classes, stream_seed(seed, "validation"));
  int64_t labeled = 0;
  for (const auto& rows : by_class) labeled += static_cast<int64_t>(rows.size());
  const auto wanted = static_cast<int64_t>(std::llround(share * static_cast<double>(labeled)));
  // Each class gives the whole part of its share; the largest remainders fill up to `wanted`, equal
  // ones in a random order.
  std::vector<int64_t> taken;
  std::vector<std::tuple<double, int64_t, size_t>> remainders;
  const auto order = permutation(classes, stream_seed(seed, "classes that give a row more"));
  const auto* place = order.const_data_ptr<int64_t>();
  int64_t total = 0;
  for (size_t c = 0; c < by_class.size(); ++c) {
    const double exact = share * static_cast<double>(by_class[c].size());
    taken.push_back(static_cast<int64_t>(exact));
    total += taken.back();
    remainders.emplace_back(static_cast<double>(taken.back()) - exact, place[c], c);
  }
  std::sort(remainders.begin(), remainders.end());
  for (const auto& [remainder, tie, c] : remainders) {
    if (total >= wanted) break;
    if (taken[c] + 1 < static_cast<int64_t>(by_class[c].size())) {
      ++taken[c];
      ++total;
    }
  }
  std::vector<int64_t> rows;
  for (size_t c = 0; c < by_class.size(); ++c) {
    rows.insert(rows.end(), by_class[c].begin(), by_class[c].begin() + taken[c]);
  }
  return sorted_rows(std::move(rows));
}

torch::Tensor stratified_folds(const torch::Tensor& labels, int64_t classes, int64_t folds,
                               uint64_t seed) {
  const int64_t labeled = labels.ge(0).sum().item<int64_t>();
  TORCH_CHECK(folds >= 2 && folds <= labeled, "stratified_folds: expected 2 to ", labeled,
              " folds for ", labeled, " labeled rows but got ", folds, ".");
  auto fold = at::full({labels.numel()}, -1, at::kLong);
  int64_t* out = fold.data_ptr<int64_t>();
  int64_t next = 0;
  for (const auto& rows : shuffled_classes(labels, classes, stream_seed(seed, "folds"))) {
    for (const int64_t row : rows) out[row] = next++ % folds;
  }
  return fold;
}

torch::Tensor repeat_rare(const torch::Tensor& labeled, const torch::Tensor& labels,
                          int64_t classes) {
  const auto rows = labeled.contiguous();
  const auto all = labels.contiguous();
  std::vector<std::vector<int64_t>> by_class(static_cast<size_t>(classes));
  for (int64_t i = 0; i < rows.numel(); ++i) {
    const int64_t row = rows.const_data_ptr<int64_t>()[i];
    by_class[static_cast<size_t>(all.const_data_ptr<int64_t>()[row])].push_back(row);
  }
  size_t most = 0;
  for (const auto& of_class : by_class) most = std::max(most, of_class.size());
  std::vector<int64_t> repeated;
  for (const auto& of_class : by_class) {
    for (size_t i = 0; !of_class.empty() && i < most; ++i) {
      repeated.push_back(of_class[i % of_class.size()]);
    }
  }
  return sorted_rows(std::move(repeated));
}

torch::Tensor repeat_weighted(const torch::Tensor& rows, const torch::Tensor& weights) {
  const auto given = rows.contiguous();
  const auto all = weights.to(at::kDouble).contiguous();
  std::vector<int64_t> row;
  std::vector<double> weight;
  for (int64_t i = 0; i < given.numel(); ++i) {
    const int64_t at = given.const_data_ptr<int64_t>()[i];
    const double w = all.const_data_ptr<double>()[at];
    TORCH_CHECK(w >= 0 && std::isfinite(w),
                "repeat_weighted: expected finite weights of at least 0 but got ", w, " (row ", at,
                ").");
    if (w > 0) {
      row.push_back(at);
      weight.push_back(w);
    }
  }
  TORCH_CHECK(!row.empty(),
              "repeat_weighted: expected a row with a weight above 0 but got none of ",
              given.numel(), ".");
  const double least = *std::min_element(weight.begin(), weight.end());
  const auto limit = kMostRepeats * static_cast<int64_t>(row.size());
  const auto is_whole = [least](double w) {
    const double ratio = w / least;
    return std::abs(ratio - std::round(ratio)) <= 1e-9 * ratio;
  };
  const double sum = std::accumulate(weight.begin(), weight.end(), 0.0);
  std::vector<int64_t> count(row.size(), 1);
  if (std::all_of(weight.begin(), weight.end(), is_whole) &&
      sum / least <= static_cast<double>(limit) + 0.5) {
    for (size_t i = 0; i < row.size(); ++i) count[i] = std::llround(weight[i] / least);
  } else {
    std::vector<std::pair<double, size_t>> remainder;
    int64_t left = limit;
    for (size_t i = 0; i < row.size(); ++i) {
      const double wanted = static_cast<double>(limit) * (weight[i] / sum);
      count[i] = std::max<int64_t>(1, static_cast<int64_t>(wanted));
      left -= count[i];
      remainder.emplace_back(static_cast<double>(count[i]) - wanted, i);
    }
    std::sort(remainder.begin(), remainder.end());  // those that miss most come first
    for (size_t i = 0; i < remainder.size() && left > 0; ++i, --left) ++count[remainder[i].second];
  }
  std::vector<int64_t> repeated;
  for (size_t i = 0; i < row.size(); ++i) {
    repeated.insert(repeated.end(), static_cast<size_t>(count[i]), row[i]);
  }
  return at::tensor(repeated, at::kLong);
}

}  // namespace ladder::data
