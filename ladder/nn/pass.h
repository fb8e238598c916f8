/// Arguments of one run of the encoder: groups of rows, noise, statistics.
#pragma once

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "ladder/core/batch_ranks.h"
#include "ladder/core/random.h"

namespace ladder {

/// Purpose of a group of rows.
enum class RowRole {
  kLabeledNoisy,    ///< labeled rows with noise, for the supervised cost
  kUnlabeledNoisy,  ///< unlabeled rows with noise, which the decoder denoises
  kUnlabeledClean,  ///< the same rows without noise, the targets of the denoising costs
  kOther,           ///< any other group, for example the rows of an evaluation
};

/// Consecutive rows of a stacked batch that share normalisation statistics.
struct RowGroup {
  int64_t rows = 0;
  bool noisy = false;
  RowRole role = RowRole::kOther;
};

/// Source of the mean and standard deviation of a normalisation.
enum class Statistics {
  kBatch,      ///< the rows of each group
  kCalibrate,  ///< the rows of each group; add them to the stored statistics
  kStored,     ///< the stored statistics, measured by an earlier calibration
};

/// Statistics that a module measures during a calibration and uses in eval mode.
class StoredStatistics {
 public:
  virtual ~StoredStatistics() = default;
  /// Forget the stored statistics.
  virtual void reset_statistics() = 0;
};

/// A calibration over several batches. Modules that store statistics take part through the pass,
/// wherever they are inside a stage.
class CalibrationRun {
 public:
  /// Take part with one batch. Call this before adding the statistics of the batch: at the first
  /// batch of a calibration it resets `statistics`.
  ///
  /// Error, after `next_batch`: the same module for a second time in a batch.
  void measure(StoredStatistics& statistics) {
    TORCH_CHECK(!by_batch_ || std::find(batch_.begin(), batch_.end(), &statistics) == batch_.end(),
                "CalibrationRun: expected a module to measure once in a batch but got a second "
                "time (a NoisyNormalization in two places would mix their statistics: make one "
                "for each).");
    if (by_batch_) batch_.push_back(&statistics);
    if (started_.insert(&statistics).second) {
      statistics.reset_statistics();
    }
    ++measured_;
  }

  /// Begin another batch: each module measures at most once until the next.
  void next_batch() {
    by_batch_ = true;
    batch_.clear();
  }

  /// What has measured since `next_batch`, in order.
  const std::vector<StoredStatistics*>& measured_in_batch() const { return batch_; }

  /// Calls of `measure` so far.
  int64_t measured() const { return measured_; }

  /// Forget all statistics measured so far, after an error.
  void abandon() {
    for (auto* statistics : started_) {
      statistics->reset_statistics();
    }
  }

 private:
  std::set<StoredStatistics*> started_;
  std::vector<StoredStatistics*> batch_;
  bool by_batch_ = false;
  int64_t measured_ = 0;
};

/// Describes one run of the encoder. It is passed to every stage and never stored, so the same
/// stage code serves training, calibration and inference.
struct Pass {
  std::vector<RowGroup> groups = {};
  Statistics statistics = Statistics::kBatch;
  NoiseSource* noise = nullptr;           ///< required if a group is noisy; not owned
  bool compared = true;                   ///< false: StageOutput::z is not used and may stay empty
  CalibrationRun* calibration = nullptr;  ///< the calibration of a kCalibrate pass; not owned
  /// With Statistics::kBatch: processes whose rows count in the statistics of a group, see
  /// SemiBatch::ranks. A NoisyNormalization takes them from the pass.
  std::shared_ptr<BatchRanks> ranks = {};

  /// Rows [labeled noisy | unlabeled noisy | unlabeled clean] of a training step. Omit the last
  /// group without `clean`, and the last two for unlabeled = 0.
  static Pass training(int64_t labeled, int64_t unlabeled, bool clean, NoiseSource& noise) {
    Pass pass{.groups = {{labeled, true, RowRole::kLabeledNoisy}}, .noise = &noise};
    if (unlabeled > 0) {
      pass.groups.push_back({unlabeled, true, RowRole::kUnlabeledNoisy});
      if (clean) {
        pass.groups.push_back({unlabeled, false, RowRole::kUnlabeledClean});
      }
    }
    return pass;
  }

  /// One group without noise.
  static Pass clean(int64_t rows, Statistics statistics) {
    return {.groups = {{rows, false}}, .statistics = statistics};
  }

  /// Number of rows in all groups.
  int64_t rows() const {
    int64_t total = 0;
    for (const auto& group : groups) {
      total += group.rows;
    }
    return total;
  }

  /// Index of the first group with this role: its place in StageOutput::z, mean and std.
  /// Error: no such group.
  size_t group(RowRole role) const {
    size_t index = 0;
    while (index < groups.size() && groups[index].role != role) {
      ++index;
    }
    TORCH_CHECK(index < groups.size(), "Pass: expected a group of rows with role ",
                static_cast<int>(role), " but got none among ", groups.size(), " groups.");
    return index;
  }
};

}  // namespace ladder
