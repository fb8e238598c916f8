/// What a network predicts for rows, and how often it is right.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "ladder/classifier.h"
#include "ladder/nn/ladder.h"
#include "ladder/train/metrics.h"

namespace ladder::fitting {

/// Return the probabilities of inputs, float32 [N, classes] on the CPU. Unlike
/// train::probabilities, leave the mode of the network alone, so that threads may share it.
torch::Tensor probabilities_of(Ladder net, const torch::Tensor& inputs);

/// Return the name of the most probable class of each row.
std::vector<std::string> names_of(const torch::Tensor& probabilities,
                                  const std::vector<std::string>& classes);

/// Return the share of right predictions; a row with the label -1 does not count. Error: no other.
double share_right(const torch::Tensor& probabilities, const torch::Tensor& labels);
double share_right(const HeldBack& held_back);

/// Predictions of rows that were held back, as they come: probabilities, or metrics of them where
/// they are too many to keep.
class HeldBackPredictions {
 public:
  /// `most`: probabilities to keep.
  HeldBackPredictions(int64_t rows, int64_t classes, int64_t most)
      : keeps_(rows * classes <= most), measured_(classes) {}

  bool keeps() const { return keeps_; }
  int64_t rows() const { return rows_; }    ///< so far
  int64_t wrong() const { return wrong_; }  ///< of these

  void add(const torch::Tensor& probabilities, const torch::Tensor& labels);
  void put_into(HeldBack& held_back) const;

 private:
  bool keeps_;
  int64_t rows_ = 0, wrong_ = 0;
  std::vector<torch::Tensor> parts_;
  train::BlockMetrics measured_;
};

}  // namespace ladder::fitting
