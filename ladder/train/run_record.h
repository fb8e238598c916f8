/// Where a run writes what it does: the interface between a trainer and a folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ladder/train/evaluation.h"

namespace ladder::train {

/// Facts that a result states beside a TrainResult.
struct RunAbout {
  uint64_t seed = 0;
  int64_t labels = 0;  ///< labeled rows
  int64_t epochs = 0;  ///< of the whole run
};

/// Record of one run: its configuration, evaluations, checkpoint and result. `runs::RunFolder`
/// keeps one in a folder.
class RunRecord {
 public:
  virtual ~RunRecord() = default;

  /// Return the configuration that checkpoints of this run hold, a JSON object.
  virtual const std::string& config() const = 0;
  /// Return the keys in which `other` differs from `config()`, in words; empty if they are equal.
  virtual std::string differences(const std::string& other) const = 0;

  virtual std::filesystem::path checkpoint_path() const = 0;
  bool has_checkpoint() const { return std::filesystem::exists(checkpoint_path()); }

  /// Return all recorded evaluations.
  virtual std::vector<Evaluation> evaluations() const = 0;
  /// Drop the evaluations after `step`, from which training goes on.
  virtual void keep_evaluations(int64_t step) = 0;
  /// Put `evaluations` in the place of the recorded ones, all at once: a process that is killed
  /// leaves the old ones or the new ones.
  virtual void replace_evaluations(const std::vector<Evaluation>& evaluations) = 0;
  virtual void append(const Evaluation& evaluation) = 0;
  /// Make what was appended survive a loss of power. It is called before a checkpoint is written,
  /// which counts on it; does nothing by default.
  virtual void flush() {}

  virtual void write_result(const TrainResult& result, const RunAbout& about) = 0;
  /// Return the result of a run that has ended; none where it has not.
  virtual std::optional<TrainResult> result() const = 0;
};

/// Opens a record; called once by a trainer that is ready to start.
using RunRecordFactory = std::function<std::shared_ptr<RunRecord>()>;

}  // namespace ladder::train
