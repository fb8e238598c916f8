/// How a run goes, for a person or for a log.
#pragma once

#include <ladder/train/trainer.h>

#include <cstdint>
#include <optional>
#include <string>

namespace ladder::examples {

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
  std::string last_error_;
};

/// "1:02:03", or "2:03" below an hour.
std::string clock_text(double seconds);
/// "1.06 %".
std::string percent_text(double percent);

}  // namespace ladder::examples
