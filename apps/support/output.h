/// What a program prints and the files it writes: no write fails without a word.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace ladder::apps {

/// Write `text` to the standard output at once.
///
/// A write that fails (disk full, closed pipe) does not throw in the midst of the caller's work: it
/// is remembered, `stop_requested()` is true from then on so that a run saves itself, and
/// `run_program` ends the program with a sentence and status 1.
void print(std::string_view text);

/// "1 row", "12000 rows"; `plural` is for a noun whose plural does not end in s alone: "classes".
std::string counted(int64_t count, std::string_view noun, std::string_view plural = {});

/// The reason of the first write to the standard output that failed; none if all went well.
std::optional<std::string> output_failure();

/// Write a file whole or not at all. A device, a pipe or a link is written through, not replaced.
/// Error: the file cannot be written; the sentence holds its path and the reason of the system.
void write_text(const std::filesystem::path& path, std::string_view text);

/// Create a folder and those above it where they are missing. Errors: a link to nowhere, a file in
/// its place, no permission.
void make_folder(const std::filesystem::path& folder);

/// Remove a folder with all that it holds, as far as possible; links are not followed.
void remove_folder(const std::filesystem::path& folder);

}  // namespace ladder::apps
