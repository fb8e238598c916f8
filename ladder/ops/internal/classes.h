/// Functions of a few values per row, which LibTorch's own threads only slow down.
#pragma once

#include <ATen/core/Tensor.h>

namespace ladder::ops {

/// softmax(x) over the columns of x [R, C]. Differentiable.
at::Tensor softmax_of_rows(const at::Tensor& x);

/// Mean over rows of -log softmax(logits)[y], logits [R, C] and classes y int64 [R]: the value and
/// the gradient of torch::cross_entropy_loss. Differentiable in the logits.
at::Tensor mean_cross_entropy(const at::Tensor& logits, const at::Tensor& y);

}  // namespace ladder::ops
