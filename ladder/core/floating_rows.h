/// Rows of bytes as numbers in [0, 1].
#pragma once

#include <torch/types.h>

namespace ladder {

/// Return uint8 rows as `dtype` in [0, 1]: x / 255. Rows of any other type come back unchanged:
/// int64 rows as int64. Every part of the library that takes rows of bytes scales them by this
/// function.
torch::Tensor floating_rows(const torch::Tensor& x, torch::Dtype dtype = torch::kFloat32);

/// Return floating_rows(x.index_select(0, rows)), gathered and scaled in one pass by several
/// threads if x is contiguous, float32 or uint8, and on the CPU (gathering random rows is limited
/// by memory latency). Errors: those of index_select.
torch::Tensor gather_floating_rows(const torch::Tensor& x, const torch::Tensor& rows);

}  // namespace ladder
