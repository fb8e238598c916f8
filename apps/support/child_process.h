/// Programs that run beside this one.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace ladder::apps {

/// A child with nothing to read, whose output is appended to a file.
///
/// It is in a process group of its own: Ctrl-C in a terminal reaches this program alone, which
/// passes it on once. It gets SIGTERM when this program ends in whatever way.
class ChildProcess {
 public:
  /// Starts `command`, whose first word is the path of a program. One that cannot be run ends with
  /// status 127 and a sentence in `log`. Error: `log` cannot be written, no process can be made.
  ChildProcess(const std::vector<std::string>& command, const std::filesystem::path& log);
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) = delete;
  /// Asks a child that still runs to end, and waits for it.
  ~ChildProcess();

  void send(int signal) const;
  /// How the child ended, its status or minus the signal; none while it runs.
  std::optional<int> poll();

 private:
  pid_t pid_ = -1;
};

/// What `command` prints, when it ends with status 0. Error: it does not;
/// the sentence holds its last line.
std::string output_of(const std::vector<std::string>& command);

/// The folder of the program that runs.
std::filesystem::path program_folder();

/// The last line of `text` that is not empty, without white space around it.
std::string last_line(const std::string& text);

}  // namespace ladder::apps
