/// Errors of the CSV reader. It includes nothing of LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ladder::data {

/// What is wrong with a CSV file: a whole sentence.
class CsvFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throw the sentence as a `CsvFault`.
[[noreturn]] void refuse_csv(const std::string& expected, const std::string& got,
                             const std::string& hint = "");

/// Bytes of a text that messages show at most.
inline constexpr size_t kMaxShownBytes = 40;

/// Return a text in quotes as messages show it: at most kMaxShownBytes bytes, without control
/// characters or broken UTF-8.
std::string quoted_text(std::string_view text);

/// Return a delimiter as messages show it: ';' in quotes, or tab.
std::string delimiter_name(char delimiter);

/// What messages call a file and its columns.
struct CsvNames {
  std::string file;
  std::vector<std::string> columns = {};  ///< empty until the header is known

  /// Return "column 2 ('age') of people.csv".
  std::string column(size_t index) const;
  /// Return "line 7, column 2 ('age') of people.csv".
  std::string place(int64_t line, size_t index) const;
};

}  // namespace ladder::data
