#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ladder/core/random.h"
#include "ladder/core/semi_batch.h"
#include "ladder/nn/internal/dense_step.h"
#include "ladder/nn/ladder.h"
#include "ladder/train/objective.h"

namespace ladder::train {

/// The step of a ladder without autograd (see DenseStep), for the objectives of ladders.
class DirectStep {
 public:
  /// Return the costs of the batch; null, and nothing done, where the network has no such step.
  /// `class_weights` [classes] float32, if given: how much each class counts.
  const DenseStep* forward(const Ladder& net, const SemiBatch& batch, NoiseSource& noise,
                           const std::optional<torch::Tensor>& class_weights = std::nullopt);

  /// Compute the gradients of the batch of `forward` with the weights `lambda` [n] of the costs,
  /// float32. Return the supervised cost, the denoising costs of `levels`, 0 where they are not
  /// computed now, the costs that `more` adds, and the total. `ready` and `more` as in
  /// Objective::direct_step.
  torch::Tensor backward(const SemiBatch& batch, const torch::Tensor& lambda,
                         const std::vector<int64_t>& levels, const GradientReady& ready,
                         const MoreCosts& more);

 private:
  // Costs that are computed by autograd, and their gradients.
  struct Added {
    std::vector<torch::Tensor> costs = {};
    DenseStep::Logits logits = {};
    torch::Tensor denoising = {};
  };
  Added add(const SemiBatch& batch, const torch::Tensor& lambda, const MoreCosts& more) const;

  std::unique_ptr<DenseStep> step_;
  bool built_ = false;
  size_t levels_ = 0;  // of the network, that may have a denoising cost
};

}  // namespace ladder::train
