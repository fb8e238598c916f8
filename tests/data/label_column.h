/// Label columns of given values.
#pragma once

#include <ladder/data/table.h>
#include <torch/torch.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace ladder::testing {

inline data::Column text_labels(const std::vector<std::string>& values) {
  data::Column column{.name = "kind", .kind = data::ColumnKind::kText};
  for (const auto& value : values) {
    const auto found = std::find(column.levels.begin(), column.levels.end(), value);
    column.codes.push_back(static_cast<int32_t>(found - column.levels.begin()));
    if (found == column.levels.end()) column.levels.push_back(value);
  }
  return column;
}

inline data::Column number_labels(std::vector<double> values) {
  return {.name = "kind", .kind = data::ColumnKind::kNumber, .numbers = std::move(values)};
}

inline torch::Tensor row_list(const std::vector<int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

}  // namespace ladder::testing
