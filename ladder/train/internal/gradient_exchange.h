/// What the ranks of a run exchange in a step: means of gradients, statistics of rows.
#pragma once

#include <torch/types.h>

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "ladder/train/communicator.h"

namespace ladder::train {

/// Replaces gradients, costs and statistics of the objective by their means over all ranks, in one
/// exchange of one tensor that holds them all. Requests to stop travel with them, so that all ranks
/// stop after the same step.
class GradientExchange {
 public:
  GradientExchange(std::shared_ptr<Communicator> ranks, std::vector<torch::Tensor> parameters,
                   std::vector<torch::Tensor> statistics);

  /// Before the forward pass: note the statistics.
  void begin_step();
  /// Put the statistics back as they were before the step, which has failed.
  void undo_step();
  /// Between the backward pass and the update. Error: CommunicationError.
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

  std::shared_ptr<Communicator> ranks_;
  std::shared_ptr<RowRanks> row_ranks_;
  std::vector<torch::Tensor> parameters_, statistics_, statistics_before_;
  torch::Tensor bucket_;  // gradients, statistics, costs, the number of requests to stop
  bool stop_requested_ = false, stop_agreed_ = false;
  std::optional<Instant> last_;  // end of the last exchange
  std::vector<double> exchange_seconds_, step_seconds_;
  int64_t bytes_ = 0;  // of the last step
};

}  // namespace ladder::train
