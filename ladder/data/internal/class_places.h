#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace ladder::data {

/// Return the value of a class name that is a finite number. Its minus may be U+2212, as in columns
/// of numbers. `commas`: a comma is a decimal mark (`has_decimal_commas`); else 1,5 is no number.
std::optional<double> class_number(const std::string& text, bool commas);

/// Return whether a text is a number that may be spelled otherwise: 1 and 1.0 are one, 01 is a
/// code, and so is a number of more than 15 digits, which a double does not tell from others.
bool is_plain_number(const std::string& text, bool commas);

/// Return whether the text of a label is "" or -1, which mean that there is none.
bool means_no_label(const std::string& text, bool commas);

/// Finds classes by name; blanks around a name do not count. Where all names are numbers, those of
/// one value are one class; where all are truth values (true, FALSE, 1), their spellings are.
class ClassPlaces {
 public:
  /// `texts`: those that will be looked for. With the classes they decide what commas are.
  explicit ClassPlaces(const std::vector<std::string>& classes,
                       const std::vector<std::string>& texts = {});

  /// Return whether `text` means that there is no label.
  bool is_unlabeled(const std::string& text) const { return means_no_label(text, commas_); }

  /// Return the place of the class that `text` names, -1 if there is none.
  int64_t find(const std::string& text) const;

 private:
  bool commas_ = false;  // are decimal marks
  std::unordered_map<std::string, int64_t> of_name_ = {};
  std::map<double, int64_t> of_number_ = {};  // empty unless all classes are numbers
  std::map<int, int64_t> of_truth_ = {};      // empty unless all are truth values, one each
};

}  // namespace ladder::data
