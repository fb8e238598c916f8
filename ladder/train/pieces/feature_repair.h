/// A cost that moves clusters into the class that the features of the middle levels indicate.
#pragma once

#include <c10/core/Device.h>
#include <torch/types.h>

#include <functional>
#include <memory>
#include <vector>

#include "ladder/nn/ladder.h"
#include "ladder/train/lost_clusters.h"
#include "ladder/train/objective.h"
#include "ladder/train/pieces/cluster_repair.h"

namespace ladder::train {

struct FeatureRepairOptions {
  double weight = 1;  ///< w, at least 0
  /// Parts of the run after which to look, ascending.
  std::vector<double> at = {0.9};
  double lasts = 0.1;  ///< part of the run for which the cost is on after each
  FeatureClusterOptions clusters = {};
  c10::Device device = c10::kCPU;                        ///< of the network
  std::function<void(const ClusterLook&)> on_look = {};  ///< called after each look
};

/// Return the cost of `cluster_repair` for clusters that are found by features
/// (`clusters_lost_by_features`) in place of distances of inputs:
///
///     w(t) / M sum over the M unlabeled rows n of a batch of a_n (-log p_n,c_n)
///
/// c_n is the class that the look found for a row in a lost cluster, and the predicted one for the
/// others; a_n, w(t) and `inputs` are those of `cluster_repair`. Features are the clean ones of the
/// two levels in the middle (`clean_features`), neighbours count by the lower of them.
///
/// Use it if distances between inputs say little, and for clusters whose inputs resemble another
/// class. It searches late in the run, because features of earlier epochs mislead it more often.
/// Combine it with `cluster_repair`, which finds large clusters earlier.
///
/// A look takes a pass over the rows and the time of `clusters_lost_by_features`.
///
/// Errors: options out of range, an empty network, one of more than 32,768 classes, fewer than 2
/// rows; while training, a network that runs no unlabeled rows, or batches that do not say their
/// rows.
///
///     auto repair = train::feature_repair(net, data.training.inputs, data.training.unlabeled);
///     auto objective = train::with_pieces(train::objective(net), {repair});
std::shared_ptr<ObjectivePiece> feature_repair(Ladder net, torch::Tensor inputs,
                                               torch::Tensor unlabeled,
                                               FeatureRepairOptions options = {});

}  // namespace ladder::train
