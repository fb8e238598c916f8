/// A cost that holds rows in the class of the rows near them in the features of the network.
#pragma once

#include <c10/core/Device.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ladder/nn/ladder.h"
#include "ladder/train/objective.h"
#include "ladder/train/smoothed_predictions.h"

namespace ladder::train {

/// What one look changed.
struct FeatureLook {
  int64_t epoch = 0;  ///< done when it looked
  int64_t rows = 0;   ///< looked at
  int64_t moved = 0;  ///< rows whose class is another one than the prediction
};

struct FeatureLabelsOptions {
  double weight = 1;               ///< w, at least 0
  std::vector<double> at = {0.9};  ///< parts of the run after which to look, ascending
  double lasts = 0.1;              ///< part of the run for which the cost is on after each
  SmoothingOptions smoothing = {};
  c10::Device device = c10::kCPU;                        ///< of the network
  std::function<void(const FeatureLook&)> on_look = {};  ///< called after each look
};

/// Return a cost that smooths the predictions of the unlabeled rows along the features of the
/// network (`smoothed_predictions`) late in a run, and holds each row in the class c_n that becomes
/// the most probable:
///
///     w(t) / M sum over the M unlabeled rows n of a batch of (-log p_n,c_n)
///
/// p_n are the class probabilities of corrupted row n. w(t) is w from a look until `lasts` of the
/// run later or until the next look, and 0 else. The features are those of level L / 2, rounded
/// down, and of the one above it where that is below the output.
///
/// A look takes a pass over the rows and, for 60,000 rows of 250 units, some seconds for their
/// neighbours.
///
/// `inputs` are the rows of data::SemiData, `unlabeled` its unlabeled ones (undefined: all), at
/// least k + 1; a batch says which it holds (SemiBatch::unlabeled_rows).
///
/// Errors: options out of range, an empty network, one of more than 32,768 classes, fewer than
/// k + 1 rows; while training, a network that runs no unlabeled rows, or batches that do not say
/// their rows.
///
///     auto labels = train::feature_labels(net, data.training.inputs, data.training.unlabeled);
///     auto objective = train::with_pieces(train::objective(net), {labels});
std::shared_ptr<ObjectivePiece> feature_labels(Ladder net, torch::Tensor inputs,
                                               torch::Tensor unlabeled,
                                               FeatureLabelsOptions options = {});

}  // namespace ladder::train
