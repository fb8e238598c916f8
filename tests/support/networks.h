/// What several tests of networks do.
#pragma once

#include "ladder/nn/combinators/vanilla_combinator.h"
#include "ladder/nn/ladder.h"

namespace ladder::testing {

/// Vanilla combinators for any number of channels.
inline CombinatorFactory vanilla(VanillaCombinatorOptions options = {}) {
  return [options](int64_t channels) {
    auto of_level = options;
    of_level.channels = channels;
    return VanillaCombinator(of_level);
  };
}

inline int64_t parameter_count(const Ladder& net) {
  int64_t n = 0;
  for (const auto& p : net->parameters()) {
    n += p.numel();
  }
  return n;
}

/// The loss of a batch, with the same noise at every call.
inline LadderLoss loss_of(Ladder& net, const SemiBatch& batch) {
  NoiseSource noise(1);
  return net->loss(batch, noise);
}

}  // namespace ladder::testing
