#pragma once

#include <cstdint>

#include "ladder/train/cost_buffer.h"
#include "ladder/train/run_clock.h"
#include "ladder/train/step_runner.h"
#include "ladder/train/trainer.h"

namespace ladder::train {

/// What the callbacks of a run hear after its steps.
class StepReports {
 public:
  StepReports(const TrainOptions& options, const StepRunner& runner, CostBuffer& costs)
      : options_(options), runner_(runner), costs_(costs) {}

  void start(int64_t step, double seconds) { meter_.start(step, seconds); }
  /// `at`: the position after the step.
  void tell(const TrainCallbacks& callbacks, const StepPosition& at, double seconds);

 private:
  Progress progress(const StepPosition& at, double seconds);

  const TrainOptions& options_;
  const StepRunner& runner_;
  CostBuffer& costs_;
  StepMeter meter_;
  bool exchange_told_ = false;
};

}  // namespace ladder::train
