#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ladder/train/checkpoint.h"
#include "ladder/train/cost_buffer.h"
#include "ladder/train/run_clock.h"
#include "ladder/train/run_record.h"
#include "ladder/train/step_runner.h"
#include "ladder/train/trainer.h"

namespace ladder::train {

/// Writes a run to its record and continues it from there. Without a record it writes nothing.
class RunJournal {
 public:
  /// Opens the record and continues the run in it: parameters, optimiser, noise, products, costs
  /// and `state`. `state` brings the settings and data that a checkpoint must be of. Of several
  /// ranks the first opens the record, and hands what it continues to the others.
  RunJournal(const TrainOptions& options, StepRunner& runner, CostBuffer& costs, TrainState& state);

  /// The result of a run that has ended before; none where it has not.
  const std::optional<TrainResult>& earlier_result() const { return result_; }

  /// Training goes on from the step of the state.
  void begin(double now);
  /// Record an evaluation, in `state` as well.
  void append(const Evaluation& evaluation);
  /// Write a checkpoint, outside of the training time.
  void save(RunClock& clock);
  /// The same where a rank was lost; return the error with what was saved.
  CommunicationError save_after(const CommunicationError& error, RunClock& clock);
  /// The same before the first evaluation is recorded: no history without weights.
  void save_first(RunClock& clock);
  /// The same every `checkpoint_every_seconds`.
  void save_if_due(RunClock& clock);
  /// Return the result of the run so far.
  TrainResult result(TrainStatus status, const RunClock& clock);
  void finish(const TrainResult& result, const RunAbout& about);

 private:
  void resume();
  void restore(const std::filesystem::path& path,
               const std::function<void(const TrainState&)>& check);
  void take_history(const std::vector<Evaluation>& evaluations, bool epoch_ends);
  void share();
  void check(const TrainState& there) const;
  void take(const Evaluation& evaluation);

  const TrainOptions& options_;
  StepRunner& runner_;
  CostBuffer& costs_;
  TrainState& state_;
  std::shared_ptr<RunRecord> record_;
  std::optional<TrainResult> result_;
  std::optional<Evaluation> last_;
  // Evaluations that another number of ranks recorded, with steps as these ranks count them.
  std::optional<std::vector<Evaluation>> recounted_;
  double saved_ = 0;
};

}  // namespace ladder::train
