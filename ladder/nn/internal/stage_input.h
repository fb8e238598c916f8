/// Checks of what a stage or a map is given.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <cstdint>

namespace ladder {

/// Hint for an input without its batch dimension, empty for any other.
inline const char* batch_hint(const at::Tensor& x, int64_t dimensions) {
  return x.dim() == dimensions - 1 ? " (one row needs a batch dimension: unsqueeze(0))." : ".";
}

/// Check that `x` has the type and the device of the parameter `like`.
inline void check_like_weight(const char* owner, const at::Tensor& x, const at::Tensor& like) {
  TORCH_CHECK(x.scalar_type() == like.scalar_type() && x.device() == like.device(), owner,
              ": expected an input in ", c10::toString(like.scalar_type()), " on ", like.device(),
              " like its weight but got ", c10::toString(x.scalar_type()), " on ", x.device(), ".");
}

}  // namespace ladder
