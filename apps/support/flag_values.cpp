#include "apps/support/flag_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/core/nearest_name.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <system_error>

namespace ladder::apps {
namespace {

constexpr size_t kMaxSeeds = 10000;

[[noreturn]] void refuse(const std::string& flag, const std::string& expected,
                         const std::string& got, const std::string& hint = "") {
  throw UsageError(fmt::format("expected {} for {} but got '{}'{}.", expected, flag, got, hint));
}

std::string without_spaces_around(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t");
  return begin == std::string::npos ? ""
                                    : text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

template <class T>
bool read_whole(const std::string& padded, T& value) {
  const auto text = without_spaces_around(padded);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

// True for a number that is infinite, or that is read as such: "inf", "1e400".
bool is_infinite(const std::string& padded) {
  const auto text = without_spaces_around(padded);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return false;
  const bool small = text.find("e-") != std::string::npos || text.find("E-") != std::string::npos;
  return error == std::errc::result_out_of_range ? !small : std::isinf(value);
}

// "a number" or, for one that is infinite, "a finite number".
std::string number_wanted(const std::string& text) {
  return is_infinite(text) ? "a finite number" : "a number";
}

std::string integer_range(int64_t least, int64_t most) {
  return most == INT64_MAX ? fmt::format("a whole number of at least {}", least)
                           : fmt::format("a whole number from {} to {}", least, most);
}

std::string number_range(double least, double most, const std::string& text) {
  return std::isinf(most) ? fmt::format("{} of at least {}", number_wanted(text), least)
                          : fmt::format("a number from {} to {}", least, most);
}

std::filesystem::path parse_path(const std::string& what, const std::string& flag,
                                 const std::string& text) {
  if (without_spaces_around(text).empty()) {
    refuse(flag, what, text);
  }
  if (text == "~" || text.starts_with("~/")) {
    refuse(flag, what, text,
           fmt::format(" (the shell expands ~ at the start of a word only: {} {})", flag, text));
  }
  return text;
}

}  // namespace

std::vector<std::string> split_at(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& names,
                         const std::string& list) {
  const auto nearest = nearest_name(name, names);
  auto text = nearest.empty() ? "" : "did you mean " + nearest + "?";
  if (!list.empty()) text += (text.empty() ? "" : " ") + list;
  return text.empty() ? "" : " (" + text + ")";
}

int64_t parse_integer(const std::string& flag, const std::string& text, int64_t least,
                      int64_t most) {
  int64_t value = 0;
  if (!read_whole(text, value) || value < least || value > most) {
    refuse(flag, integer_range(least, most), text);
  }
  return value;
}

double parse_number(const std::string& flag, const std::string& text, double least, double most) {
  double value = 0;
  if (!read_whole(text, value) || !std::isfinite(value) || value < least || value > most) {
    refuse(flag, number_range(least, most, text), text);
  }
  return value;
}

double parse_positive_number(const std::string& flag, const std::string& text) {
  double value = 0;
  if (!read_whole(text, value) || !std::isfinite(value) || value <= 0) {
    refuse(flag, number_wanted(text) + " above 0", text);
  }
  return value;
}

std::string parse_choice(const std::string& flag, const std::string& text,
                         const std::vector<std::string>& choices) {
  const auto word = without_spaces_around(text);
  if (std::find(choices.begin(), choices.end(), word) == choices.end()) {
    // What others call it is nearer to another choice.
    const bool gpu = word == "gpu" || word == "GPU";
    refuse(flag, or_list(choices), text, did_you_mean(gpu ? "cuda" : word, choices));
  }
  return word;
}

std::vector<std::string> parse_words(const std::string& text) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
      words.back() += text[++i];
    } else if (text[i] == ',') {
      words.emplace_back();
    } else {
      words.back() += text[i];
    }
  }
  for (auto& word : words) {
    word = without_spaces_around(word);
  }
  return words;
}

std::string word_text(const std::string& word) {
  std::string text;
  for (const char c : word) {
    text += c == ',' ? "\\," : std::string(1, c);
  }
  return text;
}

std::vector<int64_t> parse_integers(const std::string& flag, const std::string& text, int64_t least,
                                    int64_t most) {
  std::vector<int64_t> values;
  for (const auto& part : split_at(text, ',')) {
    values.emplace_back();
    if (!read_whole(part, values.back()) || values.back() < least) {
      refuse(flag, fmt::format("whole numbers of at least {} separated by commas", least), text);
    }
    if (values.back() > most) {
      refuse(flag, fmt::format("whole numbers of at most {}", most), text);
    }
  }
  return values;
}

std::vector<double> parse_numbers(const std::string& flag, const std::string& text, double least,
                                  const std::string& other) {
  std::vector<double> values;
  for (const auto& part : split_at(text, ',')) {
    values.emplace_back();
    if (!read_whole(part, values.back()) || !std::isfinite(values.back()) ||
        values.back() < least) {
      refuse(flag,
             fmt::format("{} of at least {} separated by commas{}",
                         is_infinite(part) ? "finite numbers" : "numbers", least,
                         other.empty() ? "" : ", or " + other),
             text);
    }
  }
  return values;
}

std::filesystem::path parse_folder(const std::string& flag, const std::string& text) {
  return parse_path("a folder", flag, text);
}

std::filesystem::path parse_file(const std::string& flag, const std::string& text) {
  return parse_path("a file", flag, text);
}

void check_not_same(const std::string& word, const std::filesystem::path& read,
                    const std::filesystem::path& written) {
  std::error_code none;
  if (std::filesystem::is_regular_file(read, none) &&
      std::filesystem::equivalent(read, written, none)) {
    throw UsageError(fmt::format("expected another file to write than {} but got {} for both.",
                                 word, written.string()));
  }
}

std::vector<uint64_t> parse_seeds(const std::string& flag, const std::string& text) {
  constexpr const char* kExpected = "seeds like 1..10 or 1,2,5";
  std::vector<uint64_t> seeds;
  std::set<uint64_t> seen;
  for (const auto& part : split_at(text, ',')) {
    const auto dots = part.find("..");
    int64_t first = 0;
    int64_t last = 0;
    const bool read = dots == std::string::npos ? read_whole(part, first) && read_whole(part, last)
                                                : read_whole(part.substr(0, dots), first) &&
                                                      read_whole(part.substr(dots + 2), last);
    if (!read || first < 0) {
      refuse(flag, kExpected, text);
    }
    if (last < first) {
      refuse(flag, "a range that runs up", text);
    }
    if (static_cast<uint64_t>(last - first) >= kMaxSeeds) {
      refuse(flag, fmt::format("at most {} seeds", kMaxSeeds), text);
    }
    for (int64_t i = 0; i <= last - first; ++i) {
      seeds.push_back(static_cast<uint64_t>(first + i));
      if (!seen.insert(seeds.back()).second) {
        refuse(flag, "every seed once", text, fmt::format(" ({} comes twice)", seeds.back()));
      }
      if (seeds.size() > kMaxSeeds) {
        refuse(flag, fmt::format("at most {} seeds", kMaxSeeds), text);
      }
    }
  }
  return seeds;
}

std::string join(const std::vector<int64_t>& values) {
  return fmt::format("{}", fmt::join(values, ","));
}

std::string join(const std::vector<double>& values) {
  return fmt::format("{}", fmt::join(values, ","));
}

}  // namespace ladder::apps
