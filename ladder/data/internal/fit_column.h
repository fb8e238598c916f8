/// The inputs of a network that are made of one column, chosen by its values.
#pragma once

#include <string>

#include "ladder/data/features.h"
#include "ladder/data/table.h"

namespace ladder::data {

/// Return the feature of a column of `table`: centre and scale of numbers, levels of texts, or why
/// the column is left out (empty, constant, an identifier). The rules are those of `fit_features`.
///
/// Errors: numbers that are not finite; cells that list numbers of different counts.
Feature fit_column(const Column& column, const Table& table, const FeatureOptions& options);

/// Check that the numbers of a column are finite or missing. Error: the first one that is not, with
/// its row.
void check_finite_column(const Column& column, const std::string& source);

/// Return " of <source>", or "" for none: the end of a sentence about a column.
std::string of_source(const std::string& source);

}  // namespace ladder::data
