/// Tensors over a part of another's storage that autograd does not treat as views.
#pragma once

#include <ATen/ATen.h>

namespace ladder::ops {

/// Return rows [begin, begin + count) of a contiguous tensor as a separate tensor: an operator can
/// return several, and each gets a gradient of its own size. Changing one in place counts as
/// changing `dense`: autograd refuses a backward pass that needs the old values.
inline at::Tensor alias_rows(const at::Tensor& dense, int64_t begin, int64_t count) {
  auto sizes = dense.sizes().vec();
  const auto row = dense.stride(0);
  sizes[0] = count;
  auto alias =
      at::empty({0}, dense.options())
          .set_(dense.storage(), dense.storage_offset() + begin * row, sizes, dense.strides());
  if (!alias.is_inference() && !dense.is_inference()) {
    alias.unsafeGetTensorImpl()->set_version_counter(
        dense.unsafeGetTensorImpl()->version_counter());
  }
  return alias;
}

}  // namespace ladder::ops
