/// Means of gradients over the ranks of a run.
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
  /// Between the backward pass and the update. Error: CommunicationError, with the statistics as
  /// they were before the step.
  void average(torch::Tensor& costs);

  void request_stop(bool stop) { stop_requested_ = stop; }
  /// True if some rank had asked to stop at the last exchange.
  bool stop_agreed() const { return stop_agreed_; }

  /// Medians over the first steps, once there are enough of them.
  std::optional<ExchangeTimes> times() const;

 private:
  using Instant = std::chrono::steady_clock::time_point;

  std::shared_ptr<Communicator> ranks_;
  std::vector<torch::Tensor> parameters_, statistics_, statistics_before_;
  torch::Tensor bucket_;  // gradients, statistics, costs, the number of requests to stop
  bool stop_requested_ = false, stop_agreed_ = false;
  std::optional<Instant> last_;  // end of the last exchange
  std::vector<double> exchange_seconds_, step_seconds_;
};

}  // namespace ladder::train
