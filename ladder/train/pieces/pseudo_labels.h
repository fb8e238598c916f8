/// A cost that uses confident predictions as labels.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "ladder/train/objective.h"

namespace ladder::train {

struct PseudoLabelOptions {
  double weight = 1;        ///< w, at least 0
  double threshold = 0.95;  ///< probability above which a prediction counts, in [0, 1)
  /// Part of the run at which the weight begins to grow from 0, and at which it is full: in [0, 1],
  /// `from` at most `to`.
  double from = 0.4;
  double to = 0.6;
  c10::Device device = c10::kCPU;  ///< of the network
};

/// Return the cost of corrupted predictions against sure clean ones [Lee2013], [Sohn2020, eq. 4]:
///
///     w(t) / M  sum over n of  1[max p_n > threshold]  -log p~_n[argmax p_n]
///
/// p_n are the clean and p~_n the corrupted class probabilities of unlabeled row n of M; no
/// gradient flows into p_n. w(t) is 0 until `from` of the run, rises linearly, and is w after `to`.
/// Both predictions are there already, so the cost is nearly free. It makes whatever the network
/// believes more certain: start it once the classes are found.
///
/// Errors: options out of range, and while training a network that runs no clean rows (its lambda
/// is 0 above level 0).
std::shared_ptr<ObjectivePiece> pseudo_labels(PseudoLabelOptions options = {});

}  // namespace ladder::train
