#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace ladder::io {

/// Makes `bytes` the content of the file `path`, so that a reader, or a machine that stops at any
/// moment, finds the old content or the new and never a part: the bytes go to a temporary file in
/// the same folder, reach the disk, and the file is then renamed. A symbolic link is replaced.
///
/// Throws `c10::Error` naming the file and the system's reason; nothing is left behind then.
void write_atomically(const std::filesystem::path& path, std::string_view bytes);

/// The same, with the content written by `write`, which is given the path of the temporary file and
/// closes it before it returns. What `write` throws is passed on.
void write_atomically(const std::filesystem::path& path,
                      const std::function<void(const std::filesystem::path& temporary)>& write);

/// Appends `line` and a newline to the file `path`, created if need be, in one write: lines of
/// several processes do not mix.
///
/// Throws `c10::Error` naming the file and the system's reason, or when `line` holds a newline.
void append_line(const std::filesystem::path& path, std::string_view line);

}  // namespace ladder::io
