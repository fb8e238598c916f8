/// What the pooling stages of a ladder share.
#pragma once

#include <torch/expanding_array.h>
#include <torch/nn/cloneable.h>

#include "ladder/nn/stage.h"
#include "ladder/nn/stages/noisy_normalization.h"

namespace ladder {

struct NoisyPoolOptions {
  int64_t channels = 0;
  torch::ExpandingArray<2> size = 2;  ///< rows and columns of a window; also the stride
  double noise_std = 0.3;

  bool operator==(const NoisyPoolOptions& other) const;
};

/// z = normalise(pool(h)) + noise, h' = z; [R, C, H, W] -> [R, C, ceil(H / size), ceil(W / size)]
/// [Rasmus2015, section 4.2 and published code]. Windows at the bottom and right edges may be
/// smaller.
///
/// No parameters, since there is no activation; the buffers of `normalization`. Decoder map:
/// nearest-neighbour upsampling cropped to size (`UpsampleMap`). Options are fixed at construction;
/// `normalization->options.noise_std` may change. Errors: channels or sizes below 1; an input of
/// another number of channels, type or device; those of NoisyNormalization.
///
/// Base of NoisyMaxPool and NoisyMeanPool. For a pooling of your own use NoisyStage.
template <typename Derived>
class NoisyPoolImpl : public torch::nn::Cloneable<Derived>, public Stage {
 public:
  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override;
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override;

  NoisyPoolOptions options;
  NoisyNormalization normalization{nullptr};

 protected:
  /// `name` begins the messages of this stage.
  NoisyPoolImpl(const char* name, NoisyPoolOptions options);

  /// One value for each window of h [R, C, H, W].
  virtual torch::Tensor pool(const torch::Tensor& h) const = 0;

 private:
  const char* name_;
  NoisyPoolOptions built_;
};

}  // namespace ladder
