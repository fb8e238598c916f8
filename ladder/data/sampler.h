#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

#include "ladder/core/semi_batch.h"

namespace ladder::data {

/// What a `SemiSampler` draws from. All rows stay resident, on the device of `inputs`.
struct SemiData {
  /// [rows, ...]: floating rows are handed out as they are, uint8 rows as float32 in [0, 1] (x /
  /// 255).
  torch::Tensor inputs;
  torch::Tensor labels;     ///< int64 [rows]; only those of the labeled rows are read
  torch::Tensor labeled;    ///< int64 [n], rows whose label is used; undefined or empty for none
  torch::Tensor unlabeled;  ///< int64 [m], rows used without it; undefined or empty for none
};

/// Batch sizes and seed of a `SemiSampler`.
struct SamplerOptions {
  /// 0: supervised training, `x_unlabeled` undefined.
  int64_t unlabeled_batch = 100;
  /// By default min(100, number of labeled rows). 0: `x_labeled` and `y` undefined.
  std::optional<int64_t> labeled_batch = std::nullopt;
  uint64_t seed = 1;  ///< of the run
};

/// Hands out the batches of semi-supervised training.
///
/// Unlabeled rows follow a new permutation every epoch; an epoch is
///
///     steps_per_epoch = floor(unlabeled rows / unlabeled batch)
///
/// steps, and the rows that its permutation leaves over are dropped: no row comes twice in an epoch
/// and every row comes once where the batch size divides the rows. Labeled rows are cycled on their
/// own, each cycle in a new permutation that uses every row exactly once; a batch may end one cycle
/// and start the next. Epochs are thus counted in unlabeled rows, however few labels there are
/// [Rasmus2015]. When the unlabeled batch is 0, an epoch still goes over as many rows as there are
/// unlabeled ones (labeled ones, where there are no unlabeled rows), `labeled_batch` at a step.
///
/// `batch(step)` depends on the seed and the step alone, so a resumed run needs no state from here.
/// It selects rows with slices of permutations kept for the current epoch; call it from one thread.
///
///     SemiSampler sampler({x, train.labels, split.labeled, split.unlabeled}, {.seed = 1});
///     for (int64_t step = 0; step < epochs * sampler.steps_per_epoch(); ++step)
///       model->loss(sampler.batch(step), noise).total.backward();
class SemiSampler {
 public:
  /// Throws `c10::Error` when shapes or types differ from those above, a row index is out of range,
  /// a labeled row has a negative label, a batch size is out of range, or the rows do not fill one
  /// batch.
  SemiSampler(SemiData data, const SamplerOptions& options = {});

  /// The rows of step `step`, counted from 0 over all epochs:
  /// x_labeled [labeled batch, ...], y [labeled batch], x_unlabeled [unlabeled batch, ...].
  SemiBatch batch(int64_t step);

  /// The batch of given rows, as `labeled_rows` and `unlabeled_rows` give them: nothing of it
  /// depends on the host, so that a recorded step may gather its own rows (train::StepGraph).
  SemiBatch gather(const torch::Tensor& labeled_rows, const torch::Tensor& unlabeled_rows) const;

  int64_t steps_per_epoch() const { return steps_per_epoch_; }
  int64_t labeled_batch() const { return labeled_batch_; }
  int64_t unlabeled_batch() const { return unlabeled_batch_; }

  /// The row indices, int64 on the device of the inputs, that `batch(step)` selects.
  torch::Tensor labeled_rows(int64_t step);
  torch::Tensor unlabeled_rows(int64_t step);

 private:
  // Row indices in the order of use, kept for the block of steps (or the epoch) `index`.
  struct Order {
    int64_t index = -1;
    torch::Tensor rows;
  };

  torch::Tensor inputs_of(const torch::Tensor& rows) const;

  torch::Tensor inputs_;
  torch::Tensor labels_;
  torch::Tensor labeled_;
  torch::Tensor unlabeled_;
  int64_t labeled_batch_ = 0;
  int64_t unlabeled_batch_ = 0;
  int64_t steps_per_epoch_ = 0;
  uint64_t shuffle_seed_ = 0;
  Order labeled_order_;
  Order unlabeled_order_;
};

}  // namespace ladder::data
