/// Rows of one semi-supervised training step.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/types.h>

namespace ladder {

/// N labeled rows with their classes and M unlabeled rows. A ladder computes its supervised cost
/// from the labeled rows and its denoising costs from the unlabeled ones.
///
///     ladder::SemiBatch batch = sampler.batch(step);
///     model->loss(batch, noise).total.backward();
struct SemiBatch {
  torch::Tensor x_labeled;    ///< [N, ...], floating or uint8
  torch::Tensor y;            ///< [N], int64: class of each labeled row, from 0
  torch::Tensor x_unlabeled;  ///< [M, ...], like x_labeled; undefined in supervised training
};

}  // namespace ladder
