#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

namespace ladder::io {

/// Replace the content of the file `path` by `bytes`. A reader, or a machine that stops at any
/// moment, finds the whole old or the whole new content: the bytes are written to a temporary file
/// in the same folder and flushed to the disk, then the file is renamed. It keeps the mode of the
/// file that it replaces, and its owner where the process may. A symbolic link to a file is
/// replaced.
///
/// Throws `c10::Error` naming the file and the system's reason; nothing is left behind then. A
/// folder, a device, a pipe and a link to one of these are refused.
void write_atomically(const std::filesystem::path& path, std::string_view bytes);

/// The same with content that `write` writes to the path of the temporary file. It must close the
/// file before it returns. Exceptions of `write` are passed on.
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(const std::filesystem::path& temporary)>& write);

/// Writes a file part by part, as `write_atomically` does with bytes that are at hand: without
/// `commit` nothing changes. The constructor removes the temporary files of earlier writers of
/// `path` whose process has ended.
///
///     AtomicWriter out("answers.csv");
///     while (...) out.write(lines);
///     out.commit();
///
/// Errors are those of `write_atomically`.
class AtomicWriter {
 public:
  explicit AtomicWriter(const std::filesystem::path& path);
  AtomicWriter(AtomicWriter&&) noexcept;
  AtomicWriter& operator=(AtomicWriter&&) = delete;
  ~AtomicWriter();

  void write(std::string_view bytes);
  /// Put the file in its place. Nothing may be written afterwards.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Remove the temporary files of `write_atomically` and `AtomicWriter` in `folder` whose process
/// has ended, killed say while it wrote. Those of processes that live stay, and so does everything
/// else.
void remove_stale_temporaries(const std::filesystem::path& folder);

/// Append `line` and a newline to the file `path`, and create the file if it does not exist. One
/// system call writes the line, so lines of several processes do not mix.
///
/// Throws `c10::Error` naming the file and the system's reason, or if `line` contains a newline.
void append_line(const std::filesystem::path& path, std::string_view line);

/// Flush the file `path` to the disk, so that what was appended to it survives a loss of power. Do
/// nothing where there is no such file.
///
/// Throws `c10::Error` naming the file and the system's reason.
void flush_file(const std::filesystem::path& path);

}  // namespace ladder::io
