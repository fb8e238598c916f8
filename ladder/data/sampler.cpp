#include "ladder/data/sampler.h"

#include <c10/util/Exception.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "ladder/core/floating_rows.h"
#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/random.h"
#include "ladder/data/block_order.h"
#include "ladder/data/internal/block_stream.h"
#include "ladder/data/internal/row_checks.h"
#include "ladder/data/internal/row_gaps.h"
#include "ladder/data/keyed_order.h"

namespace ladder::data {
namespace {

constexpr const char* kNoStatistics =
    " but got 1 (one row has no mean and variance to be normalised by).";
constexpr int64_t kDefaultLabeledBatch = 100;
// Steps whose labeled rows are permuted and copied to the device at once.
constexpr int64_t kBlockSteps = 256;
// Labeled rows of a source that take more are read when a step needs them.
constexpr int64_t kMaxKeptBytes = int64_t{256} << 20;
constexpr int64_t kRowsReadAtOnce = 1 << 16;

// `count`, `device`: number of all rows, and where they are.
torch::Tensor checked_rows(const char* name, const torch::Tensor& rows, int64_t count,
                           torch::Device device) {
  if (!rows.defined()) return torch::empty({0}, torch::dtype(torch::kInt64).device(device));
  check_row_places("SemiSampler", name, rows, count);
  return rows.to(device).contiguous();
}

}  // namespace

torch::Tensor known_labels(const SemiData& data) {
  auto known = torch::full_like(data.labels, -1);
  if (!data.labeled.defined()) return known;
  return known.index_copy_(0, data.labeled, data.labels.index_select(0, data.labeled));
}

SemiSampler::SemiSampler(SemiData data, const SamplerOptions& options)
    : source_(std::move(data.source)),
      placed_(data.placed),
      keyed_order_above_(options.keyed_order_above),
      inputs_(std::move(data.inputs)),
      shuffle_seed_(stream_seed(options.seed, "shuffle")) {
  if (source_) {
    TORCH_CHECK(!inputs_.defined() && !data.labels.defined() && !data.unlabeled.defined(),
                "SemiSampler: expected rows of a source or rows in memory but got both.");
    labeled_ = checked_rows("labeled", data.labeled, source_->rows(), torch::kCPU);
    gaps_ = row_gaps(
        std::get<0>(checked_rows("held-out", data.held_out, source_->rows(), torch::kCPU).sort()));
  } else {
    TORCH_CHECK(inputs_.defined() && inputs_.dim() >= 1 &&
                    (inputs_.is_floating_point() || inputs_.scalar_type() == torch::kUInt8),
                "SemiSampler: expected floating or uint8 inputs [rows, ...] but got ",
                type_and_shape_text(inputs_), ".");
    TORCH_CHECK(!data.held_out.defined(),
                "SemiSampler: expected held-out rows beside a source only but got some.");
    TORCH_CHECK(data.blocks.rows == 0,
                "SemiSampler: expected blocks of rows for a source only but got blocks of ",
                data.blocks.rows, " rows.");
    labeled_ = checked_rows("labeled", data.labeled, inputs_.size(0), inputs_.device());
    unlabeled_ = checked_rows("unlabeled", data.unlabeled, inputs_.size(0), inputs_.device());
  }

  TORCH_CHECK(data.blocks.rows >= 0 && data.blocks.blocks >= 1,
              "SemiSampler: expected blocks of at least 0 rows and at least 1 in a window but got ",
              data.blocks.rows, " and ", data.blocks.blocks, ".");

  unlabeled_batch_ = options.unlabeled_batch;
  labeled_batch_ = options.labeled_batch.value_or(std::min(kDefaultLabeledBatch, labeled_.numel()));
  TORCH_CHECK(unlabeled_batch_ >= 0,
              "SemiSampler: expected an unlabeled_batch of at least 0 but got ", unlabeled_batch_,
              ".");
  TORCH_CHECK(labeled_batch_ >= 0, "SemiSampler: expected a labeled_batch of at least 0 but got ",
              labeled_batch_, ".");
  TORCH_CHECK(unlabeled_batch_ != 1, "SemiSampler: expected ", "an unlabeled_batch of at least 2",
              kNoStatistics);
  TORCH_CHECK(labeled_batch_ != 1, "SemiSampler: expected ",
              labeled_.numel() == 1 ? "at least 2 labeled rows" : "a labeled_batch of at least 2",
              kNoStatistics);
  TORCH_CHECK(labeled_batch_ + unlabeled_batch_ > 0,
              "SemiSampler: expected labeled or unlabeled rows in a batch but got neither.");
  if (options.epoch_batch) {
    TORCH_CHECK(*options.epoch_batch >= 1,
                "SemiSampler: expected an epoch_batch of at least 1 but got ", *options.epoch_batch,
                ".");
    TORCH_CHECK(unlabeled_batch_ == 0,
                "SemiSampler: expected no epoch_batch for an unlabeled_batch of ", unlabeled_batch_,
                ", which counts the steps of an epoch, but got ", *options.epoch_batch, ".");
  }

  if (labeled_batch_ > 0) {
    TORCH_CHECK(labeled_.numel() > 0, "SemiSampler: expected labeled rows for a labeled_batch of ",
                labeled_batch_, " but got none.");
    if (!source_) {
      TORCH_CHECK(
          data.labels.defined() && data.labels.dim() == 1 &&
              data.labels.scalar_type() == torch::kInt64 && data.labels.size(0) == inputs_.size(0),
          "SemiSampler: expected int64 labels [", inputs_.size(0),
          "], one for each row of the inputs, but got ", type_and_shape_text(data.labels), ".");
      labels_ = data.labels.to(inputs_.device()).contiguous();
    }
    const auto known = source_ ? source_->labels(labeled_) : labels_.index_select(0, labeled_);
    const auto lowest = known.min().item<int64_t>();
    TORCH_CHECK(lowest >= 0, "SemiSampler: expected a class for every labeled row but got label ",
                lowest, ".");
    if (options.classes > 0) {
      check_labels("SemiSampler", "labeled", source_ ? known : labels_,
                   source_ ? torch::Tensor() : labeled_, options.classes, /*missing=*/false);
    }
    if (source_) keep_labeled(known);
  }

  if (data.neighbours.defined()) {
    TORCH_CHECK(!source_, "SemiSampler: expected neighbours of rows in memory but got a source.");
    TORCH_CHECK(data.neighbours.dim() == 2 && data.neighbours.scalar_type() == torch::kInt64 &&
                    data.neighbours.size(0) == unlabeled_.numel() && data.neighbours.size(1) > 0,
                "SemiSampler: expected int64 neighbours [", unlabeled_.numel(),
                ", k], of each unlabeled row, but got ", type_and_shape_text(data.neighbours), ".");
    neighbours_ = data.neighbours.cpu().contiguous();
    const auto lowest = neighbours_.min().item<int64_t>();
    const auto highest = neighbours_.max().item<int64_t>();
    TORCH_CHECK(lowest >= 0 && highest < unlabeled_.numel(),
                "SemiSampler: expected neighbours in 0..", unlabeled_.numel() - 1,
                ", places among the unlabeled rows, but got ", lowest < 0 ? lowest : highest, ".");
    paired_from_ = data.paired_from;
    paired_until_ = data.paired_until;
  }

  if (unlabeled_batch_ > 0) {
    steps_per_epoch_ = unlabeled_count() / unlabeled_batch_;
    TORCH_CHECK(steps_per_epoch_ > 0, "SemiSampler: expected at least ", unlabeled_batch_,
                " unlabeled rows, one batch, but got ", unlabeled_count(),
                " (lower unlabeled_batch).");
  } else {
    const int64_t rows = unlabeled_count() > 0 ? unlabeled_count() : labeled_.numel();
    const int64_t batch = options.epoch_batch.value_or(labeled_batch_);
    steps_per_epoch_ = rows / batch;
    TORCH_CHECK(steps_per_epoch_ > 0, "SemiSampler: expected at least ", batch,
                " rows, one batch, but got ", rows, " (lower ",
                options.epoch_batch ? "epoch_batch" : "labeled_batch", ").");
  }
  rank_ = options.rank;
  ranks_ = options.ranks;
  TORCH_CHECK(ranks_ >= 1 && rank_ >= 0 && rank_ < ranks_,
              "SemiSampler: expected a rank from 0 to ", ranks_ - 1, " but got ", rank_, ".");
  TORCH_CHECK(steps_per_epoch_ >= ranks_, "SemiSampler: expected at least ", ranks_,
              " batches of rows, one for each rank, but got ", steps_per_epoch_,
              " (lower the batch or the number of ranks).");

  if (data.blocks.rows == 0) return;
  const auto stream = [&](const char* name, int64_t rows) {
    return std::make_unique<BlockStream>(rows, stream_seed(shuffle_seed_, name), data.blocks);
  };
  if (unlabeled_batch_ > 0) unlabeled_blocks_ = stream("unlabeled", unlabeled_count());
  if (labeled_batch_ > 0 && !kept_.defined()) labeled_blocks_ = stream("labeled", labeled_.numel());
}

SemiSampler::SemiSampler(SemiSampler&&) noexcept = default;
SemiSampler::~SemiSampler() = default;

void SemiSampler::keep_labeled(const torch::Tensor& labels) {
  int64_t bytes = labeled_.numel() * static_cast<int64_t>(sizeof(float));
  for (const auto size : source_->row_shape()) bytes *= size;
  if (bytes > kMaxKeptBytes) return;
  std::vector<torch::Tensor> parts;
  for (const auto& rows : labeled_.split(kRowsReadAtOnce)) parts.push_back(inputs_of(rows));
  kept_ = torch::cat(parts);
  kept_labels_ = labels.to(placed_.device());
}

SemiBatch SemiSampler::batch(int64_t step) {
  read_ahead(step_of_one(step));
  const auto labeled = labeled_rows(step);
  const auto unlabeled = unlabeled_rows(step);
  SemiBatch out;
  out.paired = is_paired(step / steps_per_epoch());
  if (kept_.defined()) {
    const auto begin = step_of_one(step) % kBlockSteps * labeled_batch_;
    const auto places = labeled_order_.places.narrow(0, begin, labeled_batch_).to(placed_.device());
    out.x_labeled = kept_.index_select(0, places);
    out.y = kept_labels_.index_select(0, places);
  } else {
    put_labeled(labeled, out);
  }
  put_unlabeled(unlabeled, out);
  if (source_ && unlabeled_batch_ > 0 && !unlabeled_blocks_) {
    source_->expect(unlabeled_rows(step + 1));
  }
  return out;
}

SemiBatch SemiSampler::gather(const torch::Tensor& labeled_rows,
                              const torch::Tensor& unlabeled_rows) const {
  SemiBatch out;
  out.paired = neighbours_.defined();
  put_labeled(labeled_rows, out);
  put_unlabeled(unlabeled_rows, out);
  return out;
}

void SemiSampler::put_labeled(const torch::Tensor& rows, SemiBatch& batch) const {
  if (labeled_batch_ == 0) return;
  batch.x_labeled = inputs_of(rows);
  batch.y = source_ ? source_->labels(rows).to(placed_.device()) : labels_.index_select(0, rows);
}

void SemiSampler::put_unlabeled(const torch::Tensor& rows, SemiBatch& batch) const {
  if (unlabeled_batch_ == 0) return;
  batch.x_unlabeled = inputs_of(rows);
  batch.unlabeled_rows = rows;
}

torch::Tensor SemiSampler::labeled_rows(int64_t step) {
  TORCH_CHECK(step >= 0, "SemiSampler: expected a step of at least 0 but got ", step, ".");
  step = step_of_one(step);
  if (labeled_batch_ == 0) return labeled_.narrow(0, 0, 0);
  if (labeled_blocks_) {
    const auto places = labeled_blocks_->elements(step * labeled_batch_, labeled_batch_);
    return labeled_.index_select(0, places);
  }
  const int64_t block = step / kBlockSteps;
  if (labeled_order_.index != block) {
    const auto order =
        labeled_places(block * kBlockSteps * labeled_batch_, kBlockSteps * labeled_batch_);
    labeled_order_ = {block, labeled_.index_select(0, order.to(labeled_.device())), order};
  }
  return labeled_order_.rows.narrow(0, step % kBlockSteps * labeled_batch_, labeled_batch_);
}

// Places among the labeled rows in the order of use: `count` of all cycles, from `begin` on.
torch::Tensor SemiSampler::labeled_places(int64_t begin, int64_t count) {
  const int64_t rows = labeled_.numel();
  const int64_t first = begin / rows;
  const int64_t last = (begin + count - 1) / rows;
  const uint64_t stream = stream_seed(shuffle_seed_, "labeled");
  const auto order_of = [&](int64_t cycle) {
    for (const auto& one : labeled_cycles_) {
      if (one.index == cycle) return one.rows;
    }
    return permutation(rows, stream_seed(stream, static_cast<uint64_t>(cycle)));
  };
  std::vector<torch::Tensor> parts;
  // A permutation of many rows serves many blocks: those that the next block may begin with stay.
  std::array<Order, 2> kept;
  for (int64_t cycle = first; cycle <= last; ++cycle) {
    const auto order = order_of(cycle);
    const int64_t from = std::max<int64_t>(begin - cycle * rows, 0);
    const int64_t to = std::min(begin + count - cycle * rows, rows);
    parts.push_back(order.narrow(0, from, to - from));
    if (cycle == first) kept[0] = {cycle, order};
    if (cycle == last) kept[1] = {cycle, order};
  }
  labeled_cycles_ = std::move(kept);
  return torch::cat(parts);
}

torch::Tensor SemiSampler::unlabeled_rows(int64_t step) {
  TORCH_CHECK(step >= 0, "SemiSampler: expected a step of at least 0 but got ", step, ".");
  step = step_of_one(step);
  if (unlabeled_batch_ == 0) return torch::empty({0}, labeled_.options());
  if (unlabeled_blocks_) {
    const auto places = unlabeled_blocks_->elements(unlabeled_place(step), unlabeled_batch_);
    return rows_behind_gaps(gaps_, places);
  }
  if (source_ && unlabeled_count() > keyed_order_above_) return keyed_rows(step);
  const int64_t epoch = step / steps_per_epoch_;
  if (unlabeled_order_.index != epoch) {
    const uint64_t stream = stream_seed(shuffle_seed_, "unlabeled");
    auto order = permutation(unlabeled_count(), stream_seed(stream, static_cast<uint64_t>(epoch)));
    if (is_paired(epoch)) {
      pair_rows(order, stream_seed(stream_seed(shuffle_seed_, "neighbours"),
                                   static_cast<uint64_t>(epoch)));
    }
    unlabeled_order_ = {epoch, source_ ? rows_behind_gaps(gaps_, order)
                                       : unlabeled_.index_select(0, order.to(unlabeled_.device()))};
  }
  return unlabeled_order_.rows.narrow(0, step % steps_per_epoch_ * unlabeled_batch_,
                                      unlabeled_batch_);
}

// In each batch of the order, replace the second half by neighbours of the first.
void SemiSampler::pair_rows(torch::Tensor& order, uint64_t seed) const {
  PhiloxEngine random(seed);
  const auto neighbours = neighbours_.accessor<int64_t, 2>();
  const auto half = unlabeled_batch_ / 2;
  for (int64_t step = 0; step < steps_per_epoch_; ++step) {
    auto* const rows = order.mutable_data_ptr<int64_t>() + step * unlabeled_batch_;
    for (int64_t n = 0; n < half; ++n) {
      const auto drawn =
          static_cast<int64_t>(random.below(static_cast<uint64_t>(neighbours.size(1))));
      rows[n + half] = neighbours[rows[n]][drawn];
    }
  }
}

int64_t SemiSampler::unlabeled_count() const {
  return source_ ? source_->rows() - gaps_.numel() : unlabeled_.numel();
}

int64_t SemiSampler::unlabeled_place(int64_t step) const {
  return step / steps_per_epoch_ * unlabeled_count() + step % steps_per_epoch_ * unlabeled_batch_;
}

torch::Tensor SemiSampler::keyed_rows(int64_t step) const {
  const auto epoch = static_cast<uint64_t>(step / steps_per_epoch_);
  const KeyedOrder order(static_cast<uint64_t>(unlabeled_count()),
                         stream_seed(stream_seed(shuffle_seed_, "unlabeled"), epoch));
  const auto begin = step % steps_per_epoch_ * unlabeled_batch_;
  return rows_behind_gaps(gaps_, order.elements(begin, unlabeled_batch_));
}

// Ask for the blocks that `step`, of one process, needs and those of the windows behind.
void SemiSampler::read_ahead(int64_t step) {
  if (unlabeled_blocks_) {
    unlabeled_blocks_->ask(unlabeled_place(step), unlabeled_batch_, [&](const auto& places) {
      source_->expect(rows_behind_gaps(gaps_, places));
    });
  }
  if (labeled_blocks_) {
    labeled_blocks_->ask(step * labeled_batch_, labeled_batch_, [&](const auto& places) {
      source_->expect(labeled_.index_select(0, places));
    });
  }
}

torch::Tensor SemiSampler::inputs_of(const torch::Tensor& rows) const {
  if (source_) return source_->inputs(rows).to(placed_);
  return gather_floating_rows(inputs_, rows);
}

}  // namespace ladder::data
