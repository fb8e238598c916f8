#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ladder::io {

/// What a file is that was expected to be something else.
struct FileKind {
  std::string noun;   ///< "a zip archive"
  std::string hint;   ///< what to do about it: "unpack it first"
  bool text = false;  ///< text of no kind that is known
};

/// Bytes that `file_kind` wants to see.
inline constexpr size_t kFileKindBytes = 512;

/// Returns the kind of a file that begins with `head`, or nothing: packed files, web pages, Git LFS
/// pointers, the files of other libraries, and text.
std::optional<FileKind> file_kind(std::string_view head);

}  // namespace ladder::io
