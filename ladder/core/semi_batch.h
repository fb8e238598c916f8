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
  /// Processes that each hold the same number of rows of one larger batch. Row statistics are then
  /// computed over the rows of all of them, and the mean over the ranks of a cost (or gradient) is
  /// that of the larger batch. A cost that is not a mean over rows needs `mean_over` for this.
  /// Null: this is the whole batch.
  std::shared_ptr<BatchRanks> ranks = {};
  /// True where unlabeled row n + M / 2 is a neighbour of row n, for each n below M / 2 rounded
  /// down (data::SemiData::neighbours).
  bool paired = false;
  /// Rows of data::SemiData that `x_unlabeled` holds, int64 [M]; undefined for rows from elsewhere.
  torch::Tensor unlabeled_rows = {};
};

}  // namespace ladder
