#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fork_server.h"
#include "tests/support/temporary_folder.h"

namespace ladder::testing {

using Arguments = std::vector<std::string>;

inline Arguments operator+(Arguments left, const Arguments& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// The command run by a shell: a process of the program's file, also where the program is part of
/// this test program.
inline Arguments by_shell(const Arguments& command) {
  return Arguments{"/bin/sh", "-c", "exec \"$@\"", "sh"} + command;
}

/// A program that runs beside the test, with what it prints caught in files. It is a fork of the
/// ForkServer if that serves the command.
class Program {
 public:
  explicit Program(const Arguments& command,
                   const std::map<std::string, std::string>& environment = {}) {
    std::vector<std::string> variables;
    for (char** entry = environ; *entry != nullptr; ++entry) {
      const std::string variable = *entry;
      if (!environment.contains(variable.substr(0, variable.find('=')))) {
        variables.push_back(variable);
      }
    }
    for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);

    const std::string out = (folder_ / "out").string();
    const std::string err = (folder_ / "err").string();
    is_fork_ = fork_server != nullptr && fork_server->serves(command, variables);
    if (is_fork_) {
      pid_ = fork_server->start(command, variables, out, err);
      return;
    }
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), kWrite, 0666);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), kWrite, 0666);
    const auto argv = pointers(command);
    const auto envp = pointers(variables);
    const int failed = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), envp.data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) throw std::runtime_error("could not run " + command.front());
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (running()) {
      ::kill(pid_, SIGKILL);
      wait();
    }
  }

  /// Error: the program has ended, and its number may be that of another one.
  void send(int signal) {
    if (!send_if_running(signal)) {
      throw std::runtime_error("Program: expected a running program but it has ended");
    }
  }
  /// Return whether the program had not ended, and got the signal.
  bool send_if_running(int signal) {
    look(/*block=*/false);
    if (!status_) ::kill(pid_, signal);
    return !status_;
  }

  /// The exit status, or minus the signal that ended it.
  int wait() {
    look(/*block=*/true);
    return *status_;
  }

  bool running() {
    look(/*block=*/false);
    return !status_;
  }

  /// Waits until `done` or the end of the program, at most five minutes, in which nothing hangs on
  /// a busy machine.
  bool wait_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(300);
    while (running() && std::chrono::steady_clock::now() < end) {
      if (done()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return done();
  }

  std::string out() const { return file_bytes(folder_ / "out"); }
  std::string err() const { return file_bytes(folder_ / "err"); }

 private:
  void look(bool block) {
    if (status_) return;
    int raw = 0;
    if (is_fork_) {
      const auto told = fork_server->status(pid_, block);
      if (!told) return;
      raw = *told;
    } else if (::waitpid(pid_, &raw, block ? 0 : WNOHANG) != pid_) {
      return;
    }
    status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : -WTERMSIG(raw);
  }

  static std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (const auto& text : texts) all.push_back(const_cast<char*>(text.c_str()));
    all.push_back(nullptr);
    return all;
  }

  TemporaryFolder folder_;
  pid_t pid_ = -1;
  bool is_fork_ = false;
  std::optional<int> status_;
};

/// How a program ended.
struct Outcome {
  int status = 0;
  std::string out;
  std::string err;
};

inline Outcome run_to_end(const Arguments& command,
                          const std::map<std::string, std::string>& environment = {}) {
  Program program(command, environment);
  const int status = program.wait();
  return {status, program.out(), program.err()};
}

}  // namespace ladder::testing
