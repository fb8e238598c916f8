#include "ladder/train/agreed_labels.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include "ladder/core/internal/tensor_text.h"

namespace ladder::train {
namespace {

void check_probabilities(const char* function, const std::vector<torch::Tensor>& probabilities) {
  TORCH_CHECK(!probabilities.empty(), function, ": expected probabilities but got none.");
  for (const auto& p : probabilities) {
    TORCH_CHECK(p.defined() && p.dim() == 2 && at::isFloatingType(p.scalar_type()) &&
                    p.sizes() == probabilities.front().sizes(),
                function, ": expected floating probabilities [rows, classes] of one shape but got ",
                type_and_shape_text(p), ".");
  }
}

}  // namespace

torch::Tensor agreed_labels(const std::vector<torch::Tensor>& probabilities, double confidence) {
  check_probabilities("agreed_labels", probabilities);
  TORCH_CHECK(confidence >= 0 && confidence < 1,
              "agreed_labels: expected a confidence from 0 to below 1 but got ", confidence, ".");
  at::Tensor labels, agreed;
  for (const auto& p : probabilities) {
    const auto [probability, label] = p.max(1);
    const auto sure = probability.gt(confidence);
    agreed = agreed.defined() ? agreed.logical_and(sure).logical_and(label.eq(labels)) : sure;
    if (!labels.defined()) labels = label;
  }
  return labels.masked_fill(agreed.logical_not(), -1);
}

torch::Tensor vote(const std::vector<torch::Tensor>& probabilities) {
  check_probabilities("vote", probabilities);
  auto sum = probabilities.front();
  for (size_t i = 1; i < probabilities.size(); ++i) sum = sum + probabilities[i];
  return sum.argmax(1);
}

}  // namespace ladder::train
