#pragma once

#include <torch/types.h>

namespace ladder {

/// Return floating rows unchanged, and uint8 rows as `dtype` in [0, 1]: x / 255. Every part of the
/// library that takes rows of bytes scales them by this function.
torch::Tensor floating_rows(const torch::Tensor& x, torch::Dtype dtype = torch::kFloat32);

}  // namespace ladder
