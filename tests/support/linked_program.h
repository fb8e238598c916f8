/// Programs that are part of this test program, for the many command lines that a program answers
/// without doing anything.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/program.h"
#include "tests/support/temporary_folder.h"

/// The main functions of the programs, whose objects tests/CMakeLists.txt links.
extern "C" {
int ladder_main(int argc, char** argv);
int ladder_cifar10_main(int argc, char** argv);
int ladder_mnist_main(int argc, char** argv);
}

namespace ladder::testing {

using Main = int (*)(int argc, char** argv);

/// Run `main` with `arguments`, of which the first is the program's name, in a child of this
/// process. It does what `run_to_end` does, without a start of LibTorch.
///
/// The child has none of the threads of this process, so that a command must not compute anything;
/// one that does may hang, and is ended after a minute.
inline Outcome answer_of(Main main, Arguments arguments,
                         const std::map<std::string, std::string>& environment = {}) {
  const TemporaryFolder folder;
  const auto out = (folder / "out").string();
  const auto err = (folder / "err").string();
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  std::cout.flush();
  std::fflush(nullptr);  // the child must not print it again
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("could not fork for " + arguments.front());
  if (pid == 0) {
    ::alarm(60);
    constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
    for (const auto& [stream, file] : {std::pair{STDIN_FILENO, ::open("/dev/null", O_RDONLY)},
                                       {STDOUT_FILENO, ::open(out.c_str(), kWrite, 0666)},
                                       {STDERR_FILENO, ::open(err.c_str(), kWrite, 0666)}}) {
      if (file < 0 || ::dup2(file, stream) < 0) ::_exit(127);
    }
    for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
    // A program ends its process itself.
    main(static_cast<int>(arguments.size()), argv.data());
    ::_exit(126);
  }
  int raw = 0;
  ::waitpid(pid, &raw, 0);
  return {WIFEXITED(raw) ? WEXITSTATUS(raw) : -WTERMSIG(raw), file_bytes(out), file_bytes(err)};
}

}  // namespace ladder::testing
