/// Run training programs, one process each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace ladder::apps {

/// A run to start: a command that trains into `folder` and continues what is there.
struct PlannedRun {
  std::string name;  ///< for messages
  std::filesystem::path folder;
  std::vector<std::string> command;
  std::string kind = {};  ///< runs of one kind, a recipe say, take about as long
};

/// Estimates how long runs still take, from those that have ended.
class RunTimes {
 public:
  /// Take the time of a whole run, in seconds. `here`: it ran beside those to come, and counts in
  /// place of runs of its kind that did not.
  void add(const std::string& kind, double seconds, bool here);
  /// Return the mean time of a kind of runs, or that of all runs where none of the kind has ended.
  std::optional<double> of(const std::string& kind) const;
  /// Return the seconds until the runs that go on (kind, seconds so far) and those to be started
  /// after them (kinds) have ended, `jobs` of them at the same time. None before a run has ended.
  std::optional<double> left(const std::vector<std::pair<std::string, double>>& running,
                             const std::vector<std::string>& waiting, int64_t jobs) const;

 private:
  struct Sum {
    double seconds = 0;
    int64_t runs = 0;
    double mean() const { return seconds / static_cast<double>(runs); }
  };
  std::map<std::string, Sum> here_, elsewhere_;
};

struct QueueOptions {
  int64_t jobs = 1;  ///< runs at the same time
  std::function<bool()> stop_requested;
  /// Takes a line for each start and end. That of an end says how many runs have ended, and about
  /// how long the others take.
  std::function<void(const std::string&)> say;
  /// Takes each run that has ended, its status or minus its signal, and its last line, or that of
  /// its error.
  std::function<void(const PlannedRun&, int status, const std::string& line)> ended = {};
  RunTimes times = {};  ///< of runs that ended before
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
