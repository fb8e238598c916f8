/// Batches of labeled and unlabeled rows.
#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "ladder/core/semi_batch.h"
#include "ladder/data/block_order.h"
#include "ladder/data/row_source.h"

namespace ladder::data {

class BlockStream;

/// Rows that a `SemiSampler` draws from. They stay in the memory of the device of `inputs`.
struct SemiData {
  /// [rows, ...]. Batches hold floating rows unchanged, and uint8 rows as float32 x / 255.
  torch::Tensor inputs = {};
  torch::Tensor labels = {};     ///< int64 [rows]; only the labels of the labeled rows are read
  torch::Tensor labeled = {};    ///< int64 [n], rows whose label is used; undefined: none
  torch::Tensor unlabeled = {};  ///< int64 [m], rows used without label; undefined: none
  /// Neighbours of the unlabeled rows, int64 [m, k], by their places among these
  /// (nearest_neighbours). In the epochs from `paired_from` to below `paired_until` the second half
  /// of an unlabeled batch holds one of them, drawn at random, for each row of the first half: a
  /// cost can compare both. Undefined: batches are not paired.
  torch::Tensor neighbours = {};
  int64_t paired_from = 0;
  int64_t paired_until = 0;

  /// Rows that are not in memory, in place of `inputs`, `labels` and `unlabeled`, which stay
  /// undefined: all rows of the source but `held_out` are unlabeled ones.
  std::shared_ptr<const RowSource> source = {};
  torch::Tensor held_out = {};       ///< int64 [v], ascending; undefined: none
  torch::TensorOptions placed = {};  ///< type and device of batches from a source
  /// Shuffle the rows of a source by blocks, which a slow disk reads in one piece and ahead
  /// (`BlockOrder`). `rows` is 0: shuffle them one by one.
  BlockSizes blocks = {};
};

/// Return the label of each row of `inputs` that a run may read, int64 [rows], and -1 for the
/// others. Rows in memory only.
torch::Tensor known_labels(const SemiData& data);

/// Batch sizes and seed of a `SemiSampler`.
struct SamplerOptions {
  /// 0: supervised training, `x_unlabeled` undefined.
  int64_t unlabeled_batch = 100;
  /// By default min(100, number of labeled rows). 0: `x_labeled` and `y` undefined.
  std::optional<int64_t> labeled_batch = std::nullopt;
  /// If the unlabeled batch is 0: rows that a step counts for in an epoch. With the unlabeled batch
  /// of a ladder, supervised training takes as many steps as the ladder. None: the labeled batch.
  std::optional<int64_t> epoch_batch = std::nullopt;
  int64_t classes = 0;  ///< number of classes, to check the labels against; 0: no check
  uint64_t seed = 1;    ///< seed of the run
  /// Unlabeled rows of a source above which their order is a KeyedOrder, which takes no memory, in
  /// place of a permutation in memory (8 bytes a row).
  int64_t keyed_order_above = 10'000'000;
  /// Number of processes that share the rows, with one sampler each, and the index of this one. A
  /// step uses `ranks` batches; this sampler returns batch `rank`.
  int64_t rank = 0;
  int64_t ranks = 1;
};

/// Draw the batches of semi-supervised training.
///
/// Unlabeled rows follow a new permutation in every epoch. An epoch has
///
///     steps_per_epoch = floor(unlabeled rows / unlabeled batch)
///
/// steps. The rows at the end of the permutation that do not fill a batch are dropped, so no row
/// appears twice in an epoch. Labeled rows are cycled independently of the epochs: each cycle is a
/// new permutation of all labeled rows, and a batch may contain the end of one cycle and the start
/// of the next. Epochs are therefore counted in unlabeled rows, even with few labels [Rasmus2015].
/// If the unlabeled batch is 0, an epoch has floor(rows / labeled batch) steps, where rows is the
/// number of unlabeled rows, or of labeled rows if there are no unlabeled ones. `epoch_batch`, if
/// it is given, replaces the labeled batch in this quotient.
///
/// Rows of a source are read batch by batch; in the same order they give the same batches as rows
/// in memory. Its labeled rows are read once if they take up to 256 MiB. If rows are shuffled by
/// blocks, the blocks of the next window are read ahead, one after the other.
///
/// A batch of one row is refused: it has no statistics, and normalising it gives 0.
///
/// `batch(step)` depends only on the seed and the step, so a resumed run restores no state. Call it
/// from one thread: it keeps the permutations of the current epoch and of the last two cycles.
///
///     SemiSampler sampler({x, train.labels, split.labeled, split.unlabeled}, {.seed = 1});
///     for (int64_t step = 0; step < epochs * sampler.steps_per_epoch(); ++step)
///       model->loss(sampler.batch(step), noise).total.backward();
class SemiSampler {
 public:
  /// Throws `c10::Error` if shapes or types differ from those above, if a row index or a batch size
  /// is out of range, if a batch has one row, if a labeled row has a label that is negative or not
  /// below `classes`, or if the rows do not fill one batch.
  explicit SemiSampler(SemiData data, const SamplerOptions& options = {});
  SemiSampler(SemiSampler&&) noexcept;
  SemiSampler& operator=(SemiSampler&&) = delete;
  ~SemiSampler();

