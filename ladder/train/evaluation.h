/// Reports of a training run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ladder::train {

/// Two classes that a network confuses.
struct ConfusedPair {
  int64_t label = 0;
  int64_t prediction = 0;
  int64_t rows = 0;  ///< of that label with that prediction

  friend bool operator==(const ConfusedPair&, const ConfusedPair&) = default;
};

/// One look at the network, at the end of an epoch. Errors are in percent.
struct Evaluation {
  int64_t epoch = 0;         ///< epochs done
  int64_t step = 0;          ///< steps done
  double learning_rate = 0;  ///< of the epoch that ended
  /// Mean of the supervised cost over the steps of the epoch; none where the objective has none.
  std::optional<double> supervised = {};
  /// The same of the denoising cost of levels 0..L, unweighted; none where lambda is 0.
  std::vector<std::optional<double>> denoising = {};
  std::map<std::string, double> others = {};  ///< the same of costs of pieces, by their names
  double total = 0;                           ///< the same of the cost that is minimised
  std::optional<double> validation_error = {};
  std::optional<double> test_error = {};
  /// The pair of classes that most rows confuse, of the validation rows, or of the test rows
  /// without them; none where all rows are right.
  std::optional<ConfusedPair> confused = {};
  double seconds = 0;           ///< since the run began: steps, evaluations and checkpoints
  double steps_per_second = 0;  ///< of the steps since the evaluation before, nothing else
};

/// How a run ended.
enum class TrainStatus {
  kFinished,      ///< all epochs done
  kStoppedEarly,  ///< the validation error had not improved for `patience` epochs
  kInterrupted,   ///< stopped on request; can be resumed
};

/// Return "finished", "stopped early" or "interrupted".
std::string to_string(TrainStatus status);

/// A run, over all its parts where it was interrupted and resumed.
struct TrainResult {
  TrainStatus status = TrainStatus::kFinished;
  std::optional<Evaluation> last = {};  ///< none when the run was interrupted before the first
  std::optional<double> best_validation_error = {};
  int64_t best_epoch = 0;  ///< of the best validation error, 0 without validation
  int64_t steps = 0;
  double seconds = 0;           ///< steps, evaluations and checkpoints
  double training_seconds = 0;  ///< only steps
  double steps_per_second = 0;  ///< steps / training_seconds
  double peak_memory_mib = 0;   ///< of the process, in its last part
};

}  // namespace ladder::train
