#pragma once

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cstdint>
#include <vector>

#include "ladder/core/internal/tensor_text.h"

namespace ladder::train {

/// Refuse features, naming `function`, that are none or not floating [rows, units].
inline void check_features(const char* function, const std::vector<at::Tensor>& features,
                           int64_t rows) {
  TORCH_CHECK(!features.empty(), function, ": expected features but got none.");
  for (const auto& one : features) {
    TORCH_CHECK(one.defined() && one.dim() == 2 && one.size(0) == rows && one.is_floating_point(),
                function, ": expected floating features [", rows, ", units] but got ",
                shape_text(one), ".");
  }
}

}  // namespace ladder::train
