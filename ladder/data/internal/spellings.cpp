#include "ladder/data/internal/spellings.h"

#include <algorithm>
#include <array>
#include <string>

#include "ladder/core/nearest_name.h"
#include "ladder/data/features.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/io/utf8.h"

namespace ladder::data {
namespace {

constexpr std::array<std::string_view, 4> kTrue = {"true", "True", "TRUE", "1"};
constexpr std::array<std::string_view, 4> kFalse = {"false", "False", "FALSE", "0"};

// Whole numbers, without zeros in front: 01 is a code.
bool is_whole_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && (text[0] != '0' || text.size() == 1) &&
         text.find_first_not_of("0123456789") == text.npos;
}

// 2020-01-31
bool is_iso_day(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-dd";
  return std::equal(text.begin(), text.end(), kForm.begin(), kForm.end(), [](char c, char form) {
    return form == 'd' ? c >= '0' && c <= '9' : c == form;
  });
}

// Frames write the whole numbers of a column as 2 or 2.0, and its days with or without the time of
// midnight, depending on what else is in the column. Returns the other spelling, "" for none. (1.1
// and 1.10 may be versions or codes, and stay different.)
std::string twin_of(std::string_view text) {
  constexpr std::string_view kFraction = ".0", kMidnight = " 00:00:00";
  const auto without = [&](std::string_view end) {
    return text.substr(0, text.size() - end.size());
  };
  if (is_whole_number(text)) return std::string(text).append(kFraction);
  if (is_iso_day(text)) return std::string(text).append(kMidnight);
  if (text.ends_with(kFraction) && is_whole_number(without(kFraction))) {
    return std::string(without(kFraction));
  }
  if (text.ends_with(kMidnight) && is_iso_day(without(kMidnight))) {
    return std::string(without(kMidnight));
  }
  return {};
}

}  // namespace

int truth_value(std::string_view text) {
  // (The last spelling, 1 or 0, is a number.)
  if (std::find(kTrue.begin(), kTrue.end() - 1, text) != kTrue.end() - 1) return 1;
  return std::find(kFalse.begin(), kFalse.end() - 1, text) != kFalse.end() - 1 ? 0 : -1;
}

int truth_of_level(std::string_view text) {
  if (text == "1") return 1;
  return text == "0" ? 0 : truth_value(text);
}

std::vector<std::pair<std::string, int64_t>> other_spellings(
    const Feature& feature, const std::vector<std::string>& missing) {
  std::vector<std::pair<std::string, int64_t>> spellings;
  const auto add = [&](std::string_view text, int64_t input) {
    const auto is_same = [&](const auto& known) { return known.first == text; };
    if (std::find(feature.levels.begin(), feature.levels.end(), text) == feature.levels.end() &&
        std::none_of(spellings.begin(), spellings.end(), is_same)) {
      spellings.emplace_back(text, input);
    }
  };
  const auto levels = static_cast<int64_t>(feature.levels.size());
  const int64_t none = feature.indicator ? levels + (feature.other ? 1 : 0) : -1;
  for (const auto& text : usual_missing()) add(text, none);
  for (const auto& text : missing) add(text, none);

  const bool all_truths =
      levels > 0 && std::all_of(feature.levels.begin(), feature.levels.end(),
                                [](const auto& level) { return truth_of_level(level) >= 0; });
  for (int64_t level = 0; all_truths && level < levels; ++level) {
    const bool is_true = truth_of_level(feature.levels[static_cast<size_t>(level)]) == 1;
    for (const auto& text : is_true ? kTrue : kFalse) add(text, level);
  }
  for (int64_t level = 0; level < levels; ++level) {
    const auto twin = twin_of(without_blanks(feature.levels[static_cast<size_t>(level)]));
    const auto is_twin = [&](const auto& known) { return without_blanks(known) == twin; };
    const bool is_level = std::any_of(feature.levels.begin(), feature.levels.end(), is_twin);
    if (!twin.empty() && !is_level) add(twin, level);
  }
  return spellings;
}

std::string spelling_hint(std::string_view name, const std::vector<std::string>& names) {
  const auto letters = io::decomposed_text(name);
  const auto alike = std::find_if(names.begin(), names.end(), [&](const auto& other) {
    return io::decomposed_text(other) == letters;
  });
  if (alike == names.end()) return name_hint(name, names);
  return " (there is '" + *alike + "', whose accents are encoded in another way; copy that name)";
}

}  // namespace ladder::data
