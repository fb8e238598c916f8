#include "ladder/train/smoothed_predictions.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/data/neighbours.h"
#include "ladder/train/internal/feature_checks.h"
#include "ladder/train/internal/unit_rows.h"

namespace ladder::train {
namespace {

void check(const std::vector<at::Tensor>& features, const at::Tensor& probabilities,
           const SmoothingOptions& options) {
  TORCH_CHECK(probabilities.defined() && probabilities.dim() == 2 && probabilities.size(0) > 0 &&
                  probabilities.is_floating_point(),
              "smoothed_predictions: expected floating probabilities [rows, classes] but got ",
              shape_text(probabilities), ".");
  check_features("smoothed_predictions", features, probabilities.size(0));
  check_options("smoothed_predictions", options);
}

// The nearest rows of each by the cosine of their features: of unit vectors those with the largest
// cosine are those at the least distance. int64 [n, k].
at::Tensor nearest_by_angle(const at::Tensor& features, int64_t k) {
  return data::nearest_neighbours(unit_rows(features - features.mean(0)), {.k = k, .exact = false});
}

}  // namespace

void check_options(const char* name, const SmoothingOptions& options) {
  TORCH_CHECK(options.k >= 1, name, ": expected k of at least 1 but got ", options.k, ".");
  TORCH_CHECK(options.rounds >= 1, name, ": expected at least 1 round but got ", options.rounds,
              ".");
}

torch::Tensor smoothed_predictions(const std::vector<torch::Tensor>& features,
                                   const torch::Tensor& probabilities,
                                   const SmoothingOptions& options) {
  check(features, probabilities, options);
  const at::NoGradGuard no_gradients;
  std::vector<at::Tensor> near;  // places [n], F k of them
  for (const auto& one : features) {
    for (const auto& places : nearest_by_angle(one, options.k).unbind(1)) near.push_back(places);
  }
  auto smooth = probabilities;
  for (int64_t round = 0; round < options.rounds; ++round) {
    auto sum = at::zeros_like(smooth);
    for (const auto& places : near) sum += smooth.index_select(0, places);
    smooth = sum / static_cast<double>(near.size());
  }
  return smooth;
}

}  // namespace ladder::train
