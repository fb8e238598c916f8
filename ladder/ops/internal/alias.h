/// Tensors over a part of another's storage that autograd does not treat as views.
#pragma once

#include <ATen/ATen.h>

namespace ladder::ops {

/// Rows [begin, begin + count) of a contiguous tensor as a tensor of their own, so that an
/// operator may return several of them and each gets a gradient of its own size.
inline at::Tensor alias_rows(const at::Tensor& dense, int64_t begin, int64_t count) {
  auto sizes = dense.sizes().vec();
  const auto row = dense.stride(0);
  sizes[0] = count;
  return at::empty({0}, dense.options())
      .set_(dense.storage(), dense.storage_offset() + begin * row, sizes, dense.strides());
}

}  // namespace ladder::ops
