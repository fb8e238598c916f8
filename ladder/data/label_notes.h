/// What is worth saying about labels that were read.
#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "ladder/data/table.h"

namespace ladder::data {

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

}  // namespace ladder::data
