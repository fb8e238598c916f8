#include "apps/support/program.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <ladder/ops/kernel_info.h>
#include <ladder/ops/product.h>
#include <ladder/runs/run_config.h>
#include <ladder/version.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <new>

#include "apps/support/command_line.h"
#include "apps/support/output.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace ladder::apps {
namespace {

struct StopSignal {
  int number;
  const char* name;
};
constexpr StopSignal kStopSignals[] = {{SIGINT, "SIGINT"},   {SIGTERM, "SIGTERM"},
                                       {SIGHUP, "SIGHUP"},   {SIGUSR1, "SIGUSR1"},
                                       {SIGUSR2, "SIGUSR2"}, {SIGXCPU, "SIGXCPU"}};

volatile std::sig_atomic_t g_stop = 0;  // the signal
std::atomic<int64_t> g_stop_time = 0;   // ms

int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{1000} * now.tv_sec + now.tv_nsec / 1000000;
}

// timeout(1) signals a process and then its group; a closing terminal and its shell both send
// SIGHUP; a parent that is killed sends SIGTERM once for each of its threads; the kernel repeats
// SIGXCPU each second. Only SIGINT comes from a hand that may be quick.
bool is_echo(int signal) {
  constexpr int64_t kSameMoment = 10, kSameEvent = 1000;  // ms
  const auto elapsed = now_ms() - g_stop_time;
  const bool by_hand = signal != SIGHUP && signal != SIGTERM;
  return signal == SIGXCPU || (signal == g_stop && elapsed < (by_hand ? kSameMoment : kSameEvent));
}

void on_stop_signal(int signal) {
  if (g_stop == 0) {
    g_stop_time = now_ms();
    g_stop = signal;
  } else if (!is_echo(signal)) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
  }
}

int report(const std::string& name, std::string sentence, int status) {
  while (!sentence.empty() && sentence.back() == '\n') {
    sentence.pop_back();
  }
  std::fflush(stdout);
  // Not fmt::print, which throws where the standard error is closed.
  std::fputs(fmt::format("{}: {}\n", name, sentence).c_str(), stderr);
  return status;
}

// Open the standard streams that are closed. Otherwise the first files that the program opens would
// get their numbers, and what it prints.
void occupy_closed_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0 && errno == EBADF) {
      (void)::open("/dev/null", O_RDONLY);
    }
  }
}

int check_output(const std::string& name, int status) {
  print("");
  const auto failure = output_failure();
  if (!failure) {
    return status;
  }
  report(name,
         fmt::format("expected to write to the standard output but got \"{}\"{}.", *failure,
                     status == kInterrupted ? " (the run is saved; --resume continues it)" : ""),
         1);
  // Report an interrupted run as such even if its terminal is gone.
  return status == kInterrupted && g_stop != 0 ? status : 1;
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

int run_body(const std::string& name, const std::function<int()>& body) {
  try {
    return check_output(name, body());
  } catch (const UsageError& error) {
    return report(name, without_function_name(error.what()), kWrongUse);
  } catch (const std::exception& error) {
    return report(name, error_sentence(error), 1);
  }
}

}  // namespace

std::string without_function_name(const std::string& text) {
  const size_t end = text.find(": expected ");
  if (end == std::string::npos) return text;
  const auto is_in_name = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == ':'; };
  const auto is_lower = [](unsigned char c) { return std::islower(c) != 0; };
  const auto name_end = text.begin() + static_cast<std::ptrdiff_t>(end);
  const bool is_name = std::all_of(text.begin(), name_end, is_in_name) &&
                       std::any_of(text.begin(), name_end, is_lower);
  return is_name ? text.substr(end + 2) : text;
}

std::string error_sentence(const std::exception& error) {
  const auto* const of_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = of_torch != nullptr ? of_torch->what_without_backtrace() : error.what();
  const auto says = [&](const char* words) { return text.find(words) != std::string::npos; };
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
      (of_torch != nullptr && (says("can't allocate memory") || says("out of memory")))) {
    return "expected more memory than this machine has free (a smaller network or batch takes "
           "less).";
  }
  return without_function_name(text);
}

void run_program(const std::string& name, const std::function<int()>& body) {
  occupy_closed_streams();
  // Writing to a closed pipe or past a limit is an error of the write.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const int status = run_body(name, body);
  std::fflush(nullptr);
  ::_exit(status);
}

void catch_interruption() {
  for (const auto& stop : kStopSignals) {
    struct sigaction action {};
    sigaction(stop.number, nullptr, &action);
    if (stop.number == SIGHUP && action.sa_handler == SIG_IGN) {
      continue;
    }
    action = {};
    action.sa_handler = on_stop_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(stop.number, &action, nullptr);
  }
}

bool stop_requested() { return g_stop != 0 || output_failure(); }

std::string stop_signal() {
  for (const auto& stop : kStopSignals) {
    if (stop.number == g_stop) {
      return stop.name;
    }
  }
  return "";
}

int stop_signal_number() { return g_stop; }

bool is_stop_signal(int signal) {
  return std::any_of(std::begin(kStopSignals), std::end(kStopSignals),
                     [&](const StopSignal& stop) { return stop.number == signal; });
}

void keep_freed_memory() {
#ifdef __GLIBC__
  // A step frees buffers of megabytes and allocates them again in the next step. By default glibc
  // returns such memory to the kernel, and each step pays for new pages: a fifth of the step time
  // of a large convolutional network.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
#endif
}

void set_threads(int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

std::string shell_word(const std::string& word) {
  const bool plain =
      !word.empty() && word.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                           "-_=+.,:/@%") == std::string::npos;
  if (plain) return word;
  std::string quoted;
  for (const char c : word) {
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return "'" + quoted + "'";
}

std::string shell_command(int argc, const char* const* argv) {
  std::string command;
  for (int i = 0; i < argc; ++i) command += (i > 0 ? " " : "") + shell_word(argv[i]);
  return command;
}

runs::Environment environment(const c10::Device& device, const ops::ProductPlan& products,
                              const std::filesystem::path& data_dir) {
  const auto kernels = ops::kernel_info();
  const auto gpu = ops::gpu_name(device);
  return {.ladder = std::string(version()),
          .commit = std::string(git_commit()),
          .libtorch = TORCH_VERSION,
          .cpu = processor(),
          .gpu = gpu.empty() ? std::nullopt : std::optional(gpu),
          .threads = at::get_num_threads(),
          .kernels = kernels.name,
          .instruction_set = kernels.instruction_set,
          .product_route = ops::to_string(products.route),
          .data_dir = data_dir.empty()
                          ? ""
                          : std::filesystem::absolute(data_dir).lexically_normal().string()};
}

std::string version_text(const std::string& program) {
  const auto here = environment(c10::kCPU, ops::default_product_plan(), {});
  return fmt::format("{} {} ({}), LibTorch {}, kernels {} ({}), {}\n", program, here.ladder,
                     here.commit, here.libtorch, here.kernels, here.instruction_set,
                     ops::to_string(ops::default_product_plan()));
}

}  // namespace ladder::apps
