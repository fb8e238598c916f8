#pragma once

#include <ATen/ATen.h>

#include <limits>

#include "ladder/core/internal/threads.h"

namespace ladder::train {

/// Return rows [M, ...] as long as 1 each; rows of zeros stay. On one thread of a CPU: LibTorch's
/// threads would keep the cores that the library's need.
inline at::Tensor unit_rows(const at::Tensor& x) {
  const threads::OneThread serial(x.is_cpu());
  const auto rows = x.flatten(1);
  const auto length = rows.norm(2, 1, /*keepdim=*/true);
  return (rows / length.clamp_min(std::numeric_limits<float>::min())).view_as(x);
}

}  // namespace ladder::train