  /// Return the batch of step `step`, counted from 0 over all epochs:
  /// x_labeled [labeled batch, ...], y [labeled batch], x_unlabeled [unlabeled batch, ...].
  SemiBatch batch(int64_t step);

  /// Return the batch of given rows, as `labeled_rows` and `unlabeled_rows` return them. It only
  /// uses the device, so a recorded step can gather its rows (train::StepGraph).
  SemiBatch gather(const torch::Tensor& labeled_rows, const torch::Tensor& unlabeled_rows) const;

  /// True if batches come from a source.
  bool reads_source() const { return source_ != nullptr; }
  /// Return the steps of an epoch: those of one process divided by the number of ranks.
  int64_t steps_per_epoch() const { return steps_per_epoch_ / ranks_; }
  int64_t rank() const { return rank_; }
  int64_t ranks() const { return ranks_; }
  /// Return the steps of an epoch of one process.
  int64_t steps_of_one() const { return steps_per_epoch_; }
  /// Return whether the unlabeled rows of a step are paired with neighbours.
  bool has_pairs(int64_t step) const { return is_paired(step / steps_per_epoch()); }
  int64_t labeled_batch() const { return labeled_batch_; }
  int64_t unlabeled_batch() const { return unlabeled_batch_; }

  /// Return the row indices that `batch(step)` selects, int64 on the device of the inputs.
  torch::Tensor labeled_rows(int64_t step);
  torch::Tensor unlabeled_rows(int64_t step);

 private:
  // Row indices in the order of use, kept for the block of steps (or the epoch) `index`. `places`
  // are those of labeled rows among all of them.
  struct Order {
    int64_t index = -1;
    torch::Tensor rows, places = {};
  };

  // Step of one process whose batch this rank takes at `step`.
  int64_t step_of_one(int64_t step) const {
    const auto steps = steps_per_epoch();
    return step / steps * steps_per_epoch_ + step % steps * ranks_ + rank_;
  }

  torch::Tensor inputs_of(const torch::Tensor& rows) const;
  void put_labeled(const torch::Tensor& rows, SemiBatch& batch) const;
  void put_unlabeled(const torch::Tensor& rows, SemiBatch& batch) const;
  int64_t unlabeled_count() const;
  int64_t unlabeled_place(int64_t step) const;
  torch::Tensor keyed_rows(int64_t step) const;
  torch::Tensor labeled_places(int64_t begin, int64_t count);
  bool is_paired(int64_t epoch) const { return epoch >= paired_from_ && epoch < paired_until_; }
  void pair_rows(torch::Tensor& order, uint64_t seed) const;
  void keep_labeled(const torch::Tensor& labels);
  void read_ahead(int64_t step);

  std::shared_ptr<const RowSource> source_;
  torch::Tensor gaps_;  // of the rows of a source that are held out (internal/row_gaps.h)
  torch::TensorOptions placed_;
  torch::Tensor kept_, kept_labels_;  // of the labeled rows of a source, or undefined
  int64_t keyed_order_above_ = 0;
  torch::Tensor inputs_;
  torch::Tensor labels_;
  torch::Tensor labeled_;
  torch::Tensor unlabeled_;
  torch::Tensor neighbours_;  // undefined: none
  int64_t paired_from_ = 0, paired_until_ = 0;
  int64_t labeled_batch_ = 0;
  int64_t unlabeled_batch_ = 0;
  int64_t steps_per_epoch_ = 0;  // of one process
  int64_t rank_ = 0, ranks_ = 1;
  uint64_t shuffle_seed_ = 0;
  Order labeled_order_;
  std::array<Order, 2> labeled_cycles_;  // permutations of the labeled rows, by cycle
  Order unlabeled_order_;
  std::unique_ptr<BlockStream> labeled_blocks_, unlabeled_blocks_;  // none: no blocks
};

}  // namespace ladder::data
