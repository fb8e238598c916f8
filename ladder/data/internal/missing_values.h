#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace ladder::data {

/// Texts that are missing values in every file (csv.h lists them).
const std::vector<std::string>& usual_missing();
bool is_usual_missing(std::string_view text);

/// Return a text without the spaces, tabs and no-break spaces around it.
std::string_view without_blanks(std::string_view text);

/// Return a text without the sign that it begins with: +, - or U+2212.
std::string_view without_sign(std::string_view text);

/// Further missing values of one table, by text and by number: -999.0 is missing where "-999" is.
class MissingValues {
 public:
  /// `decimal`: decimal mark of numbers among the texts; a point is always taken.
  explicit MissingValues(std::vector<std::string> texts, char decimal = '.');

  /// Return whether a text is missing: one of the texts, or another spelling of a number among
  /// them. 0999 is a code and not the number 999.
  bool contains(std::string_view text) const;
  bool contains(double number) const {
    return std::find(numbers_.begin(), numbers_.end(), number) != numbers_.end();
  }
  /// Return whether a number of a column in single precision is missing: its values are rounded.
  bool contains_rounded(double number) const {
    return std::find(rounded_.begin(), rounded_.end(), number) != rounded_.end();
  }
  const std::vector<double>& numbers() const { return numbers_; }
  /// The same in single precision, without those that it does not hold.
  const std::vector<double>& rounded() const { return rounded_; }

 private:
  std::vector<std::string> texts_;
  char decimal_;
  std::vector<double> numbers_, rounded_;
};

/// Which cells of a file are missing: those with usual texts, and those with given ones.
struct MissingCells {
  MissingValues given = MissingValues({});
  std::vector<std::string> values = {};  ///< usual texts that are values in columns of texts

  /// `is_text`: of a column that is not known to hold numbers.
  bool contains(std::string_view text, bool is_text = true) const;
};

}  // namespace ladder::data
