/// A cost that wants rows that lie near each other to get the same class.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "ladder/train/objective.h"

namespace ladder::train {

struct NeighbourAgreementOptions {
  double weight = 1;               ///< w, at least 0
  int64_t from = 4;                ///< epoch, from 0, before which the cost is off
  int64_t until = 10;              ///< epoch from which on it is off again, above `from`
  c10::Device device = c10::kCPU;  ///< of the network
};

/// Return a cost over pairs of neighbouring unlabeled rows (n, m), M / 2 of M rows:
///
///     w(t) mean over pairs of (CE(p_n, p_m) + CE(p_m, p_n)) / 2
///     CE(p, q) = - sum over c of p_c log q_c
///
/// p_n are the class probabilities of corrupted row n. No gradient flows into the first argument of
/// CE: each row is trained towards the prediction of its neighbour, and the gradient of its logits
/// is w(t) (p_n - p_m) / M. This is manifold regularisation [Belkin2006, section 2] with cross
/// entropy instead of squared differences. w(t) is w in epochs `from` to `until` - 1, and 0
/// otherwise. In these epochs most predictions are right, so the neighbours of an unlabeled cluster
/// that drifts to the wrong class pull it back. Before them, the cost would spread wrong
/// predictions; after them, the network separates rows better than distances do.
///
/// The sampler pairs the rows: give it data::SemiData::neighbours for the same epochs.
///
/// Errors: options out of range, and while training a network that runs no unlabeled rows, or
/// batches that are not paired.
///
///     const train::NeighbourAgreementOptions near{.from = 4, .until = 10};
///     data.training.neighbours = data::nearest_neighbours(x.index_select(0, unlabeled), {.k = 5});
///     data.training.paired_from = near.from;
///     data.training.paired_until = near.until;
///     auto objective =
///         train::with_pieces(train::objective(net), {train::neighbour_agreement(near)});
std::shared_ptr<ObjectivePiece> neighbour_agreement(NeighbourAgreementOptions options = {});

}  // namespace ladder::train
