/// What a label column holds, of texts or of numbers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ladder/data/table.h"

namespace ladder::data {

/// Return the texts of a column: the levels of texts, or its different numbers in ascending order.
std::vector<std::string> label_texts(const Column& column);

/// Return the number of rows whose label is written as -1, however it is spelled.
int64_t rows_of_minus_one(const Column& column);

}  // namespace ladder::data
