#include <arpa/inet.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>

#include "apps/commands/commands.h"
#include "apps/support/child_process.h"
#include "apps/support/command_line.h"
#include "apps/support/free_port.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/ranks.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

struct LaunchFlags {
  int64_t ranks = 0;
  bool help = false;
};

CommandLine launch_line(LaunchFlags& flags) {
  CommandLine line(
      "ladder launch",
      "Start a command as several processes (ranks) on this machine. `ladder train --seeds`, "
      "`ladder reproduce` and `ladder tune` divide their runs among the ranks; `ladder train` "
      "without --seeds, ladder-mnist and ladder-cifar10 train one network on all ranks together.");
  line.integer("ranks,n", "number of ranks; the command follows after --", flags.ranks, 1, 4096);
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "Example: ladder launch -n 2 -- ladder train sensor.csv --label state --seeds 1..10\n"
      "Each rank gets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, and its share of "
      "the cores in OMP_NUM_THREADS unless that is set. Signals are passed on. If a rank fails, it "
      "is reported and the others continue. Exit status: 0 if every rank ends with 0, otherwise 1; "
      "2 for a usage error, 130 if interrupted by a signal.");
  return line;
}

// Path of a program as a shell finds it; `ladder` is this one.
std::string path_of(const std::string& program) {
  if (program == "ladder") return (program_folder() / "ladder").string();
  if (program.find('/') != std::string::npos) return program;
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    const auto file = fs::path(folder.empty() ? "." : folder) / program;
    if (::access(file.c_str(), X_OK) == 0 && !fs::is_directory(file)) return file.string();
  }
  throw UsageError(
      fmt::format("expected a program after -- but got '{}', which is not in $PATH.", program));
}

std::vector<ChildProcess> start_ranks(const std::vector<std::string>& command, int64_t ranks) {
  const auto cores = std::max<int64_t>(std::thread::hardware_concurrency(), 1);
  const auto port = std::to_string(free_port());
  std::vector<ChildProcess> children;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    ChildOptions options{.without = rank_variables()};
    options.variables = {
        {"RANK", std::to_string(rank)},       {"WORLD_SIZE", std::to_string(ranks)},
        {"LOCAL_RANK", std::to_string(rank)}, {"LOCAL_WORLD_SIZE", std::to_string(ranks)},
        {"MASTER_ADDR", "127.0.0.1"},         {"MASTER_PORT", port}};
    if (std::getenv("OMP_NUM_THREADS") == nullptr) {
      options.variables["OMP_NUM_THREADS"] = std::to_string(std::max<int64_t>(cores / ranks, 1));
    }
    children.emplace_back(command, options);
  }
  return children;
}

void report_end(int64_t rank, int status) {
  const auto how = status < 0 ? fmt::format("ended by signal {}, {}", -status, strsignal(-status))
                              : fmt::format("failed with status {}", status);
  std::fputs(fmt::format("ladder launch: rank {} {}\n", rank, how).c_str(), stderr);
}

int wait_for_ranks(std::vector<ChildProcess> children) {
  constexpr auto kPause = std::chrono::milliseconds(20);
  std::vector<bool> ended(children.size());
  bool told = false, failed = false;
  while (std::find(ended.begin(), ended.end(), false) != ended.end()) {
    if (!told && stop_requested()) {
      told = true;
      const int signal = stop_signal_number();
      for (const auto& child : children) child.send(signal != 0 ? signal : SIGTERM);
    }
    for (size_t i = 0; i < children.size(); ++i) {
      const auto status = ended[i] ? std::nullopt : children[i].poll();
      if (!status) continue;
      ended[i] = true;
      const bool stopped = told && (*status == kInterrupted || is_stop_signal(-*status));
      if (*status == 0 || stopped) continue;
      failed = true;
      report_end(static_cast<int64_t>(i), *status);
    }
    std::this_thread::sleep_for(kPause);
  }
  return failed ? 1 : told ? kInterrupted : 0;
}

}  // namespace

int launch_command(int argc, const char* const* argv) {
  const auto end = std::find_if(argv, argv + argc,
                                [](const char* word) { return std::string_view(word) == "--"; });
  const auto own = static_cast<int>(end - argv);
  LaunchFlags flags;
  auto line = launch_line(flags);
  line.parse(own, argv);
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  if (flags.ranks == 0) throw UsageError("expected the number of ranks in -n but got none.");
  std::vector<std::string> command(end == argv + argc ? end : end + 1, argv + argc);
  if (command.empty()) {
    throw UsageError("expected -- and a command after the flags but got none.");
  }
  command.front() = path_of(command.front());
  catch_interruption();
  return wait_for_ranks(start_ranks(command, flags.ranks));
}

}  // namespace ladder::apps
