/// What one run of the encoder is: its groups of rows, their noise, their statistics.
#pragma once

#include <cstdint>
#include <vector>

#include "ladder/core/random.h"

namespace ladder {

/// Consecutive rows of a stacked batch that share normalisation statistics.
struct RowGroup {
  int64_t rows = 0;
  bool noisy = false;
};

/// Where the mean and standard deviation of a normalisation come from.
enum class Statistics {
  kBatch,      ///< each group's own rows
  kCalibrate,  ///< each group's own rows, and added to the stored statistics
  kStored,     ///< the stored statistics, measured earlier by calibration
};

/// An argument of every stage, never its state: the same stage code serves training, calibration
/// and inference.
struct Pass {
  std::vector<RowGroup> groups = {};
  Statistics statistics = Statistics::kBatch;
  NoiseSource* noise = nullptr;  ///< needed where a group is noisy; not owned
  bool compared = true;  ///< whether anybody reads StageOutput::z; where not, it may be left empty

  /// Rows [labeled noisy | unlabeled noisy | unlabeled clean] of a training step; the last group
  /// only with `clean`, the second and third only with unlabeled > 0.
  static Pass training(int64_t labeled, int64_t unlabeled, bool clean, NoiseSource& noise) {
    Pass pass{.groups = {{labeled, true}}, .statistics = Statistics::kBatch, .noise = &noise};
    if (unlabeled > 0) {
      pass.groups.push_back({unlabeled, true});
      if (clean) {
        pass.groups.push_back({unlabeled, false});
      }
    }
    return pass;
  }

  /// One group without noise.
  static Pass clean(int64_t rows, Statistics statistics) {
    return {.groups = {{rows, false}}, .statistics = statistics, .noise = nullptr};
  }

  int64_t rows() const {
    int64_t total = 0;
    for (const auto& group : groups) {
      total += group.rows;
    }
    return total;
  }
};

}  // namespace ladder
