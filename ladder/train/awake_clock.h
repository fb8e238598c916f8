/// A clock that leaves out the time in which the process was stopped.
#pragma once

#include <memory>

namespace ladder::train {

/// Seconds since construction, not counting time in which the whole process was stopped (SIGSTOP,
/// Ctrl-Z, a frozen container). A thread, shared by all clocks of the process, reads the time four
/// times a second and detects such a stop as a gap of more than a second.
///
///     AwakeClock clock;
///     step();
///     double seconds = clock.seconds();
class AwakeClock {
 public:
  AwakeClock();
  double seconds() const;

 private:
  class Watch;
  std::shared_ptr<Watch> watch_;
  double start_;
};

}  // namespace ladder::train
