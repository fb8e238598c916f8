/// Start other programs and wait for them.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ladder::apps {

/// How a child process differs from this one.
struct ChildOptions {
  std::filesystem::path log = {};  ///< file that its output is appended to; empty: our output
  std::map<std::string, std::string> variables = {};  ///< added to the environment
  std::vector<std::string> without = {};              ///< variables that it does not get
};

/// A child process without input.
///
/// It has its own process group: Ctrl-C in a terminal reaches only this program, which passes it on
/// once. The child gets SIGTERM when this program ends, however it ends.
class ChildProcess {
 public:
  /// Start `command`; its first word is the path of a program. A program that cannot be run ends
  /// with status 127 and a sentence in its output. Errors: `log` cannot be written, no process can
  /// start.
  ChildProcess(const std::vector<std::string>& command, const ChildOptions& options);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) = delete;
  /// End a child that still runs by SIGTERM and wait for it.
  ~ChildProcess();

  void send(int signal) const;
  /// Return the exit status of the child, or minus the signal that ended it; none while it runs.
  std::optional<int> poll();

 private:
  pid_t pid_ = -1;
};

/// Return what `command` prints. Error: an exit status other than 0; the sentence holds the error
/// line that it printed.
std::string output_of(const std::vector<std::string>& command);

/// Return the folder of this program.
std::filesystem::path program_folder();

/// Return the last line of `text` that is not empty, without white space around it.
std::string last_line(const std::string& text);

/// Return the last line that begins with the name of `program` and ": ", as the sentences of errors
/// do, since what it advises may stand below; else the last line.
std::string error_line(const std::string& text, const std::filesystem::path& program);

}  // namespace ladder::apps
