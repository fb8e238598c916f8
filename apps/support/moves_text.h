// Clusters that lie in the wrong class, as a text.
#pragma once

#include <torch/types.h>

#include <string>

namespace ladder::apps {

// "185 rows from 2 to 1, 75 rows from 9 to 3": of rows with these predictions, those that
// train::lost_clusters gives another class. Empty where there are none.
std::string moves_text(const torch::Tensor& classes, const torch::Tensor& lost);

}  // namespace ladder::apps
