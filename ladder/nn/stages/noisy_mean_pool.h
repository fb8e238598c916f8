/// The mean-pooling stage of a ladder.
#pragma once

#include <torch/expanding_array.h>
#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/stage.h"
#include "ladder/nn/stages/noisy_normalization.h"

namespace ladder {

struct NoisyMeanPoolOptions {
  int64_t channels = 0;
  torch::ExpandingArray<2> size = 2;  ///< rows and columns of a window, and its steps
  double noise_std = 0.3;
};

/// z = normalise(mean of each window) + noise, h' = z: no activation, so neither beta nor gamma;
/// [R, C, H, W] -> [R, C, ceil(H / size), ceil(W / size)], where windows at the far edges hold
/// what is left, and
/// the mean is over that [Rasmus2015, section 4.2 and published code].
///
/// No parameters; the buffers of its `normalization`. Decoder map: nearest-neighbour upsampling
/// cropped to size (`UpsampleMap`). Errors: sizes below 1, maps of another number of channels.
///
///     NoisyMeanPool pool(NoisyMeanPoolOptions{.channels = 32, .size = 2});   // 15 x 15 -> 8 x 8
class NoisyMeanPoolImpl : public torch::nn::Cloneable<NoisyMeanPoolImpl>, public Stage {
 public:
  explicit NoisyMeanPoolImpl(NoisyMeanPoolOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override;
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override;

  NoisyMeanPoolOptions options;
  NoisyNormalization normalization{nullptr};
};
TORCH_MODULE(NoisyMeanPool);

}  // namespace ladder
