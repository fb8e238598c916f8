/// What a run predicts for the test images.
#pragma once

#include <ladder/nn/ladder.h>
#include <torch/types.h>

#include <filesystem>

namespace ladder::apps {

/// Write predictions.csv into the folder of a run: a line for each test row, in their order, with
/// its label, the most probable class and the probability of each class ("label,class,p:0,p:1").
/// The file is there whole or not at all.
void write_test_predictions(const std::filesystem::path& folder, Ladder& net,
                            const torch::Tensor& inputs, const torch::Tensor& labels);

}  // namespace ladder::apps
