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

/// Return whether a text is a whole number with a decimal comma: 1,0 and 2,00.
bool is_whole_with_comma(const std::string& text);

/// Return whether the text of a label is "" or -1, which mean that there is none.
bool means_no_label(const std::string& text, bool commas);

/// Finds classes by name; blanks around a name do not count. Where all names are numbers, those of
/// one value are one class; where all are truth values (true, FALSE, 1), their spellings are.
///
/// Where the classes, read with decimal commas, are different numbers, 1 and 1.0 name the class 1,0
/// and 1,5 names 1.5, whatever other texts there are. A text and a class that both have a comma are
/// one only if both are whole (1,0 and 1,00), or if the texts show that commas are decimal marks.
class ClassPlaces {
 public:
  static constexpr int64_t kUnlabeled = -1;  ///< the text means that there is no label
  static constexpr int64_t kUnknown = -2;    ///< it names no class

  /// `texts`: those that will be looked for (`has_decimal_commas`).
  explicit ClassPlaces(const std::vector<std::string>& classes,
                       const std::vector<std::string>& texts = {});

  /// Return the place of the class that `text` names, kUnlabeled or kUnknown.
  int64_t find(const std::string& text) const;

 private:
  int64_t find_number(const std::string& text) const;

  std::vector<std::string> classes_;
  bool commas_ = false;        // are decimal marks in all texts
  bool reads_commas_ = false;  // numbers may have one
  std::unordered_map<std::string, int64_t> of_name_ = {};
  std::map<double, int64_t> of_number_ = {};  // empty unless all classes are numbers
  std::map<int, int64_t> of_truth_ = {};      // empty unless all are truth values, one each
};

}  // namespace ladder::data
