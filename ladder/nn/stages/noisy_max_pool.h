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
  torch::ExpandingArray<2> size = 2;  ///< rows and columns of a window; also the stride
  double noise_std = 0.3;

  bool operator==(const NoisyMaxPoolOptions& other) const;
};

/// z = normalise(maximum of each window) + noise, h' = z; [R, C, H, W] -> [R, C, ceil(H / size),
/// ceil(W / size)] [Rasmus2015, section 4.2 and published code]. Windows at the bottom and right
/// edges may be smaller.
///
/// No parameters, since there is no activation; the buffers of `normalization`. Decoder map:
/// nearest-neighbour upsampling cropped to size (`UpsampleMap`). Options are fixed at construction;
/// `normalization->options.noise_std` may change. Errors: sizes below 1; an input of another number
/// of channels, type or device; those of NoisyNormalization.
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

 private:
  NoisyMaxPoolOptions built_;
};
TORCH_MODULE(NoisyMaxPool);

}  // namespace ladder
