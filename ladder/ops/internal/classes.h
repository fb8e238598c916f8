/// Functions of a few values per row, which LibTorch's own threads only slow down.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>

#include "ladder/core/batch_ranks.h"

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

/// mean over rows of H(p_r) - b H(mean of p_r), p = softmax(x), with H(p) = -sum p log p: for b = 1
/// minus the mutual information of rows and classes [Krause2010]. Logarithms are those of
/// `times_log`: a logit of -infinity rules its class out. The mean of p is that of all `ranks`.
/// Differentiable.
at::Tensor negative_mutual_information(const at::Tensor& x, double spread = 1,
                                       const std::shared_ptr<BatchRanks>& ranks = {});

/// The same functions of float32 on plain memory, on the calling thread; `at::Tensor` ones of that
/// type give the same bits.
namespace plain {

/// Logits [rows, classes] without gradients and their softmax.
struct Classes {
  int64_t rows, classes;
  const float* logits;
  float* p;  ///< [rows, classes]
};
void softmax(const Classes& x);
/// Gradient of the logits, given that of p.
void softmax_backward(const Classes& x, const float* grad_p, float* grad_logits);

/// Labels [rows] and the weight of each class, or null.
struct Labels {
  const int64_t* y;
  const float* weights;
};
/// True for y int64 [rows] on the CPU, side by side, of labels from 0 to classes - 1.
bool are_labels(const at::Tensor& y, int64_t rows, int64_t classes);
/// Return mean_cross_entropy or weighted_mean_cross_entropy, and write p.
float cross_entropy(const Classes& x, const Labels& labels);
/// Gradient of the logits, from p.
void cross_entropy_backward(const Classes& x, const Labels& labels, float grad_cost,
                            float* grad_logits);

}  // namespace plain
}  // namespace ladder::ops
