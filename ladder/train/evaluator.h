/// Calibration and error rates during training.
#pragma once

#include <torch/types.h>

#include "ladder/nn/ladder.h"
#include "ladder/train/evaluate.h"
#include "ladder/train/evaluation.h"
#include "ladder/train/train_data.h"

namespace ladder::train {

struct EvaluatorOptions {
  Calibration calibration = Calibration::kTrainingRows;
  int64_t calibration_rows = 0;  ///< that many of them, evenly spread; 0: all
  int64_t batch = 1000;          ///< rows at a time
};

/// Calibrates a ladder and measures its errors, a batch at a time: uint8 rows are scaled batch by
/// batch, and no copy of the rows is made. Without a network it measures nothing.
///
/// Errors at construction: no rows to calibrate on; labels outside of -1 to classes - 1, or -1
/// only. Rows with label -1 are left out of the errors.
///
///     Evaluator evaluator(data, net, {.batch = 500});
///     Evaluation evaluation;
///     evaluator.measure(evaluation);
///     double percent = *evaluation.test_error;
class Evaluator {
 public:
  Evaluator(TrainData data, Ladder net, EvaluatorOptions options = {});

  /// Measure the statistics of evaluation on the training rows.
  void calibrate();

  /// Calibrate, then write the errors of validation and test rows, in percent, into `evaluation`.
  /// Without such rows nothing is done, or only the calibration with `always`.
  void measure(Evaluation& evaluation, bool always = false);

 private:
  TrainData data_;
  Ladder net_;
  EvaluatorOptions options_;
  torch::Tensor calibration_rows_;  // undefined: all rows of the training inputs
  torch::Tensor validation_labels_;
};

}  // namespace ladder::train
