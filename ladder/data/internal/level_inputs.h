#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ladder/data/features.h"
#include "ladder/data/table.h"

namespace ladder::data {

/// Return the input of each of `levels` among those of the text column `feature`, -1 for none.
/// `missing`: Features::missing.
std::vector<int64_t> inputs_of_levels(const Feature& feature,
                                      const std::vector<std::string>& levels,
                                      const std::vector<std::string>& missing);

/// Return what `features.apply(table)` does, with the inputs of levels that were looked up before,
/// a vector for each feature. An empty one: look up the levels of the column.
torch::Tensor apply_features(const Features& features, const Table& table,
                             const std::vector<std::vector<int64_t>>& level_inputs);

}  // namespace ladder::data
