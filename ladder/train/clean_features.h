/// Predictions and features of a network for rows without noise.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "ladder/nn/ladder.h"

namespace ladder::train {

/// Predictions and features for clean rows.
struct CleanFeatures {
  torch::Tensor classes;                ///< predictions, int64 [n]
  torch::Tensor probabilities = {};     ///< of the classes, [n, classes]
  std::vector<torch::Tensor> features;  ///< of the levels asked for, [n, units] each
};

struct CleanFeatureOptions {
  /// Levels whose features to return, ascending; 0 is the input. Empty: of L levels above it the
  /// one in the middle, L / 2 rounded down, and the one below it, if any.
  std::vector<int64_t> levels = {};
  uint64_t seed = 1;          ///< of the order in which rows come into batches
  int64_t batch_size = 1000;  ///< rows of a batch, at least 2
};

/// Run the rows `rows` (int64 [n]; undefined: all) of `inputs` without noise, in batches that are
/// normalised by their own statistics. Feature maps are averaged over their positions. Computes no
/// gradients and leaves mode and statistics of the network as they are. Errors: an empty network;
/// fewer than 2 rows, or a batch of fewer; levels that the network lacks, or not ascending.
CleanFeatures clean_features(Ladder& net, const torch::Tensor& inputs,
                             const torch::Tensor& rows = {},
                             const CleanFeatureOptions& options = {});

}  // namespace ladder::train
