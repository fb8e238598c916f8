/// The ladder network: an encoder of stages, a decoder and costs.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ladder/core/semi_batch.h"
#include "ladder/nn/ladder_decoder.h"
#include "ladder/nn/random_init.h"
#include "ladder/nn/stage.h"

namespace ladder {

struct LadderOptions {
  std::vector<int64_t> input_shape = {};  ///< shape of one row, for example [784]
  /// Weights of the denoising costs of levels 0 (the input) to L (the last stage). The decoder
  /// reaches down to the lowest level with a weight above 0. All 0 or empty: no decoder.
  std::vector<double> lambda = {};
  double input_noise = 0.3;           ///< standard deviation of the noise on the input
  CombinatorFactory combinator = {};  ///< default: GaussianCombinator
  /// Take the clean targets and their statistics for constants: no gradient flows into them, so
  /// that clean rows need no backward pass. [Rasmus2015] lets gradients flow.
  bool detach_targets = false;
};

/// Costs of one step. Training minimises `total`.
struct LadderLoss {
  torch::Tensor total;       ///< supervised + sum over levels of lambda_l denoising_l
  torch::Tensor supervised;  ///< mean cross entropy of the corrupted labeled rows
  std::vector<torch::Tensor>
      denoising;                   ///< per level 0..L, unweighted; undefined where lambda is 0
  torch::Tensor logits;            ///< [N, classes], corrupted labeled rows
  torch::Tensor unlabeled_logits;  ///< [M, classes], corrupted unlabeled rows; undefined if not run
  torch::Tensor clean_logits;      ///< [M, classes], clean unlabeled rows; undefined if not run
};

/// A ladder network over any stages [Rasmus2015].
///
/// One step runs the encoder once over the rows [labeled noisy | unlabeled noisy | unlabeled clean]
/// and the decoder over the unlabeled noisy rows, and compares them with the clean ones. Gradients
/// flow into the clean targets and their statistics too, unless `options.detach_targets`: then the
/// clean rows run by themselves, without gradients. Groups that no cost needs are not run: no
/// clean labeled rows, no clean rows where only level 0 has a cost, no unlabeled rows where no
/// level has one.
///
/// `options.lambda`, `options.input_noise` and `options.detach_targets` may change between steps;
/// `loss` checks them each time. The other options are fixed at construction.
///
/// Errors at construction: a stage that cannot take the rows before it (named by its place); one
/// module as two stages; a stage that changes its input in place, or that holds a BatchNorm, an
/// InstanceNorm with running statistics or a Dropout in training mode; a top that does not give
/// 2 or more [classes], or whose NoisyNormalizations all have an activation other than the identity
/// (softmax_top is missing); a number of lambdas other than levels; negative or infinite ones.
///
///     Ladder net(LadderOptions{.input_shape = {784}, .lambda = {1000, 10, 0.1}},
///                Stages{NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
///                           .in_features = 784, .out_features = 500}),
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

  /// Logits [R, classes] of the clean path over rows x [R, *input_shape], uint8 rows as x / 255. In
  /// eval mode normalise with the stored statistics (error before the first calibration), in train
  /// mode with those of the batch (error: 1 row). Errors name the rows: none at all, a missing
  /// batch dimension, another type or device, and on the CPU a NaN or an infinite number.
  torch::Tensor forward(const torch::Tensor& x);

  /// Costs of one batch. Draws the noise of level 0 first, then of each level up, over the labeled
  /// and unlabeled rows together. Takes uint8 rows as x / 255. With `batch.ranks`, all normalise by
  /// the statistics of all their rows.
  ///
  /// Errors: rows as in `forward`; fewer than 2 rows in a group; labels of another number, type or
  /// device, and on the CPU labels outside 0..classes - 1; missing unlabeled rows where a lambda is
  /// above 0; a network in Half, whose costs overflow; a changed lambda that is negative, infinite,
  /// of another number, or above 0 below the decoder. On CUDA no number is read, so that nothing
  /// waits for the device.
  LadderLoss loss(const SemiBatch& batch, NoiseSource& noise);

  /// Measure the statistics that eval mode normalises with. Runs the clean path over `inputs` in
  /// batches of `batch_size` rows, each normalised by its own statistics, and stores the mean of
  /// the batch means and of the unbiased batch variances. Converts uint8 rows batch by batch. A
  /// last batch with less than half of the rows, or with one row, joins the one before. Computes no
  /// gradients and leaves the mode as it is.
  ///
  /// Errors: rows as in `forward` on any device (the stored statistics stay as they were); fewer
  /// than 2 rows; a stage that measures nothing, that measures by a module that is not registered
  /// in it, or that uses one NoisyNormalization in two places.
  void calibrate(const torch::Tensor& inputs, int64_t batch_size = 1000);

  /// The same over `rows` rows, of which `rows_of(begin, end)` makes one batch at a time. An error
  /// after the first batch forgets the stored statistics.
  void calibrate(int64_t rows,
                 const std::function<torch::Tensor(int64_t begin, int64_t end)>& rows_of,
                 int64_t batch_size = 1000);

  /// Deep copy, stage by stage: a module that several stages share becomes one module for each.
  /// Error: a stage, a module in a NoisyStage, a decoder map or a combinator whose clone() returns
  /// a module of another type.
  std::shared_ptr<torch::nn::Module> clone(
      const std::optional<torch::Device>& device = std::nullopt) const override;

  /// Set the mode of all modules, but for a BatchNorm, an InstanceNorm with running statistics and
  /// a Dropout inside of a stage: they stay in eval mode, in which alone a network takes them.
  void train(bool on = true) override;

  int64_t top_level() const { return static_cast<int64_t>(stages.size()); }
  int64_t classes() const { return shapes.back()[0]; }
  /// True where a lambda was above 0 at construction: a step takes unlabeled rows.
  bool has_decoder() const { return !decoder.is_empty(); }
  /// Check options that may have changed since construction; `forward`, `loss` and `calibrate` do
  /// so by themselves. Errors: another input_shape or other stages; a noise or lambda below 0
  /// or not finite; a lambda above 0 at a level that the decoder does not reach.
  void check_options() const;

  LadderOptions options;
  Stages stages;
  std::vector<std::vector<int64_t>> shapes;  ///< shape of one row at levels 0..L
  LadderDecoder decoder{nullptr};            ///< empty where every lambda is 0

 private:
  void clone_(torch::nn::Module& other, const std::optional<torch::Device>& device) override;

  struct Weights {  // lambda of the costs as a tensor on their device
    std::vector<double> values;
    torch::Tensor tensor;
    const torch::Tensor& like(const torch::Tensor& costs, const std::vector<double>& wanted);
  };

  torch::Tensor run_constant_targets(const torch::Tensor& x,
                                     const std::shared_ptr<BatchRanks>& ranks,
                                     std::vector<std::optional<ops::DenoisingTarget>>& targets);

  std::vector<const torch::nn::Module*> built_stages_;
  std::vector<double> built_lambda_;
  Weights weights_;
};
TORCH_MODULE(Ladder);

}  // namespace ladder
