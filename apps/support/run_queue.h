/// Runs of training programs, one process each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace ladder::apps {

/// A run to start: a command that trains into `folder` and goes on with what is there.
struct PlannedRun {
  std::string name;  ///< in what is said about it
  std::filesystem::path folder;
  std::vector<std::string> command;
};

struct QueueOptions {
  int64_t jobs = 1;  ///< runs at once
  std::function<bool()> stop_requested;
  std::function<void(const std::string&)> say;  ///< a line for each start and end
};

enum class QueueEnd { kAllEnded, kStopped };

/// Starts the runs in their order. What a run prints is appended to run.log in its folder. One that
/// fails leaves its status and its last line there (see record_failure) and the others go on; one
/// that is interrupted by someone else stays unfinished. When a stop is requested, no other run is
/// started, the running ones get one SIGINT each, and their ends are waited for.
QueueEnd run_queue(const std::vector<PlannedRun>& plan, const QueueOptions& options);

}  // namespace ladder::apps
