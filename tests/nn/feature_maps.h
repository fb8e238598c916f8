/// Stages on feature maps, and rows of them.
#pragma once

#include <torch/torch.h>

#include <functional>
#include <string>
#include <vector>

#include "ladder/nn/stages/noisy_conv.h"
#include "ladder/nn/stages/noisy_global_mean_pool.h"
#include "ladder/nn/stages/noisy_max_pool.h"
#include "ladder/nn/stages/noisy_mean_pool.h"

namespace ladder::testing {

using Shape = std::vector<int64_t>;

inline NoisyConv conv(int64_t in, int64_t out, int64_t kernel, Border border, int64_t stride = 1) {
  return NoisyConv(NoisyConvOptions{.in_channels = in,
                                    .out_channels = out,
                                    .kernel = kernel,
                                    .border = border,
                                    .stride = stride});
}
inline NoisyMaxPool max_pool(int64_t channels, int64_t size = 2) {
  return NoisyMaxPool(NoisyMaxPoolOptions{.channels = channels, .size = size});
}
inline NoisyMeanPool mean_pool(int64_t channels, int64_t size = 2) {
  return NoisyMeanPool(NoisyMeanPoolOptions{.channels = channels, .size = size});
}
inline NoisyGlobalMeanPool global_pool(int64_t channels, bool top = false, bool gamma = true) {
  return NoisyGlobalMeanPool(
      NoisyGlobalMeanPoolOptions{.channels = channels, .softmax_top = top, .gamma = gamma});
}

// [M, C, H, W], by channel.
inline torch::Tensor normalised(const torch::Tensor& maps) {
  const std::vector<int64_t> dims = {0, 2, 3};
  return (maps - maps.mean(dims, true)) / (maps.var(dims, false, true) + 1e-10).sqrt();
}

inline Shape row_after(Stage& stage, const Shape& row) {
  auto sizes = row;
  sizes.insert(sizes.begin(), 2);
  const auto h = stage.forward(torch::randn(sizes), Pass::clean(2, Statistics::kBatch)).h;
  return h.sizes().slice(1).vec();
}

struct NamedStage {
  std::string name;
  std::function<AnyStage()> make;
  Shape row;
};

// Every stage on maps of two channels.
inline const std::vector<NamedStage> kStages = {
    {"valid", [] { return conv(2, 3, 3, Border::kValid); }, {2, 5, 4}},
    {"same", [] { return conv(2, 3, 3, Border::kSame); }, {2, 3, 4}},
    {"full", [] { return conv(2, 3, 3, Border::kFull); }, {2, 3, 4}},
    {"stride 2", [] { return conv(2, 3, 3, Border::kValid, 2); }, {2, 6, 5}},
    {"stride 3, same", [] { return conv(2, 3, 3, Border::kSame, 3); }, {2, 6, 5}},
    {"stride 2, full", [] { return conv(2, 2, 2, Border::kFull, 2); }, {2, 4, 5}},
    {"pointwise", [] { return conv(2, 3, 1, Border::kValid); }, {2, 3, 3}},
    {"large kernel", [] { return conv(2, 3, 4, Border::kValid); }, {2, 5, 5}},
    {"max pool", [] { return max_pool(2); }, {2, 5, 3}},
    {"max pool of 3", [] { return max_pool(2, 3); }, {2, 4, 7}},
    {"mean pool", [] { return mean_pool(2); }, {2, 5, 4}},
    {"global mean pool", [] { return global_pool(2); }, {2, 3, 4}},
    {"global mean pool top", [] { return global_pool(2, true); }, {2, 3, 4}},
};

inline torch::Tensor rows_of(const Shape& row, int64_t rows, torch::Dtype dtype = torch::kFloat) {
  auto sizes = row;
  sizes.insert(sizes.begin(), rows);
  return torch::randn(sizes, dtype);
}

}  // namespace ladder::testing
