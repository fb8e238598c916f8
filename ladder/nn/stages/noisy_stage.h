/// A stage around any torch module.
#pragma once

#include <torch/nn/modules/container/any.h>
#include <torch/nn/pimpl.h>

#include <functional>
#include <optional>

#include "ladder/nn/stage.h"
#include "ladder/nn/stages/noisy_normalization.h"

namespace ladder {

struct NoisyStageOptions {
  /// Normalisation that follows the map; `channels` is the number of output channels of the map.
  NoisyNormalizationOptions normalization = {};
  /// Makes the decoder map from the shapes of one row before and after the stage. Default: a dense
  /// map between the flattened rows.
  std::function<torch::nn::AnyModule(at::IntArrayRef in, at::IntArrayRef out)> vertical = {};
};

/// z = normalise(map(h)) + noise, h' = act(gamma (z + beta)), for any module Tensor -> Tensor that
/// treats each row by itself: no batch normalisation, statistics of instances or dropout inside; a
/// bias cancels.
///
/// Errors: an empty module; one that holds a BatchNorm, an InstanceNorm with running statistics or
/// a Dropout, named by its place; one whose forward returns something else than a tensor; at
/// clone(), one whose clone is of another type; those of NoisyNormalization; changed options
/// (`vertical` excepted).
///
///     NoisyStage stage(torch::nn::AnyModule(torch::nn::Conv2d(
///                          torch::nn::Conv2dOptions(1, 8, 3).bias(false))),
///                      NoisyStageOptions{.normalization = {.channels = 8}});
class NoisyStageImpl : public torch::nn::Module, public Stage {
 public:
  NoisyStageImpl(torch::nn::AnyModule map, NoisyStageOptions options);

  StageOutput forward(const torch::Tensor& h, const Pass& pass) override;
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override;
  std::shared_ptr<torch::nn::Module> clone(
      const std::optional<torch::Device>& device = std::nullopt) const override;

  NoisyStageOptions options;
  torch::nn::AnyModule map;
  NoisyNormalization normalization{nullptr};

 private:
  void clone_(torch::nn::Module& other, const std::optional<torch::Device>& device) override;

  NoisyNormalizationOptions built_;
};
TORCH_MODULE(NoisyStage);

}  // namespace ladder
