#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace ladder::data {

/// Texts that are missing values in every file: "", NA, N/A, NaN, nan, ?, NULL, null.
const std::vector<std::string>& usual_missing();
bool is_usual_missing(std::string_view text);

/// Further missing values of one table, by text and by number: -999.0 is missing where "-999" is.
class MissingValues {
 public:
  explicit MissingValues(std::vector<std::string> texts, char decimal = '.');

  bool contains(std::string_view text) const {
    return std::find(texts_.begin(), texts_.end(), text) != texts_.end();
  }
  bool contains(double number) const {
    return std::find(numbers_.begin(), numbers_.end(), number) != numbers_.end();
  }
  const std::vector<double>& numbers() const { return numbers_; }

 private:
  std::vector<std::string> texts_;
  std::vector<double> numbers_;
};

}  // namespace ladder::data
