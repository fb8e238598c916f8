/// Flags of a program: one table that parses, checks and explains them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/support/flag_values.h"

namespace ladder::apps {

/// Takes the text of a flag; `flag` is its name as typed, such as "--lr", for the sentence of an
/// error. Throws UsageError for a wrong text.
using SetFlag = std::function<void(const std::string& flag, const std::string& text)>;

/// The flags of a program.
///
/// `--name value` and `--name=value` mean the same. A flag given twice takes the last value, but
/// every value is checked. Flags are applied in the order of the table, not of the command line, so
/// that `--recipe` may come last although the others edit the recipe.
///
/// Every argument is taken or refused, none is skipped: `--`, a word that is no flag, a value for a
/// flag without one, and a line end inside an argument (from a script saved on Windows) are errors.
///
///     CommandLine line("ladder-mnist", "Train a ladder network on MNIST.");
///     line.integer("epochs", "passes over the unlabeled rows", epochs, 1);
///     line.parse(argc, argv);
///     line.apply();
class CommandLine {
 public:
  /// `usage`: one sentence that says what the program does.
  CommandLine(std::string program, std::string usage)
      : program_(std::move(program)), usage_(std::move(usage)) {}

  /// Take a word that is no flag, "DATA" say, in the order of these calls. `repeated`: takes all
  /// words that are left, at least one if it is required.
  void word(std::string name, std::string help, bool required, SetFlag set, bool repeated = false);

  /// Start a group of flags in the help text.
  void heading(std::string title);
  /// Add a flag with a value. `names` holds its name without dashes and, after a comma, a second
  /// one: "lr,learning-rate"; a name of one letter has one dash: "out,o" is --out and -o. `value`
  /// stands for the value in the help text: "RATE".
  void flag(const std::string& names, std::string value, std::string help, SetFlag set);
  /// Add a flag that takes a whole number from `least` to `most`.
  void integer(const std::string& names, std::string help, int64_t& target, int64_t least,
               int64_t most = INT64_MAX);
  /// Add a flag that takes a number from `least` to `most`.
  void number(const std::string& names, std::string value, std::string help, double& target,
              double least = 0, double most = std::numeric_limits<double>::infinity());
  /// Add a flag that takes a number above 0.
  void positive_number(const std::string& names, std::string value, std::string help,
                       double& target);
  /// Add a flag that takes one of `choices`. The help text names the first as the default.
  void choice(const std::string& names, std::string help, std::string& target,
              const std::vector<std::string>& choices);
  /// Add a flag without a value.
  void toggle(const std::string& names, std::string help, bool& target);

  /// Add `--config FILE`: a JSON object of flags, {"label": "state", "layers": [100, 50], "quiet":
  /// true}, with comments allowed; an empty list is as no flag, and names in a list may hold
  /// commas. Flags on the command line win.
  void settings_file();

  /// Set the last paragraph of the help text.
  void footer(std::string text) { footer_ = std::move(text); }

  /// Read the command line. Errors: an unknown flag (the sentence names the nearest known one), a
  /// missing value, a value for a flag without one, an argument that is no flag, an argument with a
  /// control character.
  void parse(int argc, const char* const* argv);
  /// Hand the values to words and flags. Errors: those of the flags; a required word that is
  /// missing, unless --help or --version is given.
  void apply() const;

  /// True if the flag `name` is on the command line, or in the file of --config.
  bool given(std::string_view name) const;
  /// Flags that are on the command line, or in the file of --config, by their first names, and
  /// their values ("" for those without); those of the file come first.
  std::vector<std::pair<std::string, std::string>> given_flags() const;
  /// The help text, at most 80 columns wide.
  std::string help() const;

 private:
  struct Flag {
    std::vector<std::string> names;  // without dashes; empty for a heading
    std::string value;               // empty for a flag without a value
    std::string help;
    SetFlag set;
  };
  struct Given {
    size_t flag;       // place in flags_
    std::string name;  // as typed, with dashes
    std::string text;
  };
  struct Word {
    std::string name, help;
    bool required, repeated;
    SetFlag set;
  };
  size_t find(const std::string& dashed) const;
  void take_word(const std::string& text);
  void read_settings(const std::string& path);
  void check_words() const;
  std::string usage_line() const;

  std::string program_, usage_, footer_;
  std::vector<Flag> flags_;
  std::vector<Given> given_;
  std::vector<Word> words_;
  std::vector<std::pair<size_t, std::string>> given_words_;  // place in words_, text
};

/// Error (UsageError): an argument with a control character, or "--": no program takes them.
void check_arguments(int argc, const char* const* argv);

}  // namespace ladder::apps
