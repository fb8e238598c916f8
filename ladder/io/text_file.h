/// Reading of whole text files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace ladder::io {

/// Size of the largest text file that is read unless a caller names another: 64 MiB.
inline constexpr int64_t kMaxTextBytes = int64_t{64} << 20;

/// Return the content of the file `path`. At most `max_bytes` + 1 bytes are read, whatever the file
/// system says about its size.
///
/// Throws `c10::Error` naming the file if there is none, if it cannot be read (with the system's
/// reason), or if it is larger:
///
///     read_text: expected to read runs/a/config.json but got "Permission denied".
///     read_text: expected at most 67108864 bytes but got more in runs/a/config.json.
std::string read_text(const std::filesystem::path& path, int64_t max_bytes = kMaxTextBytes);

/// The same, but return nothing if there is no file at `path`.
std::optional<std::string> read_text_if_present(const std::filesystem::path& path,
                                                int64_t max_bytes = kMaxTextBytes);

}  // namespace ladder::io
