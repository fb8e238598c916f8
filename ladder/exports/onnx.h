/// Export to ONNX.
#pragma once

#include <filesystem>

#include "ladder/exports/prediction_model.h"

namespace ladder::exports {

/// Write the prediction of a model to the file `path`, atomically, as an ONNX graph of opset 17
/// that takes raw rows. Batches have any number of rows. The noise and the decoder are not part of
/// it, and stored statistics, gamma and beta are folded into the weights.
///
/// Inputs, by what the model predicts from:
/// - a table: `numbers` float32 [rows, numeric columns] and `texts` string [rows, text columns],
///   each only if there are such columns. The columns are the used ones, in the order of the
///   metadata `number_columns` and `text_columns` (JSON arrays of names). Missing are NaN,
///   the usual texts of CSV files ("", NA, ?) and the model's own texts and numbers, which are the
///   metadata `missing` where there are any (data::Features::missing). Numbers are standardised in
///   float64; what is infinite, which the library refuses, counts as the largest float after that.
/// - images: `images` uint8 [rows, channels, height, width], values 0 to 255;
/// - otherwise `inputs` float32 [rows, *input_shape], as the network takes them.
///
/// Outputs: `class` int64 [rows], an index into the metadata `classes` (a JSON array of names), and
/// `probabilities` float32 [rows, classes]. All `facts` are metadata too.
///
/// Stages: dense, convolutions, poolings and NoisyStage around a Linear, Conv1d, Conv2d, MaxPool,
/// AvgPool or AdaptiveAvgPool(1), with every activation. Weights are written as float32.
///
/// Throws `c10::Error`: a stage without an equal in ONNX, by its place and kind; a network that is
/// not calibrated; parts that do not fit together; more than 2 GB; a file that cannot be written.
void write_onnx(const std::filesystem::path& path, const PredictionModel& model);

}  // namespace ladder::exports
