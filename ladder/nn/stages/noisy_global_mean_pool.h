/// The global mean pooling stage of a ladder.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/stage.h"
#include "ladder/nn/stages/noisy_normalization.h"

namespace ladder {

struct NoisyGlobalMeanPoolOptions {
  int64_t channels = 0;
  double noise_std = 0.3;
  bool softmax_top = false;  ///< true for the last level, before the softmax: a learned shift
  bool gamma = true;         ///< false: a softmax top without a learned scale

  bool operator==(const NoisyGlobalMeanPoolOptions&) const = default;
};

/// z = normalise(W sqrt(3) mean over positions) + noise, h' = z, or gamma (z + beta) at a softmax
/// top; [R, C, H, W] -> [R, C] [Rasmus2015, section 4.2 and published code].
///
/// The normalisation removes the factor W sqrt(3) from z and h', but the denoising cost of this
/// level divides z^ by the standard deviation of the values before normalisation, and so depends on
/// it [Rasmus2015, algorithm 1]. W is the width of the feature maps.
///
/// No parameters except those of its `normalization`. Decoder map: broadcasting (`UpsampleMap`).
/// Buffer `version` []: kVersion. Version 1 had no such buffer and left the factor out; loading its
/// state fails with a sentence. Options are fixed at construction;
/// `normalization->options.noise_std` may change. Errors: channels below 1; an input of another
/// number of channels, type or device; those of NoisyNormalization.
///
///     NoisyGlobalMeanPool top(NoisyGlobalMeanPoolOptions{.channels = 10, .softmax_top = true});
class NoisyGlobalMeanPoolImpl : public torch::nn::Cloneable<NoisyGlobalMeanPoolImpl>, public Stage {
 public:
  explicit NoisyGlobalMeanPoolImpl(NoisyGlobalMeanPoolOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override;
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override;
  /// Read the state. Error: the state of another version.
  void load(torch::serialize::InputArchive& archive) override;

  /// Factor on the mean over positions of feature maps of this width.
  static double scale(int64_t width);

  static constexpr int64_t kVersion = 2;

  NoisyGlobalMeanPoolOptions options;
  torch::Tensor version;
  NoisyNormalization normalization{nullptr};

 private:
  NoisyGlobalMeanPoolOptions built_;
};
TORCH_MODULE(NoisyGlobalMeanPool);

}  // namespace ladder
