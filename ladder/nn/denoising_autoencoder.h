/// The denoising autoencoder, and the deep feature difference: the two steps that lead to the
/// ladder.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "ladder/nn/ladder_decoder.h"
#include "ladder/nn/stage.h"

namespace ladder {

/// What a denoising autoencoder compares.
enum class AutoencoderCost {
  kReconstruction,     ///< |x^ - x|^2 at the input [Vincent2008]
  kFeatureDifference,  ///< |z^(l) - z(l)|^2 at levels 1..L, normalised [Rasmus2015, section 2]
};

struct DenoisingAutoencoderOptions {
  std::vector<int64_t> input_shape = {};  ///< of one row
  double input_noise = 0.3;
  AutoencoderCost cost = AutoencoderCost::kReconstruction;
  /// For kFeatureDifference: weights of levels 1..L; empty: 1 each.
  std::vector<double> lambda = {};
};

struct AutoencoderLoss {
  torch::Tensor total;
  std::vector<torch::Tensor> denoising;  ///< per level 0..L, unweighted; undefined where not costed
};

/// An encoder of stages and a decoder without lateral connections, so that all that reaches a
/// reconstruction has passed through the top.
///
/// Plain: corrupt x, encode, decode, minimise |x^ - x|^2 (mean over rows and units); nothing asks
/// the features in the middle to be clean. Feature difference: encode the corrupted and the clean
/// rows with the same weights and minimise |z^(l) - z(l)|^2 at the hidden levels, where z is
/// normalised, or else a constant z would cost nothing. The ladder is this with a lateral
/// connection at every level.
///
/// The stages' own noise is applied to the corrupted rows as it is set (0 for the textbook form).
///
///     DenoisingAutoencoder net(DenoisingAutoencoderOptions{.input_shape = {784}},
///                              Stages{NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
///                                  .in_features = 784, .out_features = 100, .noise_std = 0})});
///     net->loss(x, noise).total.backward();
class DenoisingAutoencoderImpl : public torch::nn::Module {
 public:
  /// Errors: those of Ladder for shapes and stages; other than L weights, negative or all 0.
  DenoisingAutoencoderImpl(DenoisingAutoencoderOptions options, Stages stages);

  AutoencoderLoss loss(const torch::Tensor& x, NoiseSource& noise);

  /// x^ from x as it is, without noise; batch statistics. Error: a feature-difference autoencoder,
  /// whose decoder ends at level 1.
  torch::Tensor forward(const torch::Tensor& x);

  /// The top's activations of x as it is; batch statistics.
  torch::Tensor encode(const torch::Tensor& x);

  std::shared_ptr<torch::nn::Module> clone(
      const std::optional<torch::Device>& device = std::nullopt) const override;

  DenoisingAutoencoderOptions options;
  Stages stages;
  std::vector<std::vector<int64_t>> shapes;  ///< of one row at levels 0..L
  LadderDecoder decoder{nullptr};
};
TORCH_MODULE(DenoisingAutoencoder);

}  // namespace ladder
