#pragma once

#include <torch/types.h>

namespace ladder {

/// The rows of one training step: N labeled rows with their classes and M unlabeled rows.
/// A ladder takes its supervised cost from the first and its denoising costs from the second.
///
///     ladder::SemiBatch batch = sampler.batch(step);
///     model->loss(batch, noise).total.backward();
struct SemiBatch {
  torch::Tensor x_labeled;    ///< floating, [N, ...]
  torch::Tensor y;            ///< int64, [N], the class of each labeled row
  torch::Tensor x_unlabeled;  ///< floating, [M, ...]; undefined in supervised training
};

}  // namespace ladder
