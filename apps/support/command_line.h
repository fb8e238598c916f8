/// Flags of a program: one table that is parsed, checked and printed as help.
#pragma once

#include <cstdint>
#include <cxxopts.hpp>
#include <filesystem>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ladder::apps {

/// A wrong command line: the program prints the sentence and exits with status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The flags of a program.
///
/// `--name value` and `--name=value` are the same; given twice, the last one counts. Values are
/// taken in the order of the table, not of the command line, so that `--recipe` can come last and
/// still be what the others edit.
class CommandLine {
 public:
  /// `usage` says in the help text what the program does.
  CommandLine(std::string program, std::string usage)
      : program_(std::move(program)), usage_(std::move(usage)) {}

  /// Starts a group of flags in the help text.
  void heading(std::string title);
  /// A flag with a value; `set` throws UsageError for a wrong one.
  void flag(std::string name, std::string value, std::string help,
            std::function<void(const std::string&)> set);
  void integer(std::string name, std::string help, int64_t& target, int64_t least,
               int64_t most = INT64_MAX);
  void number(std::string name, std::string value, std::string help, double& target,
              double least = 0, double most = std::numeric_limits<double>::infinity());
  /// One of a few words; the first is said to be the default.
  void choice(std::string name, std::string help, std::string& target,
              const std::vector<std::string>& choices);
  /// A flag without a value.
  void toggle(std::string name, std::string help, bool& target);

  /// Errors: an unknown flag (with the nearest known one), a missing value, a value where none is
  /// taken, an argument that is no flag.
  void parse(int argc, const char* const* argv);
  /// Hands the parsed values to the flags.
  void apply() const;

  bool given(std::string_view name) const;
  std::string help() const;

 private:
  struct Flag {
    std::string name;  // without the dashes; empty for a heading
    std::string value;
    std::string help;
    std::function<void(const std::string&)> set;
    bool given = false;
    std::string text = {};
  };
  Flag& find(const std::string& name);
  cxxopts::Options options() const;

  std::string program_, usage_;
  std::vector<Flag> flags_;
};

/// " (did you mean X?)" where a name is near enough to one of `names`, else nothing.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& names);

/// The values of flags. Each takes the flag as it is named in the sentence of an error.
int64_t parse_integer(const std::string& flag, const std::string& text, int64_t least,
                      int64_t most = INT64_MAX);
double parse_number(const std::string& flag, const std::string& text, double least,
                    double most = std::numeric_limits<double>::infinity());
std::string parse_choice(const std::string& flag, const std::string& text,
                         const std::vector<std::string>& choices);
/// Separated by commas, at least one.
std::vector<int64_t> parse_integers(const std::string& flag, const std::string& text,
                                    int64_t least);
std::vector<double> parse_numbers(const std::string& flag, const std::string& text, double least);
/// Error: an empty one.
std::filesystem::path parse_folder(const std::string& flag, const std::string& text);
/// `1..10`, `1,2,5` or both. Errors: a range that runs down, a seed given twice, over 10,000 seeds.
std::vector<uint64_t> parse_seeds(const std::string& flag, const std::string& text);

/// Values as they are written on a command line.
std::string join(const std::vector<int64_t>& values);
std::string join(const std::vector<double>& values);
/// The shortest decimal that reads back as `value`.
std::string shortest(double value);

}  // namespace ladder::apps
