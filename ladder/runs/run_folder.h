/// The folder of a run: what it was started with, how it goes, what came out, how to continue.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/train/evaluation.h"

namespace ladder::train {

/// What result.json says beside a TrainResult.
struct RunAbout {
  uint64_t seed = 0;
  int64_t labels = 0;  ///< labeled rows
  int64_t epochs = 0;
};

/// A folder that holds one run:
///
///     config.json    what the run was started with, JSON as given
///     metrics.jsonl  one object for each Evaluation
///     checkpoint.pt  see checkpoint.h
///     result.json    once the run has finished or stopped early
///     .lock          held while a process has the folder open
///
/// All files but metrics.jsonl are replaced atomically; a last line that a crash tore is dropped on
/// resume. One process at a time, held by a lock that ends with the process, however it ends.
class RunFolder {
 public:
  /// Opens `folder`, which is created where missing. Without `resume` it must not hold a run yet.
  /// With `resume` and no run in it, a run starts there, so that one command starts and continues;
  /// a run that was killed before its first checkpoint starts again.
  ///
  /// Errors: a run is there already (without resume); it was started with another configuration
  /// (the keys that differ are named); another process holds the folder; `config` is not a JSON
  /// object.
  RunFolder(std::filesystem::path folder, std::string_view config, bool resume);
  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&& other) = delete;
  ~RunFolder();

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path checkpoint_path() const;
  bool has_checkpoint() const;

  /// Drops the evaluations after `step` from metrics.jsonl and returns the others.
  std::vector<Evaluation> keep_evaluations(int64_t step);
  void append(const Evaluation& evaluation);

  /// Writes result.json; its keys: status ("finished", "stopped early"), recipe (of the
  /// configuration, or null), seed, labels, epochs (asked for), epoch (reached), steps, test_error
  /// and validation_error (of the last evaluation, percent), best_validation_error, best_epoch,
  /// seconds, training_seconds, steps_per_second, peak_memory_mib, and `last`: the last evaluation
  /// with its costs.
  void write_result(const TrainResult& result, const RunAbout& about);
  /// The result of a run that has ended; none where it has not.
  std::optional<TrainResult> result() const;

 private:
  std::filesystem::path folder_;
  std::string recipe_;  // JSON
  int lock_ = -1;
};

/// One line of metrics.jsonl, and back. Error: a line that is none.
std::string to_json(const Evaluation& evaluation);
Evaluation evaluation_from_json(std::string_view line);

/// "finished", "stopped early", "interrupted".
std::string to_string(TrainStatus status);

/// The keys in which two JSON objects differ, in words: "seed (1 there, 2 here), net.layers (absent
/// there, [784, 10] here)". Empty when they are equal.
std::string config_differences(std::string_view there, std::string_view here);

}  // namespace ladder::train
