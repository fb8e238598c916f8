/// Values of flags, from their texts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ladder::apps {

/// A wrong command line. The program prints the sentence and exits with status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Return the parts of a text between separators, at least one.
std::vector<std::string> split_at(const std::string& text, char separator);

/// " (did you mean X?)" if one of `names` is near to `name`, else "". `list` says what lists all of
/// them: " (did you mean X? --list shows all)", else " (--list shows all)".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& names,
                         const std::string& list = "");

/// Read a value; spaces around it are skipped. `flag` names the flag in the error, a UsageError.
int64_t parse_integer(const std::string& flag, const std::string& text, int64_t least,
                      int64_t most = INT64_MAX);
double parse_number(const std::string& flag, const std::string& text, double least,
                    double most = std::numeric_limits<double>::infinity());
double parse_positive_number(const std::string& flag, const std::string& text);
std::string parse_choice(const std::string& flag, const std::string& text,
                         const std::vector<std::string>& choices);

/// Read at least one word; commas separate them, spaces around them are skipped. A comma behind a
/// backslash is a part of its word: "a\, b,c" has the words "a, b" and "c".
std::vector<std::string> parse_words(const std::string& text);
/// Return a word as `parse_words` takes it: with a backslash before each comma.
std::string word_text(const std::string& word);

/// Read at least one number. `other`: what the flag takes in place of numbers, for the error.
std::vector<int64_t> parse_integers(const std::string& flag, const std::string& text, int64_t least,
                                    int64_t most = INT64_MAX);
std::vector<double> parse_numbers(const std::string& flag, const std::string& text, double least,
                                  const std::string& other = "");
/// Return numbers as a command line has them: "1000,10,0.1".
std::string join(const std::vector<int64_t>& values);
std::string join(const std::vector<double>& values);

/// Read `1..10`, `1,2,5` or both. Errors: a range that runs down, a seed given twice, over 10,000
/// seeds.
std::vector<uint64_t> parse_seeds(const std::string& flag, const std::string& text);

/// Read the path of a folder or a file. Errors: an empty one; one that begins with "~/", which the
/// shell leaves as it is behind "=".
std::filesystem::path parse_folder(const std::string& flag, const std::string& text);
std::filesystem::path parse_file(const std::string& flag, const std::string& text);

/// Refuse to write to the file that `word` ("DATA") of the command line names. Devices pass.
void check_not_same(const std::string& word, const std::filesystem::path& read,
                    const std::filesystem::path& written);

}  // namespace ladder::apps
