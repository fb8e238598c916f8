/// A cost that makes predictions confident and classes equally frequent.
#pragma once

#include <c10/core/Device.h>

#include <memory>

#include "ladder/train/objective.h"

namespace ladder::train {

struct MutualInformationOptions {
  double weight = 0.1;             ///< w, at least 0
  double spread = 1;               ///< b, weight of the second term beside the first, at least 0
  double until = 10;               ///< epochs after which the cost is off, above 0
  c10::Device device = c10::kCPU;  ///< of the network
};

/// Return the negative mutual information of rows and classes [Krause2010, eq. 2], with a weight b
/// of its second term [Hu2017]:
///
///     w(t) (mean over n of H(p_n) - b H(mean over n of p_n)),   H(p) = - sum over c of p_c log p_c
///
/// p_n are the class probabilities of corrupted unlabeled row n. The first term makes each
/// prediction confident, the second makes classes equally frequent. b = 1 is the mutual
/// information. If classes are about equally frequent, a larger b helps to keep a whole cluster
/// from joining the wrong class. w(t) is w for the first `until` epochs and 0 afterwards, when
/// clusters have their class and the other costs work better.
///
/// Errors: options out of range, and while training a network that runs no unlabeled rows.
std::shared_ptr<ObjectivePiece> mutual_information(MutualInformationOptions options = {});

}  // namespace ladder::train
