/// Functions of a few values per row, which LibTorch's own threads only slow down.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace ladder::ops {

/// softmax(x) over the columns of x [R, C]. Differentiable.
at::Tensor softmax_of_rows(const at::Tensor& x);

/// a log p for probabilities p. A p below the least normal number of float32 counts as that number
/// and has no gradient; 0 log p is 0. Differentiable.
at::Tensor times_log(const at::Tensor& a, const at::Tensor& p);

/// Mean over rows of -log softmax(logits)[y], logits [R, C] and classes y int64 [R]: the value and
/// the gradient of torch::cross_entropy_loss. Differentiable in the logits.
at::Tensor mean_cross_entropy(const at::Tensor& logits, const at::Tensor& y);

/// Sum over rows of -w[y] log softmax(logits)[y] with a weight w [C] of each class, or that sum
/// divided by the sum of w[y]: the value and the gradient of torch::cross_entropy_loss.
/// Differentiable in the logits.
at::Tensor weighted_sum_of_cross_entropies(const at::Tensor& logits, const at::Tensor& y,
                                           const at::Tensor& weights);
at::Tensor weighted_mean_cross_entropy(const at::Tensor& logits, const at::Tensor& y,
                                       const at::Tensor& weights);

/// mean_cross_entropy, or weighted_mean_cross_entropy if there are weights, without autograd, in
/// two calls.
struct CrossEntropy {
  at::Tensor cost;    ///< []
  at::Tensor log_p;   ///< [R, C]
  at::Tensor weight;  ///< [], of all rows: their number, or the sum of their classes' weights
};
CrossEntropy cross_entropy(const at::Tensor& logits, const at::Tensor& y,
                           const std::optional<at::Tensor>& weights = std::nullopt);
/// Return the gradient of the logits from what `cross_entropy` returned.
at::Tensor cross_entropy_backward(const at::Tensor& grad_cost, const CrossEntropy& forward,
                                  const at::Tensor& y,
                                  const std::optional<at::Tensor>& weights = std::nullopt);

}  // namespace ladder::ops
