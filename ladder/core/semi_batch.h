/// Rows of one semi-supervised training step.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/types.h>

#include <memory>

#include "ladder/core/batch_ranks.h"

namespace ladder {

/// N labeled rows with their classes and M unlabeled rows. A ladder computes its supervised cost
/// from the labeled rows and its denoising costs from the unlabeled ones.
///
///     ladder::SemiBatch batch = sampler.batch(step);
///     model->loss(batch, noise).total.backward();
struct SemiBatch {
  torch::Tensor x_labeled = {};    ///< [N, ...], floating or uint8
  torch::Tensor y = {};            ///< [N], int64: class of each labeled row, from 0
  torch::Tensor x_unlabeled = {};  ///< [M, ...], like x_labeled; undefined in supervised training
  /// Processes that each hold as many rows of one larger batch. Statistics of rows are then those
  /// of all their rows, and the mean of a cost over the ranks is the cost of the larger batch; so
  /// is that of the gradients. A cost that is no mean over rows needs `mean_over` for this. None:
  /// the batch is whole.
  std::shared_ptr<BatchRanks> ranks = {};
  /// True where unlabeled row n + M / 2 is a neighbour of row n, for each n below M / 2 rounded
  /// down (data::SemiData::neighbours).
  bool paired = false;
  /// Rows of data::SemiData that `x_unlabeled` holds, int64 [M]; undefined for rows from elsewhere.
  torch::Tensor unlabeled_rows = {};
};

}  // namespace ladder
