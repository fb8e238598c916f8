/// A cost that takes guessed classes for labels in the first epochs.
#pragma once

#include <c10/core/Device.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "ladder/train/objective.h"

namespace ladder::train {

struct EarlyLabelOptions {
  double weight = 1;               ///< w, at least 0
  double until = 2;                ///< epochs after which the cost is off, above 0
  c10::Device device = c10::kCPU;  ///< of the network
};

/// Return a cost of guessed classes c_n of unlabeled rows: classes that labels spread to
/// (data::spread_labels), those of a clustering or of another model, or rules of thumb:
///
///     w(t) / M sum over the M unlabeled rows n of a batch with a guess of (-log p_n,c_n)
///
/// p_n are the class probabilities of corrupted row n. w(t) is w for the first `until` epochs and 0
/// afterwards: the guesses give a network with few labels its start, and from there the other costs
/// correct what was guessed wrong.
///
/// `guess` returns the class of each row of data::SemiData, int64 [rows], and -1 where there is no
/// guess. It is called once, before the first step with the cost; the guess is in the checkpoint,
/// so a run that goes on does not call it again. A batch says which rows it holds
/// (SemiBatch::unlabeled_rows).
///
/// Errors: options out of range, no function; while training, a guess of another shape or type, or
/// of a class that the network does not have, a network that runs no unlabeled rows, or batches
/// that do not say their rows.
///
///     const auto near = data::nearest_neighbours(x, {.exact = false});
///     auto early = train::early_labels(
///         x.size(0), [=] { return data::spread_labels(x, near, labels); });
///     auto objective = train::with_pieces(train::objective(net), {early});
std::shared_ptr<ObjectivePiece> early_labels(int64_t rows, std::function<torch::Tensor()> guess,
                                             EarlyLabelOptions options = {});

}  // namespace ladder::train
