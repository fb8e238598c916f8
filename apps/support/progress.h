/// How a run goes, for a person or for a log.
#pragma once

#include <ladder/train/trainer.h>

#include <cstdint>
#include <optional>
#include <string>

namespace ladder::apps {

/// Estimates how long a run still takes, by its pace since the first call: what a run took before
/// it was resumed, elsewhere or beside other work, says little.
class TimeLeft {
 public:
  /// At `step` of `steps`, `seconds` after the run began; `steps_per_second` is the pace of late.
  /// "1:02:03", or "?" where there is no pace yet.
  std::string text(int64_t step, int64_t steps, double seconds, double steps_per_second);

 private:
  struct Mark {
    int64_t step;
    double seconds;
  };
  std::optional<Mark> first_;
};

/// Prints to the standard output: on a terminal one line that is rewritten, elsewhere a line for
/// each evaluation.
class ProgressLine {
 public:
  /// `epochs` of the run; prints nothing when `quiet`. Lines start with `name`, where there is one.
  ProgressLine(int64_t epochs, bool quiet, std::string name = {});
  ~ProgressLine();

  void progress(const train::Progress& progress);
  void evaluation(const train::Evaluation& evaluation, int64_t steps);
  /// A line that stays.
  void print(const std::string& line);
  /// Ends the line that is rewritten.
  void clear();

 private:
  int64_t epochs_;
  bool quiet_;
  std::string name_;
  bool terminal_;
  bool shown_ = false;
  TimeLeft time_left_;
  std::string last_error_;
};

/// "1:02:03", or "2:03" below an hour.
std::string clock_text(double seconds);
/// "1.06 %".
std::string percent_text(double percent);

}  // namespace ladder::apps
