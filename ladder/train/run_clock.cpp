#include "ladder/train/run_clock.h"

namespace ladder::train {

void RunClock::start(double seconds, double training_seconds) {
  before_ = seconds;
  training_before_ = training_seconds;
  started_ = training_started_ = now();
  training_ = true;
}

void RunClock::pause() {
  training_before_ = training_seconds();
  training_ = false;
}

void RunClock::go() {
  if (training_) return;
  training_started_ = now();
  training_ = true;
}

double RunClock::seconds() const { return before_ + (now() - started_); }

double RunClock::training_seconds() const {
  return training_before_ + (training_ ? now() - training_started_ : 0);
}

void StepMeter::start(int64_t step, double seconds) {
  step_ = step;
  seconds_ = seconds;
}

double StepMeter::look(int64_t step, double seconds) {
  const auto steps = static_cast<double>(step - step_);
  const auto elapsed = seconds - seconds_;
  start(step, seconds);
  return elapsed > 0 ? steps / elapsed : 0;
}

}  // namespace ladder::train
