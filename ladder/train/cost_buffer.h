/// Costs of steps, kept on the device until they are read.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "ladder/train/evaluation.h"
#include "ladder/train/objective.h"

namespace ladder::train {

/// Sums the costs of steps over an epoch. They stay on the device and are read every 100 steps, so
/// that a step waits for nothing. Costs of a step: those of the terms in order, then the total.
///
/// Error when costs are read: one that is not finite, with its step and what to change:
///
///     Trainer: the denoising cost of level 1 is not finite at step 1234 (lower lambda or the
///     learning rate).
class CostBuffer {
 public:
  explicit CostBuffer(std::vector<CostTerm> terms);

  /// Add the costs [terms + 1] of step `step`, counted from 1, which follows the one before. Error:
  /// another number of costs.
  void add(torch::Tensor costs, int64_t step);

  /// Read the costs of all steps so far from the device.
  void read();

  /// Read, then start new sums.
  void start_epoch();

  const std::vector<CostTerm>& terms() const { return terms_; }
  /// Sums over the steps of the epoch that have been read, the total last.
  const std::vector<double>& sums() const { return sums_; }
  void restore(std::vector<double> sums);

  /// Write the means over `steps` steps into `evaluation`, whose denoising costs have `levels`
  /// places. Error: a denoising cost of another level.
  void write_means(int64_t steps, size_t levels, Evaluation& evaluation) const;

 private:
  void check_finite(const double* costs, int64_t step) const;

  std::vector<CostTerm> terms_;
  std::vector<double> sums_;
  std::vector<torch::Tensor> pending_;
  int64_t last_step_ = 0;
};

}  // namespace ladder::train
