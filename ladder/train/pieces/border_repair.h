/// A cost that moves the border between two classes, while the network trains.
#pragma once

#include <c10/core/Device.h>
#include <torch/types.h>

#include <functional>
#include <memory>
#include <vector>

#include "ladder/data/better_borders.h"
#include "ladder/data/neighbours.h"
#include "ladder/nn/ladder.h"
#include "ladder/train/objective.h"
#include "ladder/train/pieces/cluster_repair.h"

namespace ladder::train {

struct BorderRepairOptions {
  double weight = 1;  ///< w, at least 0
  /// Parts of the run after which to look, ascending.
  std::vector<double> at = {0.1, 0.2};
  double lasts = 0.1;  ///< part of the run for which the cost is on after each
  data::BetterBorderOptions borders = {};
  /// Of the unlabeled rows, shared with other pieces. None: the piece finds ten of each.
  std::shared_ptr<data::SharedNeighbours> near = {};
  c10::Device device = c10::kCPU;                        ///< of the network
  std::function<void(const ClusterLook&)> on_look = {};  ///< called after each look
};

/// Return a cost like that of `cluster_repair` that replaces misplaced borders between two classes
/// by better ones (`data::better_borders`):
///
///     w(t) / M sum over the M unlabeled rows n of a batch of a_n (-log p_n,c_n)
///
/// c_n is the class on whose side of the better border a row lies, and the predicted one for the
/// rows that stay; a_n, w(t) and `inputs` are those of `cluster_repair`. Where no border is
/// replaced, the cost is 0.
///
/// Use it for a Gamma-model with few labels, which has no cost below the top that would keep two
/// classes apart. It searches early in the run, because a border that is misplaced in the first
/// epochs does not move by itself.
///
/// `labels`: class of each row of `inputs`, int64 [rows], and -1 for the rows whose label may not
/// be read (`data::known_labels`).
///
/// A look takes a pass over the rows and about a second for each pair of classes; the first one
/// also finds the neighbours, unless another piece has found them.
///
/// Errors: options out of range, an empty network or one of more than 32,768 classes, too few rows
/// for the neighbours of each, other labels; while training, a network that runs no unlabeled rows,
/// or batches that do not say their rows.
///
///     auto repair = train::border_repair(net, data.training.inputs,
///                                        data::known_labels(data.training),
///                                        data.training.unlabeled);
///     auto objective = train::with_pieces(train::objective(net), {repair});
std::shared_ptr<ObjectivePiece> border_repair(Ladder net, torch::Tensor inputs,
                                              const torch::Tensor& labels, torch::Tensor unlabeled,
                                              BorderRepairOptions options = {});

}  // namespace ladder::train
