#include "apps/support/program.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <ladder/ops/kernel_info.h>
#include <ladder/version.h>
#include <torch/version.h>

#include <climits>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "apps/support/command_line.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace ladder::apps {
namespace {

volatile std::sig_atomic_t g_stop = 0;

int report(const std::string& name, std::string sentence, int status) {
  while (!sentence.empty() && sentence.back() == '\n') {
    sentence.pop_back();
  }
  std::fflush(stdout);
  fmt::print(stderr, "{}: {}\n", name, sentence);
  return status;
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown";
}

}  // namespace

int run_program(const std::string& name, const std::function<int()>& body) {
  try {
    return body();
  } catch (const UsageError& error) {
    return report(name, error.what(), 2);
  } catch (const c10::Error& error) {
    return report(name, error.what_without_backtrace(), 1);
  } catch (const std::bad_alloc&) {
    return report(name, "expected more memory than this machine has free.", 1);
  } catch (const std::exception& error) {
    return report(name, error.what(), 1);
  }
}

void catch_interruption() {
  struct sigaction action {};
  action.sa_handler = [](int) {
    g_stop = 1;
    std::signal(SIGINT, SIG_DFL);
    std::signal(SIGTERM, SIG_DFL);
  };
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

bool stop_requested() { return g_stop != 0; }

void keep_freed_memory() {
#ifdef __GLIBC__
  // A step frees buffers of megabytes and asks for them again in the next one. By default glibc
  // gives such memory back to the kernel, and every step pays for fresh pages: a fifth of the time
  // of a large convolutional network.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}

std::string shell_command(int argc, const char* const* argv) {
  std::string command;
  for (int i = 0; i < argc; ++i) {
    const std::string argument = argv[i];
    const bool plain =
        !argument.empty() && argument.find_first_not_of(
                                 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "-_=+.,:/@%") == std::string::npos;
    std::string quoted;
    for (const char c : argument) {
      quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    }
    command += (i > 0 ? " " : "") + (plain ? argument : "'" + quoted + "'");
  }
  return command;
}

nlohmann::ordered_json environment(const ops::ProductPlan& products) {
  return {{"ladder", std::string(version())},
          {"commit", std::string(git_commit())},
          {"libtorch", TORCH_VERSION},
          {"cpu", processor()},
          {"threads", at::get_num_threads()},
          {"kernels", ops::kernel_info().name},
          {"product_route", ops::to_string(products.route)}};
}

}  // namespace ladder::apps
