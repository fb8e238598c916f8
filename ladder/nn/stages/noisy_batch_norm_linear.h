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
  /// True for the last level, before the softmax: no activation, learned scale and shift.
  bool softmax_top = false;
  bool gamma = true;    ///< false: a softmax top with a learned shift only
  bool affine = false;  ///< learned scale and shift at any level

  bool operator==(const NoisyBatchNormLinearOptions&) const = default;
};

/// z = normalise(h W^T) + noise, h' = act(gamma (z + beta)); [R, in] -> [R, out]
/// [Rasmus2015, eq. 3-5].
///
/// Parameters: `weight` [out, in] ~ N(0, 1 / in), and those of `normalization`. No bias:
/// normalisation would cancel it. Decoder map: `DenseMap`. Rows with several dimensions are
/// flattened.
///
/// Options are fixed at construction; `normalization->options.noise_std` may change. Errors:
/// features below 1; an input of another number of features, type or device; those of
/// NoisyNormalization.
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
  /// True while `options` are those that it was built with.
  bool options_hold() const { return options == built_; }
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override;

  NoisyBatchNormLinearOptions options;
  torch::Tensor weight;
  NoisyNormalization normalization{nullptr};

 private:
  NoisyBatchNormLinearOptions built_;
};
TORCH_MODULE(NoisyBatchNormLinear);

}  // namespace ladder
