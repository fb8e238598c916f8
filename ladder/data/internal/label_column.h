/// What a label column holds, of texts or of numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ladder/data/table.h"

namespace ladder::data {

/// Return the texts of a column: the levels of texts that some row has, or its different numbers in
/// ascending order.
std::vector<std::string> label_texts(const Column& column);

/// Return the number of rows whose label is written as -1, however it is spelled. `classes`: those
/// of the column.
int64_t rows_of_minus_one(const Column& column, const std::vector<std::string>& classes);

/// Return the parts of a list, "a; b", without the spaces around them and without empty ones.
std::vector<std::string> parts_of(const std::string& text, char separator);

/// Return whether different class names with a comma are numbers or pairs of numbers and no lists:
/// each has two parts that are numbers, as "1,5" beside "1" and "2" has. They are lists if the
/// parts of all names are classes as well, as those of "1,2" are, and no name repeats a part, as
/// "0,0" does and no list would.
bool are_comma_numbers(const std::vector<std::string>& classes);

}  // namespace ladder::data
