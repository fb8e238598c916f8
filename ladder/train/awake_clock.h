/// A clock that leaves out the time in which the process was stopped.
#pragma once

#include <memory>

namespace ladder::train {

/// Seconds since construction, without those in which the whole process stood still: SIGSTOP,
/// Ctrl-Z, a frozen container. A thread that looks at the clock four times a second, shared by all
/// clocks of the process, sees such a time as a gap of more than a second.
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
