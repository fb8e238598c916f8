#include "apps/support/run_queue.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <list>
#include <system_error>
#include <thread>
#include <utility>

#include "apps/support/child_process.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/progress.h"
#include "apps/support/ranks.h"
#include "ladder/runs/run_table.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct Running {
  const PlannedRun* run;
  Clock::time_point started;
  bool is_whole;  // it continues none
  std::uintmax_t log_begin;
  ChildProcess child;
};

fs::path log_of(const PlannedRun& run) { return run.folder / "run.log"; }

// True if another process trains in the folder: it holds the lock of RunFolder.
bool is_held(const fs::path& folder) {
  const int lock = ::open((folder / ".lock").c_str(), O_RDWR | O_CLOEXEC);
  if (lock < 0) {
    return false;
  }
  const bool held = ::flock(lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(lock);
  return held;
}

// True if another process trains a run or the one that teaches it.
bool is_in_use(fs::path folder) { return is_held(folder) || is_held(folder += ".teacher"); }

std::string left_to_another(const PlannedRun& run) {
  return fmt::format("{}: left to the process that trains in {}", run.name, run.folder.string());
}

Running start(const PlannedRun& run) {
  make_folder(run.folder);
  runs::forget_failure(run.folder);
  std::error_code none;
  const auto file_size = fs::file_size(log_of(run), none);
  const auto size = none ? 0 : file_size;
  const bool continues = fs::exists(run.folder / "checkpoint.pt", none);
  return {&run, Clock::now(), !continues, size,
          ChildProcess(run.command, {.log = log_of(run), .without = rank_variables()})};
}

std::string last_words(const Running& running, int status) {
  std::ifstream in(log_of(*running.run), std::ios::binary);
  in.seekg(static_cast<std::streamoff>(running.log_begin));
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const auto line = status > 0 ? error_line(text, running.run->command.front()) : last_line(text);
  if (status >= 0) {
    return line.empty() ? fmt::format("status {}", status) : line;
  }
  const auto end = fmt::format("ended by signal {}, {}", -status, strsignal(-status));
  return line.empty() ? end : fmt::format("{}, after: {}", end, line);
}

double seconds_of(const Running& running) {
  return std::chrono::duration<double>(Clock::now() - running.started).count();
}

// ", about 1:20:00 left" while runs go on or are to be started, from `next` on; empty where no time
// is known.
std::string time_left(const std::vector<PlannedRun>& plan,
                      std::vector<PlannedRun>::const_iterator next,
                      const std::list<Running>& running, const RunTimes& times, int64_t jobs) {
  std::vector<std::pair<std::string, double>> begun;
  for (const auto& one : running) begun.emplace_back(one.run->kind, seconds_of(one));
  std::vector<std::string> waiting;
  for (; next != plan.end(); ++next) waiting.push_back(next->kind);
  if (begun.empty() && waiting.empty()) return "";
  const auto left = times.left(begun, waiting, jobs);
  return left ? fmt::format(", about {} left", clock_text(*left)) : "";
}

// Record how a run ended, and return a line about it.
std::string settle_end(const Running& running, int status, const QueueOptions& options) {
  const auto& run = *running.run;
  const auto time = clock_text(seconds_of(running));
  const auto words = last_words(running, status);
  if (options.ended) options.ended(run, status, words);
  if (status == 0) {
    return fmt::format("{}: {} ({})", run.name, words, time);
  }
  if (status == kInterrupted || (is_stop_signal(-status) && options.stop_requested())) {
    return fmt::format("{}: interrupted, to be continued ({})", run.name, time);
  }
  if (is_in_use(run.folder)) {  // another process was faster to open it: its run has not failed
    return left_to_another(run);
  }
  runs::record_failure(run.folder, status, words);
  return fmt::format("{}: failed, {} ({})", run.name, words, time);
}

}  // namespace

void RunTimes::add(const std::string& kind, double seconds, bool here) {
  auto& sum = (here ? here_ : elsewhere_)[kind];
  sum.seconds += seconds;
  ++sum.runs;
}

std::optional<double> RunTimes::of(const std::string& kind) const {
  for (const auto* sums : {&here_, &elsewhere_}) {
    if (const auto found = sums->find(kind); found != sums->end()) return found->second.mean();
  }
  for (const auto* sums : {&here_, &elsewhere_}) {
    Sum all;
    for (const auto& [name, sum] : *sums) {
      all.seconds += sum.seconds;
      all.runs += sum.runs;
    }
    if (all.runs > 0) return all.mean();
  }
  return std::nullopt;
}

std::optional<double> RunTimes::left(const std::vector<std::pair<std::string, double>>& running,
                                     const std::vector<std::string>& waiting, int64_t jobs) const {
  if (here_.empty() && elsewhere_.empty()) return std::nullopt;
  std::vector<double> ends;  // of each job, from now on
  for (const auto& [kind, seconds] : running) ends.push_back(std::max(0.0, *of(kind) - seconds));
  ends.resize(std::max(ends.size(), static_cast<size_t>(std::max<int64_t>(jobs, 1))));
  for (const auto& kind : waiting) *std::min_element(ends.begin(), ends.end()) += *of(kind);
  return *std::max_element(ends.begin(), ends.end());
}

int64_t threads_of_run(int64_t jobs) {
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  return jobs > 1 ? std::max<int64_t>(1, cores / jobs) : 0;
}

QueueEnd run_queue(const std::vector<PlannedRun>& plan, const QueueOptions& options) {
  constexpr auto kPause = std::chrono::milliseconds(20);
  std::list<Running> running;
  auto next = plan.begin();
  bool told = false;
  auto times = options.times;
  const auto left = [&] { return time_left(plan, next, running, times, options.jobs); };
  if (const auto text = left(); !text.empty()) {
    options.say(fmt::format("0 of {} runs ended{}", plan.size(), text));
  }
  while (!running.empty() || (next != plan.end() && !options.stop_requested())) {
    while (next != plan.end() && static_cast<int64_t>(running.size()) < options.jobs &&
           !options.stop_requested()) {
      if (is_in_use(next->folder)) {
        options.say(left_to_another(*next++));
        continue;
      }
      options.say(fmt::format("{}: {} of {}, in {}", next->name, next - plan.begin() + 1,
                              plan.size(), next->folder.string()));
      running.push_back(start(*next++));
    }
    if (options.stop_requested() && !std::exchange(told, true)) {
      for (const auto& one : running) {
        one.child.send(SIGINT);
      }
    }
    for (auto one = running.begin(); one != running.end();) {
      if (const auto status = one->child.poll()) {
        if (*status == 0 && one->is_whole) times.add(one->run->kind, seconds_of(*one), true);
        const auto line = settle_end(*one, *status, options);
        one = running.erase(one);
        options.say(options.stop_requested()
                        ? line
                        : fmt::format("{}; {} of {} runs ended{}", line,
                                      next - plan.begin() - std::ssize(running), plan.size(),
                                      left()));
      } else {
        ++one;
      }
    }
    if (!running.empty()) {
      std::this_thread::sleep_for(kPause);
    }
  }
  return options.stop_requested() ? QueueEnd::kStopped : QueueEnd::kAllEnded;
}

}  // namespace ladder::apps
