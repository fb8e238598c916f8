/// Error rates of a ladder, and the statistics that they are measured with.
#pragma once

#include <torch/types.h>

#include "ladder/data/sampler.h"
#include "ladder/nn/ladder.h"

namespace ladder::train {

/// Which rows the statistics of evaluation are measured on.
enum class Calibration {
  kTrainingRows,  ///< all training rows, without their labels
  kLabeledRows,   ///< the labeled rows, as the published code does [Rasmus2015]
};

/// `inputs` as the network takes them: floating rows as they are, uint8 rows as float32 in [0, 1].
torch::Tensor network_inputs(const torch::Tensor& inputs);

/// The rows [n] of `data` that `calibration` names, ascending; where training has no unlabeled rows
/// these are the labeled ones. `rows` above 0 keeps that many, evenly spread; 0 keeps all.
torch::Tensor calibration_rows(const data::SemiData& data, Calibration calibration,
                               int64_t rows = 0);

/// The most probable class of each row of `inputs`, int64 [R], on their device. The network
/// normalises with its stored statistics: calibrate it first. Its mode is left as it was.
torch::Tensor predict(Ladder& net, const torch::Tensor& inputs, int64_t batch_size = 1000);

/// The share of rows whose prediction differs from `labels` (int64 [R]), in percent.
/// Errors: no rows, another number of labels than rows.
///
///     net->calibrate(train.inputs);
///     double percent = error_rate(net, test.inputs, test.labels);
double error_rate(Ladder& net, const torch::Tensor& inputs, const torch::Tensor& labels,
                  int64_t batch_size = 1000);

}  // namespace ladder::train
