#include "apps/support/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "apps/support/ranks.h"

#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  int get() const { return value_; }
  void close() {
    if (value_ >= 0) {
      ::close(std::exchange(value_, -1));
    }
  }

 private:
  int value_;
};

std::string error_text() { return std::generic_category().message(errno); }

// What strerror says, but safe between fork and exec.
const char* reason_in_child(int error) {
#ifdef __GLIBC__
#if __GLIBC_PREREQ(2, 32)
  if (const char* text = ::strerrordesc_np(error)) {
    return text;
  }
#endif
#endif
  return error == ENOENT   ? "No such file or directory"
         : error == EACCES ? "Permission denied"
                           : "an error of the system";
}

// Give signals that this program has a handler for their default action, as exec would; those that
// it ignores stay ignored.
void drop_handlers_in_child() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0) {
      continue;
    }
    const bool handled = (action.sa_flags & SA_SIGINFO) != 0 ||
                         (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
    if (handled) {
      action = {};
      action.sa_handler = SIG_DFL;
      ::sigaction(signal, &action, nullptr);
    }
  }
}

void say_in_child(const char* text) { (void)!::write(STDERR_FILENO, text, std::strlen(text)); }

std::vector<char*> as_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (const auto& text : texts) {
    all.push_back(const_cast<char*>(text.c_str()));
  }
  all.push_back(nullptr);
  return all;
}

// This environment with the changes of `options`.
std::vector<std::string> environment_of(const ChildOptions& options) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string variable = *entry;
    const auto name = variable.substr(0, variable.find('='));
    const auto& without = options.without;
    if (!options.variables.contains(name) &&
        std::find(without.begin(), without.end(), name) == without.end()) {
      all.push_back(variable);
    }
  }
  for (const auto& [name, value] : options.variables) {
    all.push_back(name + "=" + value);
  }
  return all;
}

// `out`: below 0 for the output of this process.
pid_t start(const std::vector<std::string>& command, int in, int out,
            const ChildOptions& options = {}) {
  const auto words = as_pointers(command);
  const auto variables = environment_of(options);
  const auto environment = as_pointers(variables);
  const pid_t parent = ::getpid();
  // A signal that reaches the child before exec waits until it has no handler of this program,
  // which would swallow it.
  sigset_t every, before;
  sigfillset(&every);
  ::pthread_sigmask(SIG_SETMASK, &every, &before);
  const pid_t pid = ::fork();
  if (pid != 0) {
    const int error = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
  }
  if (pid < 0) {
    throw std::runtime_error(
        fmt::format("expected to start {} but got \"{}\".", command.front(), error_text()));
  }
  if (pid > 0) {
    return pid;
  }
  // From here to exec only what is safe after fork in a program with threads.
  ::setpgid(0, 0);
#ifdef __linux__
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
#endif
  if (::getppid() != parent) {
    ::_exit(127);
  }
  for (const int ignored : {SIGPIPE, SIGXFSZ}) {
    std::signal(ignored, SIG_DFL);
  }
  drop_handlers_in_child();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::dup2(in, STDIN_FILENO);
  if (out >= 0) {
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
  }
  ::execve(words[0], words.data(), environment.data());
  const char* reason = reason_in_child(errno);
  say_in_child("expected to run ");
  say_in_child(words[0]);
  say_in_child(" but got \"");
  say_in_child(reason);
  say_in_child("\".\n");
  ::_exit(127);
}

int status_of(int raw) { return WIFEXITED(raw) ? WEXITSTATUS(raw) : -WTERMSIG(raw); }

int wait_for(pid_t pid) {
  int raw = 0;
  while (::waitpid(pid, &raw, 0) < 0 && errno == EINTR) {
  }
  return status_of(raw);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& command, const ChildOptions& options) {
  const Descriptor in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto& log = options.log;
  const Descriptor out(
      log.empty() ? -1 : ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (out.get() < 0 && !log.empty()) {
    throw std::runtime_error(
        fmt::format("expected to write {} but got \"{}\".", log.string(), error_text()));
  }
  pid_ = start(command, in.get(), out.get(), options);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    ::kill(pid_, SIGTERM);
    wait_for(pid_);
  }
}

void ChildProcess::send(int signal) const {
  if (pid_ > 0) {
    ::kill(pid_, signal);
  }
}

std::optional<int> ChildProcess::poll() {
  int raw = 0;
  if (pid_ <= 0 || ::waitpid(pid_, &raw, WNOHANG) != pid_) {
    return std::nullopt;
  }
  pid_ = -1;
  return status_of(raw);
}

std::string output_of(const std::vector<std::string>& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    throw std::runtime_error(
        fmt::format("expected to start {} but got \"{}\".", command.front(), error_text()));
  }
  const Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  const Descriptor in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const pid_t pid = start(command, in.get(), to.get(), {.without = rank_variables()});
  to.close();
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(from.get(), buffer, sizeof buffer)) != 0;) {
    if (count > 0) {
      text.append(buffer, static_cast<size_t>(count));
    } else if (errno != EINTR) {
      break;
    }
  }
  const int status = wait_for(pid);
  if (status != 0) {
    throw std::runtime_error(fmt::format("expected status 0 of {} but got {}: {}",
                                         fs::path(command.front()).filename().string(), status,
                                         error_line(text, command.front())));
  }
  return text;
}

fs::path program_folder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

std::string last_line(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  const auto end = text.find_last_not_of(kSpace);
  if (end == std::string::npos) {
    return "";
  }
  const auto newline = text.find_last_of("\r\n", end);
  const auto begin = text.find_first_not_of(kSpace, newline == std::string::npos ? 0 : newline + 1);
  return text.substr(begin, end - begin + 1);
}

std::string error_line(const std::string& text, const fs::path& program) {
  const auto name = program.filename().string() + ": ";
  auto found = text.rfind("\n" + name);
  if (found != std::string::npos) {
    ++found;
  } else if (text.starts_with(name)) {
    found = 0;
  } else {
    return last_line(text);
  }
  return last_line(text.substr(found, text.find('\n', found) - found));
}

}  // namespace ladder::apps
