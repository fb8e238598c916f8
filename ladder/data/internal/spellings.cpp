#include "ladder/data/internal/spellings.h"

#include <algorithm>
#include <array>

#include "ladder/data/internal/missing_values.h"

namespace ladder::data {
namespace {

constexpr std::array<std::string_view, 4> kTrue = {"true", "True", "TRUE", "1"};
constexpr std::array<std::string_view, 4> kFalse = {"false", "False", "FALSE", "0"};

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
  return spellings;
}

}  // namespace ladder::data
