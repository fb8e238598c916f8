/// Rows written as they are made: to the standard output at once, or to a file that is there whole
/// or not at all.
#pragma once

#include <ladder/io/atomic_file.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string_view>

namespace ladder::apps {

/// Writes text to `path`, or to the standard output if it is empty. A file is written beside its
/// place and put there by `commit` (io::AtomicWriter); without it, nothing changes. A device, a
/// pipe or a link is written through. Errors: a file that cannot be written, with its path and the
/// system's reason.
class RowWriter {
 public:
  explicit RowWriter(std::filesystem::path path);

  void write(std::string_view text);
  void commit();

 private:
  [[noreturn]] void fail() const;

  std::filesystem::path path_;
  std::optional<io::AtomicWriter> whole_;
  std::ofstream through_;
};

}  // namespace ladder::apps
