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
  torch::ExpandingArray<2> size = 2;  ///< rows and columns of a window; also the stride
  double noise_std = 0.3;

  bool operator==(const NoisyMeanPoolOptions& other) const;
};

/// z = normalise(mean of each window) + noise, h' = z; [R, C, H, W] -> [R, C, ceil(H / size),
/// ceil(W / size)] [Rasmus2015, section 4.2 and published code]. Windows at the bottom and right
/// edges may be smaller; their mean is over the values that they have.
///
/// No parameters, since there is no activation; the buffers of `normalization`. Decoder map:
/// nearest-neighbour upsampling cropped to size (`UpsampleMap`). Options are fixed at construction;
/// `normalization->options.noise_std` may change. Errors: sizes below 1; an input of another number
/// of channels, type or device; those of NoisyNormalization.
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

 private:
  NoisyMeanPoolOptions built_;
};
TORCH_MODULE(NoisyMeanPool);

}  // namespace ladder
