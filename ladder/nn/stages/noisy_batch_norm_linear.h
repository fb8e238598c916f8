/// The dense stage of a ladder.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/random_init.h"
#include "ladder/nn/stage.h"
#include "ladder/nn/stages/noisy_normalization.h"

namespace ladder {

struct NoisyBatchNormLinearOptions {
  int64_t in_features = 0;
  int64_t out_features = 0;
  double noise_std = 0.3;
  Activation activation = Activation::kRelu;
  double leaky_slope = 0.1;
  /// The last level before a softmax: the identity as activation, with learned scale and shift.
  bool softmax_top = false;
  bool gamma = true;  ///< of a softmax top: without it there is a learned shift alone
  /// Learned scale and shift at any level, also where the next normalisation takes them out again.
  bool affine = false;
};

/// z = normalise(h W^T) + noise, h' = act(gamma (z + beta)); [R, in] -> [R, out]
/// [Rasmus2015, eq. 3-5].
///
/// Parameters: `weight` [out, in] ~ N(0, 1 / in), no bias (normalisation would cancel it), and
/// those of its `normalization`. Decoder map: a dense one. Input of more than two dimensions is
/// flattened.
///
///     NoisyBatchNormLinear layer(
///         NoisyBatchNormLinearOptions{.in_features = 784, .out_features = 1000});
class NoisyBatchNormLinearImpl : public torch::nn::Cloneable<NoisyBatchNormLinearImpl>,
                                 public Stage,
                                 public RandomInit {
 public:
  explicit NoisyBatchNormLinearImpl(NoisyBatchNormLinearOptions options);

  void reset() override;
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override;
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override;

  NoisyBatchNormLinearOptions options;
  torch::Tensor weight;
  NoisyNormalization normalization{nullptr};
};
TORCH_MODULE(NoisyBatchNormLinear);

}  // namespace ladder
