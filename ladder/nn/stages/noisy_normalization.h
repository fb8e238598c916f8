/// Normalisation of each row group, with noise, scale, shift and activation: what turns a module
/// into a stage of a ladder.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include <optional>

#include "ladder/nn/stage.h"
#include "ladder/ops/normalise.h"

namespace ladder {

struct NoisyNormalizationOptions {
  int64_t channels = 0;    ///< columns of [R, C], channels of [R, C, ...]
  double noise_std = 0.3;  ///< standard deviation of the noise on noisy groups, after normalising
  Activation activation = Activation::kRelu;
  double leaky_slope = 0.1;  ///< slope below 0 of Activation::kLeakyRelu
  /// Learned shift. Default: where the activation is not the identity [Rasmus2015, section 3].
  std::optional<bool> beta = {};
  bool gamma = false;  ///< learned scale, for a softmax top

  bool operator==(const NoisyNormalizationOptions&) const = default;
};

/// z = (x - mean) / sqrt(var + 1e-10) [+ noise_std * n on noisy groups], h = act(gamma (z + beta)).
///
/// Input [R, C] or [R, C, ...]. Statistics are per channel, over the rows of a group and all
/// further dimensions, with the biased variance. Parameters: `beta` [C] and `gamma` [C] where
/// wanted. Buffers: `running_mean`, `running_var` [C] and `batches`, filled by passes with
/// Statistics::kCalibrate: the mean of the batch means and of the unbiased batch variances.
///
/// `options.noise_std` may change between passes; the other options are fixed at construction.
///
/// Errors: another number of channels, rows, type or device; a group with one value per channel
/// where its own statistics are measured; NaN or infinite statistics in a calibration, with the row
/// (or the group of rows) and the channel; stored statistics before the first calibration; changed
/// options.
class NoisyNormalizationImpl : public torch::nn::Cloneable<NoisyNormalizationImpl>,
                               public StoredStatistics {
 public:
  explicit NoisyNormalizationImpl(NoisyNormalizationOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  StageOutput forward(const torch::Tensor& x, const Pass& pass);
  /// True while `options`, but for noise_std, are those that it was built with.
  bool options_hold() const;

  void reset_statistics() override;

  /// Move parameters and buffers. `batches`, a count, keeps its type.
  void to(torch::Device device, torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Dtype dtype, bool non_blocking = false) override;
  void to(torch::Device device, bool non_blocking = false) override;

  NoisyNormalizationOptions options;
  torch::Tensor beta, gamma;
  torch::Tensor running_mean, running_var;
  torch::Tensor batches;  ///< int64 scalar: batches in the stored statistics

 private:
  void check(const torch::Tensor& x, const Pass& pass) const;
  NoisyNormalizationOptions fixed_options() const;  // with the noise_std that it was built with
  void accumulate(const torch::Tensor& mean, const torch::Tensor& std, int64_t count);

  NoisyNormalizationOptions built_;
};
TORCH_MODULE(NoisyNormalization);

}  // namespace ladder
