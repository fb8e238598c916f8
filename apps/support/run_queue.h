/// Run training programs, one process each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace ladder::apps {

/// A run to start: a command that trains into `folder` and continues what is there.
struct PlannedRun {
  std::string name;  ///< for messages
  std::filesystem::path folder;
  std::vector<std::string> command;
};

struct QueueOptions {
  int64_t jobs = 1;  ///< runs at the same time
  std::function<bool()> stop_requested;
  std::function<void(const std::string&)> say;  ///< takes a line for each start and end
  /// Takes each run that has ended, its status or minus its signal, and its last line, or that of
  /// its error.
  std::function<void(const PlannedRun&, int status, const std::string& line)> ended = {};
};

enum class QueueEnd { kAllEnded, kStopped };

/// Return the CPU threads that each of `jobs` runs at the same time takes: an equal share of the
/// cores, at least 1. 0, all of them, for one run at a time.
int64_t threads_of_run(int64_t jobs);

/// Start the runs in their order. What a run prints is appended to run.log in its folder. A run
/// that fails leaves its status and the line of its error there (see runs::record_failure), and the
/// others go on. A run that someone else interrupts stays unfinished, and a folder in which another
/// process trains is left to it. A run is no rank of a launcher (see Rank). When a stop is
/// requested, no further run is started, each running one gets one SIGINT, and the queue waits for
/// their ends.
QueueEnd run_queue(const std::vector<PlannedRun>& plan, const QueueOptions& options);

}  // namespace ladder::apps
