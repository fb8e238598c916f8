#include "ladder/train/schedule.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

namespace ladder::train {

double learning_rate(const LinearDecay& schedule, int64_t epoch) {
  const auto& [rate, epochs, decay_from, warm_up] = schedule;
  TORCH_CHECK(epochs >= 1, "LinearDecay: expected at least 1 epoch but got ", epochs, ".");
  TORCH_CHECK(decay_from >= 0 && decay_from <= 1,
              "LinearDecay: expected decay_from in 0..1, a fraction of the epochs, but got ",
              decay_from, ".");
  TORCH_CHECK(std::isfinite(rate) && rate > 0,
              "LinearDecay: expected a finite learning rate above 0 but got ", rate,
              rate == 0 ? " (it would train nothing)." : ".");
  TORCH_CHECK(warm_up >= 0 && warm_up <= static_cast<double>(epochs),
              "LinearDecay: expected a warm-up from 0 to the ", epochs, " epochs but got ", warm_up,
              ".");
  TORCH_CHECK(epoch >= 0, "LinearDecay: expected an epoch of at least 0 but got ", epoch, ".");
  if (epoch >= epochs) return 0;
  const auto first = decay_from * static_cast<double>(epochs);
  if (static_cast<double>(epoch) <= first) return rate;
  return rate * static_cast<double>(epochs - epoch) / (static_cast<double>(epochs) - first);
}

double learning_rate(const LinearDecay& schedule, const StepPosition& position) {
  TORCH_CHECK(
      position.steps_per_epoch > 0,
      "LinearDecay: expected the position of a step in a run, with its steps_per_epoch, but "
      "got one outside of a run.");
  const double rate = learning_rate(schedule, position.epoch());
  const double warm_up = schedule.warm_up * static_cast<double>(position.steps_per_epoch);
  const auto steps = static_cast<double>(position.step + 1);
  return steps < warm_up ? rate * steps / warm_up : rate;
}

}  // namespace ladder::train
