/// Event files of TensorBoard.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ladder::io {

/// Append scalars and texts to an event file, which TensorBoard shows while it grows.
///
/// A folder has one file for each part of a run, `events.out.tfevents.NNNNNN`. Every call writes
/// its events at once, so if a process is killed, at most the last event is incomplete. TensorBoard
/// ignores an incomplete event, and `cut_events` removes it.
///
///     EventFile events("runs/a");
///     events.add_scalars(100, {{"cost/total", 0.5}, {"error/test", 3.1}});
///     events.add_text(0, "config", "{\"seed\": 1}");
///
/// Throws `c10::Error` naming the file and the system's reason if it cannot be written.
class EventFile {
 public:
  /// Start the next file of `folder`. `resumed_after` is the step from which a run goes on: a
  /// TensorBoard that shows later events of an earlier part drops them.
  explicit EventFile(const std::filesystem::path& folder, int64_t resumed_after = 0);

  /// Add values at a step, by tag. TensorBoard groups tags by the part before the first slash.
  void add_scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values);
  /// Add a text, which TensorBoard shows as Markdown.
  void add_text(int64_t step, const std::string& tag, std::string_view text);

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Shorten the event files of `folder` to the events up to `step`, and remove files that have none
/// left. Events behind a torn or damaged one are lost: nothing tells where they begin.
///
/// Throws `c10::Error` naming the file if it cannot be read or changed.
void cut_events(const std::filesystem::path& folder, int64_t step);

/// Return the CRC-32C (Castagnoli) of `bytes`.
uint32_t crc32c(std::string_view bytes);

}  // namespace ladder::io
