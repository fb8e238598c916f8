#pragma once

#include <ATen/ATen.h>

#include "ladder/core/internal/threads.h"
#include "ladder/ops/internal/classes.h"

namespace ladder::train {

/// Return the mean over rows of -a_n log softmax(logits_n)[c_n], logits [M, classes], for classes
/// c int64 [M] and weights a [M]. Differentiable in the logits.
inline at::Tensor mean_class_cost(const at::Tensor& logits, const at::Tensor& classes,
                                  const at::Tensor& weights) {
  const threads::OneThread serial(threads::is_small(logits));
  const auto p = ops::softmax_of_rows(logits).gather(1, classes.unsqueeze(1));
  return -ops::times_log(weights.to(logits.scalar_type()).unsqueeze(1), p).mean();
}

}  // namespace ladder::train
