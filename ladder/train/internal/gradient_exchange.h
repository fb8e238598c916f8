/// What the ranks of a run exchange in a step: means of gradients, statistics of rows.
#pragma once

#include <torch/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ladder/core/gradient_ready.h"
#include "ladder/train/communicator.h"

namespace ladder::train {

/// Replaces gradients, costs and statistics of the objective by their means over all ranks.
/// Requests to stop travel with them, so that all ranks stop after the same step.
///
/// Gradients are exchanged in buckets of a megabyte or more, in the order in which the first
/// backward pass computes them on rank 0. When all gradients of a bucket are there, its exchange
/// begins, while the pass computes the next ones. The last bucket also holds what is no gradient
/// and is exchanged after the pass; a small network has no other. The first step only notes the
/// order, and exchanges after its pass: so sums have the same bits in a run that is resumed.
class GradientExchange {
 public:
  /// A bucket is full when it holds at least `bucket_bytes`. Fewer make exchanges that wait for
  /// their answer longer than for their bytes; more leave more for the end of the pass.
  GradientExchange(std::shared_ptr<Communicator> ranks, std::vector<torch::Tensor> parameters,
                   std::vector<torch::Tensor> statistics, int64_t bucket_bytes = 1 << 20);
  ~GradientExchange();

  /// Before the forward pass: note the statistics.
  void begin_step();
  /// Put the statistics back as they were before the step, which has failed.
  void undo_step();

  /// Return what takes the gradients of a backward pass without autograd.
  GradientReady ready();
  /// Take the gradients that autograd accumulates while the result lives. Before that all are
  /// undefined. Error: a second gradient of a parameter.
  std::shared_ptr<void> watch_autograd();

  /// Between the backward pass and the update: average what has not been, and wait for all.
  /// Gradients are changed only if all ranks were there. Error: CommunicationError.
  void average(torch::Tensor& costs);

  /// Return the ranks as those that share the rows of a batch. What they exchange counts in
  /// `times`.
  std::shared_ptr<BatchRanks> row_ranks() const;

  void request_stop(bool stop) { stop_requested_ = stop; }
  /// True if some rank had asked to stop at the last exchange.
  bool stop_agreed() const { return stop_agreed_; }

  /// Medians over the first steps, once there are enough of them.
  std::optional<ExchangeTimes> times() const;

 private:
  using Instant = std::chrono::steady_clock::time_point;
  class RowRanks;
  class Watch;

  struct Bucket {
    std::vector<size_t> parameters = {};
    std::vector<torch::Tensor> places = {};  // of their gradients in `values`
    torch::Tensor values = {};
    size_t missing = 0;  // gradients of this step that have not come
    std::unique_ptr<PendingExchange> exchange = {};
  };

  void take(size_t parameter, const torch::Tensor& gradient);
  void make_buckets(const std::vector<torch::Tensor>& others);
  void start_next();

  std::shared_ptr<Communicator> ranks_;
  std::shared_ptr<RowRanks> row_ranks_;
  std::vector<torch::Tensor> parameters_, statistics_, statistics_before_;
  std::unordered_map<const c10::TensorImpl*, size_t> index_;  // of a parameter
  int64_t bucket_bytes_;
  std::vector<Bucket> buckets_;                    // none before the first exchange
  std::vector<std::pair<size_t, size_t>> places_;  // of a parameter: bucket, place in it
  std::vector<torch::Tensor> other_places_;        // in the last bucket
  size_t started_ = 0;                             // buckets of this step
  std::vector<size_t> order_;                      // in which gradients came
  std::vector<bool> taken_;                        // by parameter, in this step
  bool stop_requested_ = false, stop_agreed_ = false;
  std::optional<Instant> last_;  // end of the last exchange
  std::vector<double> exchange_seconds_, step_seconds_;
  int64_t bytes_ = 0;  // of the last step
};

}  // namespace ladder::train
