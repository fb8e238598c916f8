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

Running start(const PlannedRun& run) {
  make_folder(run.folder);
  runs::forget_failure(run.folder);
  std::error_code none;
  const auto size = fs::file_size(log_of(run), none);
  return {&run, Clock::now(), none ? 0 : size,
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

void settle_end(const Running& running, int status, const QueueOptions& options) {
  const auto& run = *running.run;
  const auto time =
      clock_text(std::chrono::duration<double>(Clock::now() - running.started).count());
  const auto words = last_words(running, status);
  if (options.ended) options.ended(run, status, words);
  if (status == 0) {
    options.say(fmt::format("{}: {} ({})", run.name, words, time));
  } else if (status == kInterrupted || (is_stop_signal(-status) && options.stop_requested())) {
    options.say(fmt::format("{}: interrupted, to be continued ({})", run.name, time));
  } else {
    runs::record_failure(run.folder, status, words);
    options.say(fmt::format("{}: failed, {} ({})", run.name, words, time));
  }
}

}  // namespace

int64_t threads_of_run(int64_t jobs) {
  const auto cores = static_cast<int64_t>(std::thread::hardware_concurrency());
  return jobs > 1 ? std::max<int64_t>(1, cores / jobs) : 0;
}

QueueEnd run_queue(const std::vector<PlannedRun>& plan, const QueueOptions& options) {
  constexpr auto kPause = std::chrono::milliseconds(20);
  std::list<Running> running;
  auto next = plan.begin();
  bool told = false;
  while (!running.empty() || (next != plan.end() && !options.stop_requested())) {
    while (next != plan.end() && static_cast<int64_t>(running.size()) < options.jobs &&
           !options.stop_requested()) {
      if (is_in_use(next->folder)) {
        options.say(fmt::format("{}: left to the process that trains in {}", next->name,
                                next->folder.string()));
        ++next;
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
        settle_end(*one, *status, options);
        one = running.erase(one);
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
