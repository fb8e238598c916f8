/// Class names and labels of rows.
#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "ladder/data/table.h"

namespace ladder::data {

/// Labels that index class names.
struct ClassLabels {
  std::vector<std::string> classes = {};  ///< in order: of numbers if all are, else of bytes
  torch::Tensor labels = {};              ///< int64 [rows]; -1: the row has no label
};

/// Return true if the text of a label cell means "no label": "", or -1 in any spelling ("-1",
/// "-1.0"). Blanks around it do not count. Where labels have decimal commas, "-1,0" means it too.
bool is_unlabeled(const std::string& text);

/// Return whether the comma in texts of labels is a decimal mark, so that "1,0" is 1 and "-1,0" no
/// label. Each text with a comma must be a number with a decimal comma, and either all of these are
/// whole (1,0; not all may be thousands, 1,000), or one has the value of a text with a point (1,3
/// and 1.3). Else texts with a comma are names: chapters 1,1 and 1,10 are two classes.
bool has_decimal_commas(const std::vector<std::string>& texts);

/// Make classes of the texts of labels: remove those that mean "no label" and duplicates, and sort
/// the others, by value if all of them are numbers and else by bytes. Equal numbers of at most 15
/// digits are one class, named by the shortest spelling: some programs write 1 as 1.0 if other
/// labels in the column are missing, or as 1,0 (`has_decimal_commas`). Blanks around a name are
/// removed, no-break spaces too. If all names are truth values, the spellings of a value (true,
/// True, TRUE, 1) are one class, named by the first of these that occurs.
std::vector<std::string> ordered_classes(std::vector<std::string> names);

/// Read the classes of a label column. Missing values, "" and -1 are rows without a label.
/// Errors: no label at all; one class only; a quantity, that is more than 10 numbers, most of them
/// in one labeled row only, with fractions or far apart (21.5, or 21,5 as files with decimal commas
/// have it), or more than 50 numbers with fractions; lists of classes, such as "a;b" beside "a" and
/// "b". Numbers with a comma are no list unless all of their parts are classes too: "1,2" is one
/// beside "1" and "2", not beside "2,3". In a column of numbers: 2^53 or above, where a double
/// does not tell one number from the next.
ClassLabels class_labels(const Column& column);

/// Check labels that were read in another way, from shards say: throw the errors of `class_labels`.
/// `minus_ones`: number of rows whose label is written -1, for the sentence about a single class.
void check_class_labels(const ClassLabels& found, const std::string& column,
                        int64_t minus_ones = 0);

/// Return labels that index `names`, as images have them, as labels that index `classes`; -1 stays.
/// Error: a name that is no class; the sentence names `source` and the nearest class.
torch::Tensor relabeled(const torch::Tensor& labels, const std::vector<std::string>& names,
                        const std::vector<std::string>& classes, const std::string& source);

/// Return the place of the class that each text names, by the rules of class_labels; -1 for a text
/// that means "no label", -2 for one that names no class. What is the name of a class is no -1.
std::vector<int64_t> class_places(const std::vector<std::string>& texts,
                                  const std::vector<std::string>& classes);

/// Return the labels of a column in the order of known classes. Error: a class that is not among
/// them, with its first row; the nearest name is given; a number of 2^53 or above.
torch::Tensor labels_of(const Column& column, const std::vector<std::string>& classes);

}  // namespace ladder::data
