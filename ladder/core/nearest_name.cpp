#include "ladder/core/nearest_name.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

namespace ladder {
namespace {

constexpr size_t kMaxListed = 10;
constexpr size_t kMaxListedBytes = 40;  // of a name

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// A name in a list of names: a long one ends between two characters of UTF-8.
std::string listed_name(const std::string& name, std::string_view quote) {
  size_t end = std::min(name.size(), kMaxListedBytes);
  while (end > 0 && end < name.size() && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) {
    --end;
  }
  auto text = name.substr(0, end) + (end < name.size() ? "..." : "");
  std::replace_if(
      text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return std::string(quote) + text + std::string(quote);
}

}  // namespace

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, replaced}));
    }
  }
  return row.back();
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& names) {
  constexpr auto kFar = std::numeric_limits<size_t>::max();
  const auto lower = lower_case(name);
  std::pair<size_t, size_t> least = {kFar, kFar};  // without case, with case
  std::string nearest;
  for (const auto& other : names) {
    const auto sizes = name.size() + other.size();
    const auto longer = std::max(name.size(), other.size()) - std::min(name.size(), other.size());
    if (4 * longer > sizes) continue;  // the distance is at least this
    const auto distance = edit_distance(lower, lower_case(other));
    if (4 * distance > sizes || distance > least.first) continue;
    const auto both = std::pair(distance, edit_distance(name, other));
    if (both < least) {
      least = both;
      nearest = other;
    }
  }
  return nearest;
}

std::string name_hint(std::string_view name, const std::vector<std::string>& names,
                      std::string_view quote) {
  if (names.empty()) return {};
  const auto nearest = nearest_name(name, names);
  if (!nearest.empty()) {
    return " (did you mean " + std::string(quote) + nearest + std::string(quote) + "?)";
  }
  std::string text = names.size() == 1 ? " (there is " : " (there are ";
  for (size_t i = 0; i < names.size() && i < kMaxListed; ++i) {
    text += (i > 0 ? ", " : "") + listed_name(names[i], quote);
  }
  if (names.size() > kMaxListed) {
    text += " and " + std::to_string(names.size() - kMaxListed) + " more";
  }
  return text + ")";
}

std::string or_list(const std::vector<std::string>& names) {
  auto text = names.front();
  for (size_t i = 1; i < names.size(); ++i) {
    text += (i + 1 == names.size() ? " or " : ", ") + names[i];
  }
  return text;
}

}  // namespace ladder
