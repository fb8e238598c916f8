#include "apps/support/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/models/nearest_name.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

namespace ladder::apps {
namespace {

constexpr int64_t kMostSeeds = 10000;

[[noreturn]] void refuse(const std::string& flag, const std::string& expected,
                         const std::string& got, const std::string& hint = "") {
  throw UsageError(fmt::format("expected {} for {} but got '{}'{}.", expected, flag, got, hint));
}

template <class T>
bool read_whole(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::vector<std::string> split(const std::string& text, char separator) {
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

std::string or_list(const std::vector<std::string>& names) {
  if (names.size() == 1) {
    return names[0];
  }
  return fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

std::string integer_range(int64_t least, int64_t most) {
  return most == INT64_MAX ? fmt::format("a whole number of at least {}", least)
                           : fmt::format("a whole number from {} to {}", least, most);
}

std::string number_range(double least, double most) {
  return std::isinf(most) ? fmt::format("a number of at least {}", least)
                          : fmt::format("a number from {} to {}", least, most);
}

}  // namespace

void CommandLine::heading(std::string title) { flags_.push_back({"", "", std::move(title), {}}); }

void CommandLine::flag(std::string name, std::string value, std::string help,
                       std::function<void(const std::string&)> set) {
  flags_.push_back({std::move(name), std::move(value), std::move(help), std::move(set)});
}

void CommandLine::integer(std::string name, std::string help, int64_t& target, int64_t least,
                          int64_t most) {
  auto set = [=, &target, flag = "--" + name](const std::string& text) {
    target = parse_integer(flag, text, least, most);
  };
  flag(std::move(name), "N", std::move(help), std::move(set));
}

void CommandLine::number(std::string name, std::string value, std::string help, double& target,
                         double least, double most) {
  auto set = [=, &target, flag = "--" + name](const std::string& text) {
    target = parse_number(flag, text, least, most);
  };
  flag(std::move(name), std::move(value), std::move(help), std::move(set));
}

void CommandLine::choice(std::string name, std::string help, std::string& target,
                         const std::vector<std::string>& choices) {
  auto set = [=, &target, flag = "--" + name](const std::string& text) {
    target = parse_choice(flag, text, choices);
  };
  flag(std::move(name), fmt::format("{}", fmt::join(choices, "|")),
       fmt::format("{} ({})", help, choices.front()), std::move(set));
}

void CommandLine::toggle(std::string name, std::string help, bool& target) {
  flags_.push_back(
      {std::move(name), "", std::move(help), [&target](const std::string&) { target = true; }});
}

CommandLine::Flag& CommandLine::find(const std::string& name) {
  std::vector<std::string> names;
  for (auto& flag : flags_) {
    if (!flag.name.empty() && flag.name == name) {
      return flag;
    }
    if (!flag.name.empty()) {
      names.push_back("--" + flag.name);
    }
  }
  const auto hint = did_you_mean("--" + name, names);
  throw UsageError(fmt::format("expected a known flag but got --{}{}.", name,
                               hint.empty() ? " (--help lists them)" : hint));
}

cxxopts::Options CommandLine::options() const {
  cxxopts::Options options(program_, usage_);
  options.allow_unrecognised_options();
  for (const auto& flag : flags_) {
    if (!flag.name.empty()) {
      // Given without a value, a toggle has an empty one.
      auto text = cxxopts::value<std::string>();
      options.add_options()(flag.name == "help" ? "h,help" : flag.name, flag.help,
                            flag.value.empty() ? text->implicit_value("") : text);
    }
  }
  return options;
}

void CommandLine::parse(int argc, const char* const* argv) {
  const auto refuse_missing = [&](const Flag& flag) {
    throw UsageError(
        fmt::format("expected a value after --{} but got none ({}).", flag.name, flag.value));
  };
  cxxopts::ParseResult result;
  try {
    result = options().parse(argc, argv);
  } catch (const cxxopts::exceptions::missing_argument&) {
    refuse_missing(find(std::string(argv[argc - 1]).substr(2)));
  } catch (const cxxopts::exceptions::exception&) {
    throw UsageError("expected flags of the form --name value (--help lists them).");
  }
  // A flag that took the next one for its value comes first: what it left over is no fault.
  for (const auto& given : result.arguments()) {
    auto& flag = find(given.key());
    flag.given = true;
    flag.text = given.value();
    if (flag.value.empty() && !flag.text.empty()) {
      throw UsageError(fmt::format("expected --{} without a value but got '--{}={}'.", flag.name,
                                   flag.name, flag.text));
    }
    if (!flag.value.empty() && flag.text.starts_with("--")) {
      refuse_missing(flag);
    }
  }
  for (const auto& argument : result.unmatched()) {
    if (argument.size() < 3 || !argument.starts_with("--")) {
      throw UsageError(fmt::format("expected a flag (--name) but got '{}'.", argument));
    }
    find(argument.substr(2, argument.find('=') - 2));
  }
}

void CommandLine::apply() const {
  for (const auto& flag : flags_) {
    if (flag.given) {
      flag.set(flag.text);
    }
  }
}

bool CommandLine::given(std::string_view name) const {
  return std::any_of(flags_.begin(), flags_.end(),
                     [&](const Flag& flag) { return flag.name == name && flag.given; });
}

std::string CommandLine::help() const {
  size_t width = 0;
  for (const auto& flag : flags_) {
    width = std::max(width, flag.name.empty() ? 0 : flag.name.size() + flag.value.size());
  }
  std::string text = fmt::format("{}\n\n  {} [FLAGS]\n", usage_, program_);
  for (const auto& flag : flags_) {
    text += flag.name.empty() ? fmt::format("\n{}:\n", flag.help)
                              : fmt::format("  {:<{}}  {}\n", "--" + flag.name + " " + flag.value,
                                            width + 3, flag.help);
  }
  return text;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& names) {
  const auto nearest = models::nearest_name(name, names);
  const auto near = 2 * models::edit_distance(name, nearest) <= nearest.size();
  return near && !nearest.empty() ? " (did you mean " + nearest + "?)" : std::string();
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
    refuse(flag, number_range(least, most), text);
  }
  return value;
}

std::string parse_choice(const std::string& flag, const std::string& text,
                         const std::vector<std::string>& choices) {
  if (std::find(choices.begin(), choices.end(), text) == choices.end()) {
    refuse(flag, or_list(choices), text, did_you_mean(text, choices));
  }
  return text;
}

std::vector<int64_t> parse_integers(const std::string& flag, const std::string& text,
                                    int64_t least) {
  std::vector<int64_t> values;
  for (const auto& part : split(text, ',')) {
    values.emplace_back();
    if (!read_whole(part, values.back()) || values.back() < least) {
      refuse(flag, fmt::format("whole numbers of at least {} separated by commas", least), text);
    }
  }
  return values;
}

std::vector<double> parse_numbers(const std::string& flag, const std::string& text, double least) {
  std::vector<double> values;
  for (const auto& part : split(text, ',')) {
    values.emplace_back();
    if (!read_whole(part, values.back()) || !std::isfinite(values.back()) ||
        values.back() < least) {
      refuse(flag, fmt::format("numbers of at least {} separated by commas", least), text);
    }
  }
  return values;
}

std::filesystem::path parse_folder(const std::string& flag, const std::string& text) {
  if (text.empty()) {
    refuse(flag, "a folder", text);
  }
  return text;
}

std::vector<uint64_t> parse_seeds(const std::string& flag, const std::string& text) {
  constexpr const char* kExpected = "seeds like 1..10 or 1,2,5";
  std::vector<uint64_t> seeds;
  std::set<uint64_t> seen;
  for (const auto& part : split(text, ',')) {
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
    if (last - first >= kMostSeeds) {
      refuse(flag, fmt::format("at most {} seeds", kMostSeeds), text);
    }
    for (int64_t seed = first; seed <= last; ++seed) {
      seeds.push_back(static_cast<uint64_t>(seed));
      if (!seen.insert(seeds.back()).second) {
        refuse(flag, "every seed once", text, fmt::format(" ({} comes twice)", seed));
      }
      if (static_cast<int64_t>(seeds.size()) > kMostSeeds) {
        refuse(flag, fmt::format("at most {} seeds", kMostSeeds), text);
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

std::string shortest(double value) { return fmt::format("{}", value); }

}  // namespace ladder::apps
