/// The learning rate over the epochs of a run.
#pragma once

#include <cstdint>

namespace ladder::train {

/// Constant, then linear to 0 [Rasmus2015, published code].
struct LinearDecay {
  double learning_rate = 0.002;
  int64_t epochs = 150;
  double decay_from = 0.67;  ///< fraction of the epochs before the decay; 1: no decay
};

/// Return the rate of epoch `epoch`, counted from 0, with first = decay_from * epochs:
///
///     rate(epoch) = learning_rate * min(1, (epochs - epoch) / (epochs - first))
///
/// The rate changes between epochs, not within them, as in the published runs: the first epoch
/// after `first` is the first below the full rate, and the last one still learns, with the rate
/// learning_rate / (epochs - first). From epoch `epochs` on it is 0.
///
/// Errors: fewer than 1 epoch, `decay_from` outside 0..1, a learning rate that is not above 0 and
/// finite, an epoch below 0.
double learning_rate(const LinearDecay& schedule, int64_t epoch);

}  // namespace ladder::train
