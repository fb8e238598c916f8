/// Programs that are part of this test program, each started in a fork of it.
///
/// Starting a program from its file takes .4 s of processor time to load LibTorch, and most tests
/// of programs start many of them. The server is a fork of the test program from before the first
/// test: LibTorch is ready in it, and no thread has begun. A program that it starts is a fork of
/// the server in turn, with the arguments, environment, folder and streams that it would have as a
/// process of its own, and the same code: its main function.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ladder::testing {

using Main = int (*)(int argc, char** argv);

class ForkServer {
 public:
  /// False if this process has more than one thread: a fork has none of the others.
  static bool is_possible();

  /// Begin to serve programs by the paths of their files.
  explicit ForkServer(std::map<std::string, Main> programs);
  ForkServer(const ForkServer&) = delete;
  ~ForkServer();

  /// False for another file than those of the programs, and for an environment with other variables
  /// for libraries that read them when they are loaded (OMP_NUM_THREADS).
  bool serves(const std::vector<std::string>& command,
              const std::vector<std::string>& environment) const;

  /// Start a program that writes its streams to files, and return its process.
  pid_t start(const std::vector<std::string>& command, const std::vector<std::string>& environment,
              const std::filesystem::path& out, const std::filesystem::path& err) const;

  /// How a started process ended, as waitpid() tells; without `block` nothing if it goes on. To be
  /// asked once for a process that has ended.
  std::optional<int> status(pid_t pid, bool block) const;

 private:
  std::vector<int> ask(const std::vector<std::string>& words) const;

  std::map<std::string, Main> programs_;
  std::vector<std::string> early_;  // the variables that are read when libraries are loaded
  int socket_ = -1;
  pid_t pid_ = -1;
};

/// The programs that are part of this test program, by the paths of their files.
inline std::map<std::string, Main>& linked_programs() {
  static std::map<std::string, Main> programs;
  return programs;
}

/// Their server; null where there are none.
inline const ForkServer* fork_server = nullptr;

}  // namespace ladder::testing
