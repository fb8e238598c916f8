/// Progress of a run, for a person or for a log.
#pragma once

#include <ladder/train/trainer.h>

#include <cstdint>
#include <optional>
#include <string>

namespace ladder {
struct FoldProgress;
}

namespace ladder::apps {

/// Estimates how long a run still takes, from its pace since the first call: the pace before it was
/// resumed, on another machine or beside other work, says little.
class TimeLeft {
 public:
  /// Return the time left at `step` of `steps`, `seconds` after the run began: "1:02:03", or "?"
  /// without a pace. `steps_per_second` is the latest pace, used at the first call.
  std::string text(int64_t step, int64_t steps, double seconds, double steps_per_second);

 private:
  struct Mark {
    int64_t step;
    double seconds;
  };
  std::optional<Mark> first_;
};

/// Prints progress to the standard output: on a terminal one line that is rewritten, elsewhere one
/// line for each evaluation.
class ProgressLine {
 public:
  /// `epochs`: epochs of the run. Prints nothing if `quiet`. Lines start with `name` unless empty.
  /// The time left includes `later_steps` steps that follow those of the run.
  ProgressLine(int64_t epochs, bool quiet, std::string name = {}, int64_t later_steps = 0);
  ~ProgressLine();

  void progress(const train::Progress& progress);
  void evaluation(const train::Evaluation& evaluation, int64_t steps);
  /// Where cross-validation stands. A log gets a line for each fold, and for each tenth of all.
  void fold(const FoldProgress& progress);
  /// Print a line that stays.
  void print(const std::string& line);
  /// Erase the line that is rewritten.
  void clear();

 private:
  int64_t epochs_;
  bool quiet_;
  std::string name_;
  int64_t later_steps_;
  bool terminal_;
  bool shown_ = false;
  TimeLeft time_left_;
  TimeLeft fold_time_left_;
  int64_t fold_tenths_ = 0;
  std::string last_error_;
};

/// "1:02:03", or "2:03" below an hour.
std::string clock_text(double seconds);
/// "1.06 %".
std::string percent_text(double percent);

}  // namespace ladder::apps
