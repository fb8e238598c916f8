/// The max-pooling stage of a ladder.
#pragma once

#include <torch/expanding_array.h>
#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/stage.h"
#include "ladder/nn/stages/noisy_normalization.h"

namespace ladder {

struct NoisyMaxPoolOptions {
  int64_t channels = 0;
  torch::ExpandingArray<2> size = 2;  ///< rows and columns of a window, and its steps
  double noise_std = 0.3;
};

/// z = normalise(maximum of each window) + noise, h' = z: no activation, so neither beta nor gamma;
/// [R, C, H, W] -> [R, C, ceil(H / size), ceil(W / size)], where windows at the far edges hold
/// what is left [Rasmus2015, section 4.2 and published code].
///
/// No parameters; the buffers of its `normalization`. Decoder map: nearest-neighbour upsampling
/// cropped to size (`UpsampleMap`). Errors: sizes below 1, maps of another number of channels.
///
///     NoisyMaxPool pool(NoisyMaxPoolOptions{.channels = 32, .size = 2});   // 15 x 15 -> 8 x 8
class NoisyMaxPoolImpl : public torch::nn::Cloneable<NoisyMaxPoolImpl>, public Stage {
 public:
  explicit NoisyMaxPoolImpl(NoisyMaxPoolOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override;
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override;

  NoisyMaxPoolOptions options;
  NoisyNormalization normalization{nullptr};
};
TORCH_MODULE(NoisyMaxPool);

}  // namespace ladder
