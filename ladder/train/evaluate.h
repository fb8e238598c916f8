/// Predictions and error rates of a ladder, and the rows that its statistics are measured on.
#pragma once

#include <torch/types.h>

#include <optional>
#include <vector>

#include "ladder/data/sampler.h"
#include "ladder/nn/ladder.h"
#include "ladder/train/evaluation.h"

namespace ladder::train {

/// Rows that the statistics of evaluation are measured on.
enum class Calibration {
  kTrainingRows,  ///< all training rows, without their labels
  kLabeledRows,   ///< the labeled rows, as the published code does [Rasmus2015]
};

/// Return `inputs` as a network takes them: floating rows as they are, uint8 rows as float32 in
/// [0, 1] (x / 255).
torch::Tensor network_inputs(const torch::Tensor& inputs);

/// Return the rows [n] of `data` that `calibration` names, ascending; without unlabeled rows in
/// training these are the labeled ones. `rows` above 0 keeps that many, evenly spread; 0 keeps all.
/// Of a source with more than 10^7 rows, `rows` are drawn at random, the same in every run.
/// Errors: 1 row, or no rows.
torch::Tensor calibration_rows(const data::SemiData& data, Calibration calibration,
                               int64_t rows = 0);

/// Return the most probable class of each row of `inputs` (floating, or uint8 as x / 255), int64
/// [R], on their device. The network normalises with its stored statistics: calibrate it first. Its
/// mode is left as it was. Errors: no rows, a batch size below 1, a NaN or an infinite number (with
/// its row and column).
torch::Tensor predict(Ladder& net, const torch::Tensor& inputs, int64_t batch_size = 1000);

/// Return the probabilities of the classes of each row of `inputs`, the softmax of the logits, [R,
/// classes] in the type of the network, on the device of the inputs. Otherwise as `predict`.
torch::Tensor probabilities(Ladder& net, const torch::Tensor& inputs, int64_t batch_size = 1000);

/// Return the percentage of rows whose prediction differs from `labels` (int64 [R]). Rows with
/// label -1 have none and are left out.
///
/// Errors: no rows, a number of labels other than that of the rows, a label outside of -1 to
/// classes - 1 (its row is named), no label at all, a NaN or an infinite number in the inputs.
///
///     net->calibrate(train.inputs);
///     double percent = error_rate(net, test.inputs, test.labels);
double error_rate(Ladder& net, const torch::Tensor& inputs, const torch::Tensor& labels,
                  int64_t batch_size = 1000);

/// Return the pair of different classes that most rows have as label and prediction, int64 [R]
/// each, of 0..classes - 1; of several such pairs the one with the least label. Rows with label -1
/// are left out; none where no row is wrong.
std::optional<ConfusedPair> most_confused(const torch::Tensor& labels,
                                          const torch::Tensor& predictions, int64_t classes);

/// Return all such pairs, those of most rows first, and of equal ones those with the least label
/// and prediction. Memory grows with the pairs, not with the square of the classes.
std::vector<ConfusedPair> confused_pairs(const torch::Tensor& labels,
                                         const torch::Tensor& predictions, int64_t classes);

}  // namespace ladder::train
