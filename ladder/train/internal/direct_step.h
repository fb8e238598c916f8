#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "ladder/core/random.h"
#include "ladder/core/semi_batch.h"
#include "ladder/nn/internal/dense_step.h"
#include "ladder/nn/ladder.h"

namespace ladder::train {

/// The step of a ladder without autograd (see DenseStep), for the objectives of ladders.
class DirectStep {
 public:
  /// Return the costs of the batch; null, and nothing done, where the network has no such step.
  const DenseStep* forward(const Ladder& net, const SemiBatch& batch, NoiseSource& noise);

  /// Compute the gradients with the weights `lambda` of the costs, float32. Return the supervised
  /// cost, the denoising costs of `levels`, 0 where they are not computed now, and the total.
  /// `ready` as in DenseStep::backward.
  torch::Tensor backward(const torch::Tensor& lambda, const std::vector<int64_t>& levels,
                         const GradientReady& ready);

 private:
  std::unique_ptr<DenseStep> step_;
  bool built_ = false;
};

}  // namespace ladder::train
