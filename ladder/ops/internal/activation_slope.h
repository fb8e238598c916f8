/// What the backward pass of a normalisation keeps.
#pragma once

#include "ladder/core/activation.h"

namespace ladder::ops {

/// Return whether act'(a) can be computed from act(a).
inline bool has_slope_at_value(Activation activation, double leaky_slope) {
  return activation != Activation::kGelu &&
         (activation != Activation::kLeakyRelu || leaky_slope > 0);
}

}  // namespace ladder::ops
