/// Times and rates of a run.
#pragma once

#include <cstdint>

#include "ladder/train/awake_clock.h"

namespace ladder::train {

/// Measures the seconds of a run and those of its training steps alone, over all its parts, without
/// the time in which the process was stopped (see AwakeClock).
class RunClock {
 public:
  /// Start a part of a run, in training, after the seconds of the parts before.
  void start(double seconds, double training_seconds);

  /// Leave out of the training time what comes now, until `go`.
  void pause();
  void go();

  double seconds() const;
  double training_seconds() const;
  /// Seconds of this clock, to take differences of.
  double now() const { return clock_.seconds(); }

 private:
  AwakeClock clock_;
  double before_ = 0, training_before_ = 0;
  double started_ = 0, training_started_ = 0;
  bool training_ = false;
};

/// Steps per second from one look to the next.
class StepMeter {
 public:
  void start(int64_t step, double seconds);
  /// Return the steps per second since the last look; 0 where no time has passed.
  double look(int64_t step, double seconds);
  double last_look() const { return seconds_; }

 private:
  int64_t step_ = 0;
  double seconds_ = 0;
};

}  // namespace ladder::train
