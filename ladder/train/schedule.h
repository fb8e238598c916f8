/// The learning rate over the epochs of a run.
#pragma once

#include <cstdint>

#include "ladder/train/objective.h"

namespace ladder::train {

/// Constant, then linear to 0 [Rasmus2015, published code].
struct LinearDecay {
  double learning_rate = 0.002;
  int64_t epochs = 150;
  double decay_from = 0.67;  ///< fraction of the epochs before the decay; 1: no decay
  double warm_up = 0;        ///< epochs over which the rate rises from 0, step by step
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

/// Return the rate of step `position.step`, counted from 0, with a warm-up of W = warm_up *
/// steps_per_epoch steps:
///
///     rate(step) = rate(epoch of the step) * min(1, (step + 1) / W)
///
/// Adam's first steps move each weight by the whole rate, whatever its gradient: a dozen of them
/// can move it by the standard deviation that it started with. Errors: those above; a warm-up that
/// is negative or longer than the epochs; a position outside of a run.
double learning_rate(const LinearDecay& schedule, const StepPosition& position);

}  // namespace ladder::train
