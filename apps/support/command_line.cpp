#include "apps/support/command_line.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/io/text_file.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/support/json.h"

namespace ladder::apps {
namespace {

constexpr size_t kColumns = 80;

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

// Return the argument with its control characters spelled out.
std::string visible(std::string_view argument) {
  std::string text;
  for (const char c : argument) {
    text += c == '\r'       ? "\\r"
            : c == '\n'     ? "\\n"
            : is_control(c) ? fmt::format("\\x{:02x}", static_cast<unsigned char>(c))
                            : std::string(1, c);
  }
  return text;
}

void check_characters(std::string_view argument) {
  if (std::none_of(argument.begin(), argument.end(), is_control)) {
    return;
  }
  const auto* hint = argument.find('\r') == std::string_view::npos
                         ? ""
                         : " (does a script have the line ends of Windows? sed -i 's/\\r$//' "
                           "SCRIPT mends it)";
  throw UsageError(fmt::format("expected an argument without line ends but got '{}'{}.",
                               visible(argument), hint));
}

// Whether a flag takes a list of names or texts, which may hold commas.
bool is_word_list(std::string_view value) { return value == "COL,..." || value == "TEXT,..."; }

// Break `text` into lines of at most `width` characters.
std::vector<std::string> wrapped(const std::string& text, size_t width) {
  std::vector<std::string> lines(1);
  for (const auto& word : split_at(text, ' ')) {
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) {
      lines.emplace_back();
    }
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

}  // namespace

void CommandLine::heading(std::string title) { flags_.push_back({{}, "", std::move(title), {}}); }

void CommandLine::flag(const std::string& names, std::string value, std::string help, SetFlag set) {
  flags_.push_back({split_at(names, ','), std::move(value), std::move(help), std::move(set)});
}

void CommandLine::integer(const std::string& names, std::string help, int64_t& target,
                          int64_t least, int64_t most) {
  flag(names, "N", std::move(help), [=, &target](const std::string& name, const std::string& text) {
    target = parse_integer(name, text, least, most);
  });
}

void CommandLine::number(const std::string& names, std::string value, std::string help,
                         double& target, double least, double most) {
  flag(names, std::move(value), std::move(help),
       [=, &target](const std::string& name, const std::string& text) {
         target = parse_number(name, text, least, most);
       });
}

void CommandLine::positive_number(const std::string& names, std::string value, std::string help,
                                  double& target) {
  flag(names, std::move(value), std::move(help),
       [&target](const std::string& name, const std::string& text) {
         target = parse_positive_number(name, text);
       });
}

void CommandLine::choice(const std::string& names, std::string help, std::string& target,
                         const std::vector<std::string>& choices) {
  flag(names, fmt::format("{}", fmt::join(choices, "|")),
       fmt::format("{} ({})", help, choices.front()),
       [=, &target](const std::string& name, const std::string& text) {
         target = parse_choice(name, text, choices);
       });
}

void CommandLine::toggle(const std::string& names, std::string help, bool& target) {
  flag(names, "", std::move(help),
       [&target](const std::string&, const std::string&) { target = true; });
}

size_t CommandLine::find(const std::string& dashed) const {
  std::vector<std::string> known;
  for (size_t i = 0; i < flags_.size(); ++i) {
    for (const auto& one : flags_[i].names) {
      known.push_back((one.size() == 1 ? "-" : "--") + one);
      if (known.back() == dashed) {
        return i;
      }
    }
  }
  const auto hint = did_you_mean(dashed, known);
  throw UsageError(fmt::format("expected a known flag but got {}{}.", dashed,
                               hint.empty() ? " (--help lists them)" : hint));
}

void CommandLine::word(std::string name, std::string help, bool required, SetFlag set,
                       bool repeated) {
  words_.push_back({std::move(name), std::move(help), required, repeated, std::move(set)});
}

void CommandLine::settings_file() {
  flag("config", "FILE", "JSON object of flags; flags typed here win",
       [](const std::string&, const std::string&) {});
}

void CommandLine::take_word(const std::string& text) {
  size_t place = given_words_.empty() ? 0 : given_words_.back().first + 1;
  if (!given_words_.empty() && words_[given_words_.back().first].repeated) {
    place = given_words_.back().first;
  }
  if (words_.empty()) {
    throw UsageError(fmt::format("expected a flag (--name) but got '{}'.", text));
  }
  if (place >= words_.size()) {
    throw UsageError(fmt::format("expected one {} but got also '{}' ({}).", words_.back().name,
                                 text, usage_line()));
  }
  given_words_.emplace_back(place, text);
}

void CommandLine::read_settings(const std::string& path) {
  const auto refuse_file = [&](const std::string& expected, const std::string& got) {
    throw UsageError(fmt::format("expected {} in --config {} but got {}.", expected, path, got));
  };
  std::string bytes;
  try {
    bytes = io::read_text(path);
  } catch (const c10::Error& error) {
    throw UsageError("expected a JSON object in --config but got none: " +
                     std::string(error.what_without_backtrace()));
  }
  const auto object = parse_json(bytes, /*comments=*/true);
  if (!object.is_object()) {
    refuse_file("a JSON object", object.is_discarded() ? "no JSON" : object.dump());
  }
  const auto text_of = [&](const std::string& key, const nlohmann::ordered_json& value) {
    if (value.is_string()) {
      return value.get<std::string>();
    }
    if (!value.is_number()) {
      refuse_file("a text, a number, a list or true for \"" + key + "\"", value.dump());
    }
    return value.dump();
  };
  for (const auto& [key, value] : object.items()) {
    const auto place = find("--" + key);
    const auto& flag = flags_[place];
    if (flag.value.empty()) {
      if (!value.is_boolean()) {
        refuse_file("true or false for \"" + key + "\"", value.dump());
      }
      if (value.get<bool>()) {
        given_.push_back({place, "--" + key, ""});
      }
      continue;
    }
    std::string text;
    if (value.is_array()) {
      if (value.empty()) {
        continue;  // no value, as without the flag
      }
      for (const auto& one : value) {
        if (!text.empty()) text += ",";
        text += is_word_list(flag.value) ? word_text(text_of(key, one)) : text_of(key, one);
      }
    } else {
      text = text_of(key, value);
    }
    check_characters(text);
    given_.push_back({place, "--" + key, text});
  }
}

void CommandLine::parse(int argc, const char* const* argv) {
  std::vector<Given> typed;
  const bool any_short = std::any_of(flags_.begin(), flags_.end(), [](const Flag& flag) {
    return std::any_of(flag.names.begin(), flag.names.end(),
                       [](const std::string& name) { return name.size() == 1; });
  });
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    check_characters(argument);
    const bool is_word = argument == "-" || (!argument.empty() && !argument.starts_with('-'));
    if (is_word && !words_.empty()) {
      take_word(argument);
      continue;
    }
    const auto equals = argument.find('=');
    const auto name = argument.substr(0, equals);
    const bool long_name = name.size() > 2 && name.starts_with("--");
    const bool short_name =
        name.size() == 2 && name.starts_with('-') && name != "--" && (any_short || name == "-h");
    if (!long_name && !short_name) {
      throw UsageError(fmt::format("expected a flag (--name) but got '{}'.", argument));
    }
    const auto place = find(name == "-h" ? "--help" : name);
    const auto& flag = flags_[place];
    if (flag.value.empty() && equals != std::string::npos) {
      throw UsageError(fmt::format("expected {} without a value but got '{}'.", name, argument));
    }
    if (flag.value.empty() || equals != std::string::npos) {
      typed.push_back(
          {place, name, equals == std::string::npos ? "" : argument.substr(equals + 1)});
      continue;
    }
    if (i + 1 == argc || std::string_view(argv[i + 1]).starts_with("--")) {
      throw UsageError(
          fmt::format("expected a value after {} but got none ({}).", name, flag.value));
    }
    check_characters(argv[++i]);
    typed.push_back({place, name, argv[i]});
  }
  for (const auto& given : typed) {
    if (flags_[given.flag].names.front() == "config") {
      read_settings(given.text);
    }
  }
  given_.insert(given_.end(), typed.begin(), typed.end());
}

void CommandLine::check_words() const {
  if (given("help") || given("version")) {
    return;
  }
  for (size_t i = 0; i < words_.size(); ++i) {
    const bool there = std::any_of(given_words_.begin(), given_words_.end(),
                                   [&](const auto& one) { return one.first == i; });
    if (words_[i].required && !there) {
      throw UsageError(fmt::format("expected {} but got none ({}).", words_[i].name, usage_line()));
    }
  }
}

std::string CommandLine::usage_line() const {
  std::string text = program_;
  for (const auto& word : words_) {
    text += fmt::format(" {}{}{}{}", word.required ? "" : "[", word.name,
                        word.repeated ? "..." : "", word.required ? "" : "]");
  }
  return text + " [FLAGS]";
}

void CommandLine::apply() const {
  check_words();
  for (const auto& [place, text] : given_words_) {
    words_[place].set(words_[place].name, text);
  }
  for (size_t i = 0; i < flags_.size(); ++i) {
    for (const auto& given : given_) {
      if (given.flag == i) {
        flags_[i].set(given.name, given.text);
      }
    }
  }
}

bool CommandLine::given(std::string_view name) const {
  return std::any_of(given_.begin(), given_.end(), [&](const Given& one) {
    const auto& names = flags_[one.flag].names;
    return std::find(names.begin(), names.end(), name) != names.end();
  });
}

std::vector<std::pair<std::string, std::string>> CommandLine::given_flags() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& one : given_) all.emplace_back(flags_[one.flag].names.front(), one.text);
  return all;
}

