/// The stage that turns maps into rows by their mean.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/stage.h"
#include "ladder/nn/stages/noisy_normalization.h"

namespace ladder {

struct NoisyGlobalMeanPoolOptions {
  int64_t channels = 0;
  double noise_std = 0.3;
  /// The last level before a softmax: a learned shift and, with `gamma`, a learned scale.
  bool softmax_top = false;
  bool gamma = true;
};

/// z = normalise(mean over positions) + noise, h' = z, or gamma (z + beta) at a softmax top;
/// [R, C, H, W] -> [R, C] [Rasmus2015, section 4.2]. The published code scales the mean by
/// W sqrt(3), which the normalisation takes out again.
///
/// No parameters but those of its `normalization`. Decoder map: broadcasting (`UpsampleMap`).
/// Errors: channels below 1, maps of another number of channels.
///
///     NoisyGlobalMeanPool top(NoisyGlobalMeanPoolOptions{.channels = 10, .softmax_top = true});
class NoisyGlobalMeanPoolImpl : public torch::nn::Cloneable<NoisyGlobalMeanPoolImpl>, public Stage {
 public:
  explicit NoisyGlobalMeanPoolImpl(NoisyGlobalMeanPoolOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override;
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override;

  NoisyGlobalMeanPoolOptions options;
  NoisyNormalization normalization{nullptr};
};
TORCH_MODULE(NoisyGlobalMeanPool);

}  // namespace ladder
