#include "ladder/data/class_labels.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "ladder/data/internal/class_places.h"
#include "ladder/data/internal/exact_numbers.h"
#include "ladder/data/internal/folders.h"
#include "ladder/data/internal/label_column.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/number_marks.h"
#include "ladder/data/internal/parse_number.h"
#include "ladder/data/internal/spellings.h"

namespace ladder::data {
namespace {

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
  constexpr size_t kMaxDistinct = 10;
  constexpr double kSparse = 10;         // values of a range for each class
  constexpr int64_t kMaxFractions = 50;  // shoe sizes, versions and grades are fewer
  const auto labeled = found.labels.ge(0).sum().item<int64_t>();
  const auto distinct = static_cast<int64_t>(found.classes.size());
  const bool many_rows = 2 * distinct <= labeled;
  if (found.classes.size() <= kMaxDistinct || (many_rows && distinct <= kMaxFractions)) return;
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

// Refuses cells that list classes: "a;b" beside "a" and "b;c". A separator that is a part of names,
// as in "Paris, France", leaves parts that are in one class only.
void refuse_lists(const std::vector<std::string>& classes, const std::string& column) {
  for (const char separator : {';', '|', ','}) {
    const auto has_it = [&](const auto& name) { return name.find(separator) != name.npos; };
    const auto list = std::find_if(classes.begin(), classes.end(), has_it);
    if (list == classes.end() || (separator == ',' && are_comma_numbers(classes))) continue;
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

}  // namespace

bool is_unlabeled(const std::string& text) { return means_no_label(text, /*commas=*/false); }

bool has_decimal_commas(const std::vector<std::string>& texts) {
  std::unordered_set<double> with_point;  // values
  for (const auto& text : texts) {
    const std::string bare(without_blanks(text));
    const auto value = bare.find('.') == bare.npos ? std::nullopt : class_number(bare, false);
    if (value) with_point.insert(*value);
  }
  bool all_whole = true, any_sure = false, any_equal = false;
  for (const auto& text : texts) {
    const std::string bare(without_blanks(text));
    if (bare.find(',') == bare.npos) continue;
    const auto value = class_number(bare, /*commas=*/true);
    if (!value) return false;
    const bool is_sure = !may_be_thousands(bare, ',');
    any_sure = any_sure || is_sure;
    any_equal = any_equal || (is_sure && with_point.contains(*value));
    all_whole = all_whole && is_whole_with_comma(bare);
  }
  return any_equal || (all_whole && any_sure);
}

std::vector<std::string> ordered_classes(std::vector<std::string> names) {
  const bool commas = has_decimal_commas(names);
  std::erase_if(names, [&](const auto& name) { return means_no_label(name, commas); });
  for (auto& name : names) {
    if (const auto bare = without_blanks(name); bare.size() < name.size()) {
      name = std::string(bare);
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  drop_truth_spellings(names);
  const bool ordered_by_value = commas || are_comma_numbers(names);
  std::vector<std::pair<double, std::string>> numbered;
  for (const auto& name : names) {
    const auto value = class_number(name, ordered_by_value);
    if (!value) return names;
    numbered.emplace_back(*value, name);
  }
  const auto order = [](const auto& one) {  // of one length, a point before a comma
    return std::tuple(one.first, one.second.size(), one.second.find(',') != one.second.npos,
                      one.second);
  };
  std::sort(numbered.begin(), numbered.end(),
            [&](const auto& a, const auto& b) { return order(a) < order(b); });
  names.clear();
  std::optional<double> last;  // value of the last name that may be spelled otherwise
  for (auto& [value, name] : numbered) {
    const bool plain = is_plain_number(name, commas);
    if (plain && last == value) continue;
    if (plain) last = value;
    names.push_back(std::move(name));
  }
  return names;
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
  ClassLabels found{.classes = ordered_classes(label_texts(column))};
  found.labels = labels_of(column, found.classes);
  check_class_labels(found, column.name, rows_of_minus_one(column, found.classes));
  return found;
}

std::vector<int64_t> class_places(const std::vector<std::string>& texts,
                                  const std::vector<std::string>& classes) {
  const ClassPlaces of_name(classes, texts);
  std::vector<int64_t> places;
  for (const auto& text : texts) {
    places.push_back(of_name.find(text));
  }
  return places;
}

torch::Tensor labels_of(const Column& column, const std::vector<std::string>& classes) {
  check_exact_numbers(column, "labels_of");
  const ClassPlaces places(classes, label_texts(column));
  const auto place_of = [&](const std::string& text, int64_t row) -> int64_t {
    const auto place = places.find(text);
    if (place == ClassPlaces::kUnlabeled) return -1;
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

}  // namespace ladder::data
