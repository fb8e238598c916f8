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
/// "-1.0"). Blanks around it do not count.
bool is_unlabeled(const std::string& text);

/// Sort class names, by value if all of them are numbers and else by bytes, and remove duplicates.
/// Equal numbers of at most 15 digits are one class, named by the shortest spelling (some programs
/// write 1 as 1.0 if other labels in the column are missing). Blanks around a name are removed,
/// no-break spaces too. If all names are truth values, the spellings of a value (true, True, TRUE,
/// 1) are one class, named by the first of these that occurs.
std::vector<std::string> ordered_classes(std::vector<std::string> names);

/// Read the classes of a label column. Missing values, "" and -1 are rows without a label.
/// Errors: no label at all; one class only; a quantity, that is more than 10 numbers, most of them
/// in one labeled row only, with fractions or far apart (21.5, or 21,5 as files with decimal commas
/// have it), or more than 50 numbers with fractions; lists of classes, such as "a;b" beside "a" and
/// "b". Numbers with a comma are decimals unless all of their parts are classes too: "1,2" is a
/// list beside "1" and "2", not beside "2,3".
ClassLabels class_labels(const Column& column);

/// Return what is worth saying about the labels of a column, a sentence without a full stop each:
/// how many rows -1 or a text such as NA leaves without a label; different texts that are one
/// class; classes whose names look alike (`class_name_notes`), or like a missing value.
/// `classes`: of the column, or those of a model.
///
///     label_notes(column, {"no", "yes"});  // {"-1 means no label: 147 rows"}
std::vector<std::string> label_notes(const Column& column, const std::vector<std::string>& classes);

/// Return a note, as above, of each group of names that differ only in case, in blanks, or in the
/// encoding of their accents: O and U+0308 look like U+00D6.
std::vector<std::string> class_name_notes(const std::vector<std::string>& classes);

/// Return a note of each class that has a single labeled row, with the class whose name is nearest:
/// a typing error makes such a class. None where classes have fewer than 5 labeled rows on average.
/// `labels`: int64 [rows], -1 for none.
std::vector<std::string> single_row_notes(const torch::Tensor& labels,
                                          const std::vector<std::string>& classes);

/// Check labels that were read in another way, from shards say: throw the errors of `class_labels`.
/// `minus_ones`: number of rows whose label is written -1, for the sentence about a single class.
void check_class_labels(const ClassLabels& found, const std::string& column,
                        int64_t minus_ones = 0);

/// Return labels that index `names`, as images have them, as labels that index `classes`; -1 stays.
/// Error: a name that is no class; the sentence names `source` and the nearest class.
torch::Tensor relabeled(const torch::Tensor& labels, const std::vector<std::string>& names,
                        const std::vector<std::string>& classes, const std::string& source);

/// Return the labels of a column in the order of known classes. Error: a class that is not among
/// them, with its first row; the nearest name is given.
torch::Tensor labels_of(const Column& column, const std::vector<std::string>& classes);

/// Return the rows to hold back, int64 and ascending: a fraction `share` of the labeled rows of
/// each class. Counts are rounded so that the total is as near as possible to that fraction of all
/// labeled rows; a class never loses its last labeled row. The draw depends only on the arguments.
torch::Tensor hold_back(const torch::Tensor& labels, int64_t classes, double share, uint64_t seed);

/// Return the fold 0 to folds - 1 of each labeled row and -1 for others, int64 [rows]: the rows of
/// each class, in a seeded order, go to the folds in turn. Errors: fewer than 2 folds, or more
/// folds than labeled rows.
torch::Tensor stratified_folds(const torch::Tensor& labels, int64_t classes, int64_t folds,
                               uint64_t seed);

/// Return labeled rows with rows of rare classes repeated, so that every class has as many as the
/// most frequent one; a remainder goes to the first rows in the order of `labeled`.
torch::Tensor repeat_rare(const torch::Tensor& labeled, const torch::Tensor& labels,
                          int64_t classes);

/// Return rows repeated in proportion to their weights, so that rows are drawn as often as their
/// weights say. `weights`: float64 [all rows], finite and at least 0. Rows of weight 0 are left
/// out.
///
/// If all weights are whole multiples of the least one, and the list gets at most kMostRepeats
/// times as long, the proportions are exact. Otherwise the list gets about kMostRepeats times as
/// long: counts are rounded by the largest remainder, and every row comes at least once. Error: no
/// row with a weight.
torch::Tensor repeat_weighted(const torch::Tensor& rows, const torch::Tensor& weights);

/// Greatest length of the result of `repeat_weighted`, as a multiple of the number of rows.
inline constexpr int64_t kMostRepeats = 8;

}  // namespace ladder::data
