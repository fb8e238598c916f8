/// A cost that moves clusters out of the wrong class, while the network trains.
#pragma once

#include <c10/core/Device.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "ladder/data/neighbours.h"
#include "ladder/nn/ladder.h"
#include "ladder/train/lost_clusters.h"
#include "ladder/train/objective.h"

namespace ladder::train {

/// What one look found.
struct ClusterLook {
  int64_t epoch = 0;      ///< done when it looked
  torch::Tensor classes;  ///< predictions of the rows, int64 [m]
  torch::Tensor lost;     ///< the class that the cluster of each row belongs to, or -1: int64 [m]
};

struct ClusterRepairOptions {
  double weight = 1;  ///< w, at least 0
  /// Parts of the run after which to look, ascending.
  std::vector<double> at = {0.6, 0.75};
  double lasts = 0.1;  ///< part of the run for which the cost is on after each
  LostClusterOptions clusters = {.discount_hubs = false};  ///< as the recorded recipes look
  /// Of the unlabeled rows, shared with other pieces. None: the piece finds ten of each.
  std::shared_ptr<data::SharedNeighbours> near = {};
  c10::Device device = c10::kCPU;                        ///< of the network
  std::function<void(const ClusterLook&)> on_look = {};  ///< called after each look
};

/// Return a cost that searches the unlabeled rows for lost clusters (`lost_clusters`) at given
/// points of a run (a look), and for a while afterwards trains every row towards the class c_n of
/// its cluster:
///
///     w(t) / M sum over the M unlabeled rows n of a batch of a_n (-log p_n,c_n)
///
/// p_n are the class probabilities of corrupted row n. c_n is the class that the look found for a
/// lost row, and the predicted class for all other rows. The other rows need a target too:
/// otherwise a cluster that moves pulls rows of the class that it leaves along with it. If F of N
/// rows are lost, a_n is N / (10 F) for these, so that they weigh a tenth of all, but at least 1
/// and at most 100; a_n is 1 for the others. If no row is lost, a_n is 0. w(t) is w for `lasts` of
/// the run after a look (or until the next look), and 0 otherwise.
///
/// A look takes a pass over the rows and a second or so; the first one also finds the neighbours,
/// which takes some seconds for 60,000 images, unless another piece has found them.
///
/// `inputs` are the rows of data::SemiData, `unlabeled` its unlabeled ones (undefined: all); a
/// batch says which it holds (SemiBatch::unlabeled_rows).
///
/// Errors: options out of range, an empty network, one of more than 32,768 classes, fewer than
/// k + 1 rows for k neighbours of each; while training, a network that runs no unlabeled rows, or
/// batches that do not say their rows.
///
///     auto repair = train::cluster_repair(net, data.training.inputs, data.training.unlabeled);
///     auto objective = train::with_pieces(train::objective(net), {repair});
std::shared_ptr<ObjectivePiece> cluster_repair(Ladder net, torch::Tensor inputs,
                                               torch::Tensor unlabeled,
                                               ClusterRepairOptions options = {});

}  // namespace ladder::train
