/// Batch normalisation per row group with noise, scale, shift and activation: the part of a stage
/// that makes it one of a ladder.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include <optional>

#include "ladder/nn/stage.h"
#include "ladder/ops/normalise.h"

namespace ladder {

struct NoisyNormalizationOptions {
  int64_t channels = 0;    ///< columns of [R, C], channels of [R, C, ...]
  double noise_std = 0.3;  ///< of the noise on noisy groups, after normalising
  Activation activation = Activation::kRelu;
  double leaky_slope = 0.1;  ///< for Activation::kLeakyRelu
  /// Learned shift; by default where the activation is not the identity [Rasmus2015, section 3].
  std::optional<bool> beta = {};
  bool gamma = false;  ///< learned scale, for a softmax top
};

/// z = (x - mean) / sqrt(var + 1e-10) [+ noise_std * n on noisy groups], h = act(gamma (z + beta)).
///
/// Input [R, C] or [R, C, ...]: statistics are per channel over the rows of a group and all further
/// dimensions, with the biased variance. Parameters `beta` [C], `gamma` [C] where wanted; buffers
/// `running_mean`, `running_var` [C] and `batches`, filled by passes with Statistics::kCalibrate:
/// the mean of batch means and of unbiased batch variances.
///
/// Errors: another number of channels; stored statistics before any calibration.
class NoisyNormalizationImpl : public torch::nn::Cloneable<NoisyNormalizationImpl> {
 public:
  explicit NoisyNormalizationImpl(NoisyNormalizationOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  StageOutput forward(const torch::Tensor& x, const Pass& pass);

  /// Forgets the stored statistics.
  void reset_statistics();

  /// Moves all but the type of `batches`, which counts.
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;

  NoisyNormalizationOptions options;
  torch::Tensor beta, gamma;
  torch::Tensor running_mean, running_var;
  torch::Tensor batches;  ///< int64 scalar: batches in the stored statistics

 private:
  void accumulate(const torch::Tensor& mean, const torch::Tensor& std, int64_t count);
};
TORCH_MODULE(NoisyNormalization);

}  // namespace ladder
