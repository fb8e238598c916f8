/// A cost that finds classes as clusters: confident predictions, equally frequent classes, and the
/// same class all around a row.
#pragma once

#include <c10/core/Device.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>

#include "ladder/data/neighbours.h"
#include "ladder/nn/ladder.h"
#include "ladder/train/objective.h"

namespace ladder::train {

struct ImsatOptions {
  double weight = 1;                ///< w, at least 0
  double mutual_information = 0.1;  ///< m, weight of sure and spread predictions, at least 0
  double spread = 4;                ///< b, weight of spread beside sure ones, at least 0
  double radius = 0.25;             ///< a, in distances to the k-th nearest row, above 0
  double probe = 0.3;               ///< c, the change that finds the direction, in radii
  double until = 10;                ///< epochs after which the cost is off, above 0
  uint64_t seed = 1;                ///< of the random directions
  /// Of the unlabeled rows, k of each, shared with other pieces. None: the piece finds ten of each.
  std::shared_ptr<data::SharedNeighbours> near = {};
  c10::Device device = c10::kCPU;  ///< of the network
};

/// Return the cost of information maximising self-augmented training (IMSAT) [Hu2017, eq. 7 to 9],
/// with the augmentation of virtual adversarial training [Miyato2016]:
///
///     w(t) (mean over n of KL(p_n, p(x_n + e_n d_n))
///           + m (mean over n of H(p_n) - b H(mean over n of p_n)))
///     e_n = a |x_n - its k-th nearest row|
///     d_n = g_n / |g_n|,   g_n = gradient of KL(p_n, p(x_n + r_n)) with respect to r_n,
///     at a random r_n of length c e_n
///
/// p_n = p(x_n) are the class probabilities of clean unlabeled row n, normalised by the statistics
/// of the batch; KL(p, q) = sum over c of p_c log(p_c / q_c), H(p) = - sum over c of p_c log p_c.
/// No gradient flows into d_n or the first argument of KL. The first term makes predictions
/// constant around a row, in the direction in which they change most, so borders between classes
/// move to where there are few rows. The other two terms prevent clusters from merging, as in
/// `mutual_information`. All terms must be computed from the same (clean) rows: mutual information
/// of corrupted rows does not keep the clusters of clean rows apart. w(t) is w for the first
/// `until` epochs and 0 afterwards.
///
/// While the cost is on, a step runs the rows twice more, and a third time where the network does
/// not run clean rows anyway; it takes about twice as long. The first step also finds the
/// neighbours, which takes some seconds for 60,000 images, unless another piece has found them.
///
/// `inputs` are the rows of data::SemiData, `unlabeled` its unlabeled ones (undefined: all); a
/// batch says which it holds (SemiBatch::unlabeled_rows).
///
/// Errors: options out of range, an empty network, no rows; while training, a step without
/// unlabeled rows, or batches that do not say their rows.
///
///     auto cost = train::imsat(net, data.training.inputs, data.training.unlabeled);
///     auto objective = train::with_pieces(train::objective(net), {cost});
std::shared_ptr<ObjectivePiece> imsat(Ladder net, torch::Tensor inputs, torch::Tensor unlabeled,
                                      ImsatOptions options = {});

}  // namespace ladder::train
