#include "ladder/train/internal/step_reports.h"

namespace ladder::train {

void StepReports::tell(const TrainCallbacks& callbacks, const StepPosition& at, double seconds) {
  if (callbacks.on_step) callbacks.on_step(at.step);
  const auto waited = seconds - meter_.last_look();
  if (callbacks.on_progress && waited >= options_.progress_every_seconds) {
    callbacks.on_progress(progress(at, seconds));
  }
  if (exchange_told_ || !callbacks.on_exchange) return;
  if (const auto times = runner_.exchange_times()) {
    exchange_told_ = true;
    callbacks.on_exchange(*times);
  }
}

Progress StepReports::progress(const StepPosition& at, double seconds) {
  costs_.read();
  const auto in_epoch = (at.step - 1) % at.steps_per_epoch + 1;
  return {.epoch = (at.step - 1) / at.steps_per_epoch + 1,
          .epochs = options_.epochs,
          .step = at.step,
          .steps = at.steps,
          .steps_per_second = meter_.look(at.step, seconds),
          .total = costs_.sums().back() / static_cast<double>(in_epoch),
          .seconds = seconds};
}

}  // namespace ladder::train
