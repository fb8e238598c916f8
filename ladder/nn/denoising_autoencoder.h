/// The denoising autoencoder, plain and with the deep feature difference as its cost: the two steps
/// that lead to the ladder.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <optional>
#include <vector>

#include "ladder/nn/ladder_decoder.h"
#include "ladder/nn/stage.h"

namespace ladder {

/// Values that a denoising autoencoder compares.
enum class AutoencoderCost {
  kReconstruction,     ///< |x^ - x|^2 at the input [Vincent2008]
  kFeatureDifference,  ///< |z^(l) - z(l)|^2 at levels 1..L, normalised [Rasmus2015, section 2]
};

struct DenoisingAutoencoderOptions {
  std::vector<int64_t> input_shape = {};  ///< shape of one row
  double input_noise = 0.3;               ///< standard deviation of the noise on the input
  AutoencoderCost cost = AutoencoderCost::kReconstruction;
  /// For kFeatureDifference: weights of levels 1..L. Empty: 1 each.
  std::vector<double> lambda = {};
};

struct AutoencoderLoss {
  torch::Tensor total;
  std::vector<torch::Tensor> denoising;  ///< per level 0..L, unweighted; undefined where not costed
};

/// An encoder of stages and a decoder without lateral connections: everything that reaches a
/// reconstruction has passed through the top.
///
/// kReconstruction: corrupt x, encode, decode, minimise |x^ - x|^2 (mean over rows and units)
/// [Vincent2008]. Nothing asks the features in the middle to be clean.
///
/// kFeatureDifference: encode the corrupted and the clean rows with the same weights and minimise
/// |z^(l) - z(l)|^2 at levels 1..L [Rasmus2015, section 2]. z is normalised: otherwise a constant z
/// would cost nothing. The ladder adds a lateral connection at every level.
///
/// The stages add their own noise to the corrupted rows (set it to 0 for the textbook form).
/// `options.lambda` and `options.input_noise` may change between steps; `loss` checks them each
/// time. The other options are fixed at construction.
///
///     DenoisingAutoencoder net(DenoisingAutoencoderOptions{.input_shape = {784}},
///                              Stages{NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
///                                  .in_features = 784, .out_features = 100, .noise_std = 0})});
///     net->loss(x, noise).total.backward();
class DenoisingAutoencoderImpl : public torch::nn::Module {
 public:
  /// Errors: those of Ladder for shapes and stages; a number of weights other than L; negative or
  /// infinite weights, or none above 0.
  DenoisingAutoencoderImpl(DenoisingAutoencoderOptions options, Stages stages);

  /// Costs of one batch of rows x [R, *input_shape], uint8 rows as x / 255. Draws the noise of
  /// level 0 first, then of each level up. Errors: rows as in Ladder::loss; changed options.
  /// With ranks, all normalise by the statistics of all their rows (see SemiBatch::ranks).
  AutoencoderLoss loss(const torch::Tensor& x, NoiseSource& noise,
                       const std::shared_ptr<BatchRanks>& ranks = {});

  /// Reconstruction x^ of x without noise, with the statistics of the batch. Errors: rows as in
  /// Ladder::loss; a kFeatureDifference autoencoder, whose decoder ends at level 1.
  torch::Tensor forward(const torch::Tensor& x);

  /// Activations of the top for x without noise, with the statistics of the batch. Errors: rows as
  /// in Ladder::loss.
  torch::Tensor encode(const torch::Tensor& x);

  /// As Ladder's.
  void train(bool on = true) override;

  std::shared_ptr<torch::nn::Module> clone(
      const std::optional<torch::Device>& device = std::nullopt) const override;

  DenoisingAutoencoderOptions options;
  Stages stages;
  std::vector<std::vector<int64_t>> shapes;  ///< shape of one row at levels 0..L
  LadderDecoder decoder{nullptr};

 private:
  void clone_(torch::nn::Module& other, const std::optional<torch::Device>& device) override;

  bool compares_features() const { return options.cost == AutoencoderCost::kFeatureDifference; }
  void check_weights() const;
  void check_options() const;

  std::vector<const torch::nn::Module*> built_stages_;
};
TORCH_MODULE(DenoisingAutoencoder);

}  // namespace ladder
