/// The ladder network: an encoder of stages run over a stacked batch, a decoder back down, costs.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "ladder/core/semi_batch.h"
#include "ladder/nn/ladder_decoder.h"
#include "ladder/nn/random_init.h"
#include "ladder/nn/stage.h"

namespace ladder {

struct LadderOptions {
  std::vector<int64_t> input_shape = {};  ///< of one row, [784] say
  /// Weights of the denoising costs from level 0 (the input) up, one more than there are stages.
  /// The decoder reaches down to the lowest weight above 0; all 0 or empty: no decoder at all.
  std::vector<double> lambda = {};
  double input_noise = 0.3;           ///< standard deviation of the noise on the input
  CombinatorFactory combinator = {};  ///< by default GaussianCombinator
};

/// The costs of one step; `total` is what training minimises.
struct LadderLoss {
  torch::Tensor total;       ///< supervised + sum over levels of lambda_l denoising_l
  torch::Tensor supervised;  ///< mean cross entropy of the corrupted labeled rows
  std::vector<torch::Tensor>
      denoising;         ///< per level 0..L, unweighted; undefined where lambda is 0
  torch::Tensor logits;  ///< [N, classes], corrupted labeled rows
};

/// A ladder network over any stages [Rasmus2015].
///
/// One step runs the encoder once over the rows [labeled noisy | unlabeled noisy | unlabeled clean]
/// (the clean pass over labeled rows feeds no cost), the decoder over the unlabeled noisy rows, and
/// compares with the clean ones; gradients flow into the clean targets and their statistics too.
/// Row groups that no cost needs are not run: no clean rows when only level 0 is costed, no
/// unlabeled rows when nothing is.
///
/// Errors at construction: a stage that cannot take the shape before it (named by its place), a
/// top that is not [classes], another number of lambdas than levels, negative ones.
///
///     Ladder net(LadderOptions{.input_shape = {784}, .lambda = {1000, 10, 0.1}},
///                Stages{NoisyBatchNormLinear(NoisyBatchNormLinearOptions{.in_features = 784,
///                                                                      .out_features = 500}),
///                       NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
///                           .in_features = 500, .out_features = 10, .softmax_top = true})});
///     NoiseSource noise(stream_seed(1, "noise"));
///     net->loss({x_labeled, y, x_unlabeled}, noise).total.backward();   // then optimizer.step()
///     net->calibrate(x_train);
///     net->eval();
///     auto classes = net->forward(x_test).argmax(1);
class LadderImpl : public torch::nn::Module {
 public:
  LadderImpl(LadderOptions options, Stages stages);

  /// Logits [R, classes] of the clean path. In eval mode with the stored statistics (error before
  /// any calibration), in train mode with the batch's own.
  torch::Tensor forward(const torch::Tensor& x);

  /// The costs of one batch; draws the noise of level 0 first, then of each level up, over the
  /// labeled and unlabeled rows together. Error: rows of another shape than input_shape, labels
  /// that do not match, unlabeled rows missing where lambda asks for them.
  LadderLoss loss(const SemiBatch& batch, NoiseSource& noise);

  /// Measures the statistics that eval mode normalises with: the clean path over `inputs` in
  /// batches of `batch_size` rows, each normalised by its own statistics; stored are the mean of
  /// batch means and the mean of unbiased batch variances. A last batch of fewer rows than half a
  /// batch joins the one before. No gradients; the mode is left as it is. Error: fewer than 2 rows.
  void calibrate(const torch::Tensor& inputs, int64_t batch_size = 1000);

  std::shared_ptr<torch::nn::Module> clone(
      const std::optional<torch::Device>& device = std::nullopt) const override;

  int64_t top_level() const { return static_cast<int64_t>(stages.size()); }
  int64_t classes() const { return shapes.back()[0]; }
  /// Whether a step needs unlabeled rows: some lambda is above 0.
  bool has_decoder() const { return !decoder.is_empty(); }

  LadderOptions options;
  Stages stages;
  std::vector<std::vector<int64_t>> shapes;  ///< of one row at levels 0..L
  LadderDecoder decoder{nullptr};            ///< empty when every lambda is 0

 private:
  struct Weights {  // of the costs, as a tensor where they are
    std::vector<double> values;
    torch::Tensor tensor;
    const torch::Tensor& like(const torch::Tensor& costs, const std::vector<double>& wanted);
  };

  void check_batch(const SemiBatch& batch) const;

  Weights weights_;
};
TORCH_MODULE(Ladder);

}  // namespace ladder