std::string CommandLine::help() const {
  constexpr size_t kWidest = 26;  // of the flag column; a longer flag has a line for itself
  const auto dashed = [](const std::string& name) {
    return (name.size() == 1 ? "-" : "--") + name;
  };
  const auto left = [&](const Flag& flag) {
    return fmt::format("{}{}{}", dashed(flag.names.front()), flag.value.empty() ? "" : " ",
                       flag.value);
  };
  size_t column = 0;
  for (const auto& flag : flags_) {
    const auto width = flag.names.empty() ? 0 : left(flag).size();
    column = std::max(column, width <= kWidest ? width : 0);
  }
  std::string text;
  for (const auto& line : wrapped(usage_, kColumns)) {
    text += line + "\n";
  }
  text += fmt::format("\n  {}\n", usage_line());
  size_t widest_word = 0;
  for (const auto& word : words_) {
    widest_word = std::max(widest_word, word.name.size());
  }
  for (const auto& word : words_) {
    const auto lines = wrapped(word.help, kColumns - widest_word - 4);
    for (size_t i = 0; i < lines.size(); ++i) {
      text += fmt::format("{}  {:<{}}  {}\n", i == 0 && &word == &words_.front() ? "\n" : "",
                          i == 0 ? word.name : "", widest_word, lines[i]);
    }
  }
  for (const auto& flag : flags_) {
    if (flag.names.empty()) {
      text += fmt::format("\n{}:\n", flag.help);
      continue;
    }
    const auto also = flag.names.size() > 1 ? fmt::format(" (also {})", dashed(flag.names[1])) : "";
    const auto lines = wrapped(flag.help + also, kColumns - column - 4);
    const bool long_flag = left(flag).size() > column;
    if (long_flag) {
      text += fmt::format("  {}\n", left(flag));
    }
    for (size_t i = 0; i < lines.size(); ++i) {
      text +=
          fmt::format("  {:<{}}  {}\n", i == 0 && !long_flag ? left(flag) : "", column, lines[i]);
    }
  }
  if (!footer_.empty()) {
    text += "\n";
    for (const auto& line : wrapped(footer_, kColumns)) {
      text += line + "\n";
    }
  }
  return text;
}

void check_arguments(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    check_characters(argv[i]);
    if (std::string_view(argv[i]) == "--") {
      throw UsageError("expected a flag (--name) but got '--'.");
    }
  }
}

}  // namespace ladder::apps
