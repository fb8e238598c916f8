#pragma once

#include <torch/types.h>

#include "ladder/core/random.h"
#include "ladder/nn/ladder.h"

namespace ladder::train {

/// The costs and logits of a step over the unlabeled rows x [n, ...], n at least 2. A step also
/// takes labeled rows: two rows of class 0 stand in for them, so `supervised` and `total` mean
/// nothing.
inline LadderLoss unlabeled_loss(Ladder& net, const torch::Tensor& x, NoiseSource& noise) {
  const auto labels = torch::zeros({2}, x.options().dtype(torch::kInt64));
  return net->loss({x.narrow(0, 0, 2), labels, x}, noise);
}

}  // namespace ladder::train
