/// The folder of a run: its configuration, history, result, and what it continues from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ladder/io/events.h"
#include "ladder/train/evaluation.h"
#include "ladder/train/run_record.h"

namespace ladder::runs {

/// The lock of a folder, its file `.lock`, held while this object lives; it ends with the process.
/// Where the file system has no locks, nothing is held.
class FolderLock {
 public:
  /// Error: another process holds it; the folder cannot be written.
  explicit FolderLock(const std::filesystem::path& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int descriptor_;
};

/// A folder that holds one run:
///
///     config.json    configuration that the run was started with, JSON as given, and `resumed`:
///                    where it went on, see add_resumed
///     metrics.jsonl  one object for each Evaluation
///     checkpoint.pt  see checkpoint.h
///     events.out.tfevents.*  the same for TensorBoard, see io/events.h; one file for each part
///     result.json    once the run has finished or stopped early
///     model.ladder   the trained model, if the program writes one, see model_file.h
///     .lock          held while a process has the folder open
///
/// All files except metrics.jsonl and events are replaced atomically. Opening the folder removes
/// temporary files of processes that were killed while they wrote one. One process at a time has it
/// open, by a lock that ends with the process.
///
/// Recorded history is only shortened when training continues from a checkpoint: `keep_evaluations`
/// and `replace_evaluations` drop the evaluations after it, and an incomplete last line that a
/// crash left.
class RunFolder : public train::RunRecord {
 public:
  /// Open `folder`, which is created where missing. Without `resume` it must not hold a run yet; a
  /// configuration alone, which a run left that failed early, is replaced.
  /// With `resume` and no run in it, a run starts there, so that one command starts and continues;
  /// a run that was killed before its first checkpoint starts again.
  ///
  /// Errors: a run is there already (without resume); it was started with another configuration
  /// (the keys that differ are named); another process has the folder open; `config` is not a JSON
  /// object.
  RunFolder(std::filesystem::path folder, std::string_view config, bool resume);
  RunFolder(RunFolder&& other) noexcept;
  RunFolder& operator=(RunFolder&& other) = delete;
  ~RunFolder() override;

  const std::filesystem::path& path() const { return folder_; }
  const std::string& config() const override { return config_; }
  std::string differences(const std::string& other) const override;
  std::filesystem::path checkpoint_path() const override;

  std::vector<train::Evaluation> evaluations() const override;
  void keep_evaluations(int64_t step) override;
  void replace_evaluations(const std::vector<train::Evaluation>& evaluations) override;
  void append(const train::Evaluation& evaluation) override;
  void flush() override;

  /// Write result.json with the keys status ("finished", "stopped early"), recipe (of the
  /// configuration, or null), seed, labels, epochs (of the whole run), epoch (reached), steps,
  /// test_error and validation_error (of the last evaluation, percent), best_validation_error,
  /// best_epoch, seconds, training_seconds, steps_per_second, peak_memory_mib, and `last`: the last
  /// evaluation with its costs and the two classes that are confused most.
  void write_result(const train::TrainResult& result, const train::RunAbout& about) override;
  std::optional<train::TrainResult> result() const override;

 private:
  void add_events(const train::Evaluation& evaluation);

  std::filesystem::path folder_;
  std::string config_;
  std::string recipe_;  // JSON
  int lock_ = -1;
  std::optional<io::EventFile> events_;  // from the first evaluation of this part
  int64_t resumed_after_ = 0;            // step
};

/// True if `folder` holds the configuration of a run that saved nothing: no checkpoint, evaluation,
/// result or model. Nothing is lost if another run takes its place.
bool holds_only_config(const std::filesystem::path& folder);

struct FolderOptions {
  std::string config = "{}";  ///< JSON object for config.json; compared on resume
  bool resume = false;        ///< continue the run in the folder where there is one
};

/// Return what opens `folder` for a trainer.
///
///     train::Trainer trainer(net, data, {.record = runs::in_folder("runs/a", {.resume = true})});
train::RunRecordFactory in_folder(std::filesystem::path folder, FolderOptions options = {});

/// Return one line of metrics.jsonl, or read it. Error: a line that is none.
std::string to_json(const train::Evaluation& evaluation);
train::Evaluation evaluation_from_json(std::string_view line);

/// Return the keys in which two JSON objects differ, in words: "seed (1 there, 2 here), net.layers
/// (absent there, [784, 10] here)". Empty when they are equal. `resumed`, which grows while a run
/// lasts, is not compared.
std::string config_differences(std::string_view there, std::string_view here);

}  // namespace ladder::runs
