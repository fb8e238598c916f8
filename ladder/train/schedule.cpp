#include "ladder/train/schedule.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>

namespace ladder::train {

double learning_rate(const LinearDecay& schedule, int64_t epoch) {
  const auto& [rate, epochs, decay_from] = schedule;
  TORCH_CHECK(epochs >= 1, "LinearDecay: expected at least 1 epoch but got ", epochs, ".");
  TORCH_CHECK(decay_from >= 0 && decay_from <= 1,
              "LinearDecay: expected decay_from in 0..1, a fraction of the epochs, but got ",
              decay_from, ".");
  TORCH_CHECK(std::isfinite(rate) && rate > 0,
              "LinearDecay: expected a finite learning rate above 0 but got ", rate,
              rate == 0 ? " (it would train nothing)." : ".");
  TORCH_CHECK(epoch >= 0, "LinearDecay: expected an epoch of at least 0 but got ", epoch, ".");
  if (epoch >= epochs) return 0;
  const auto first = decay_from * static_cast<double>(epochs);
  if (static_cast<double>(epoch) <= first) return rate;
  return rate * static_cast<double>(epochs - epoch) / (static_cast<double>(epochs) - first);
}

}  // namespace ladder::train
