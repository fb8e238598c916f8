/// The multilayer networks of the ladder papers.
#pragma once

#include <ladder/models/network.h>

#include <vector>

namespace ladder::models {

/// A network of dense layers.
struct MlpOptions {
  int64_t in_features = 784;
  /// Units per layer, levels 1..L; the last is the number of classes.
  std::vector<int64_t> layers = {1000, 500, 250, 250, 250, 10};
  /// Weights of the denoising costs of levels 0..L. Empty or all 0: a supervised baseline.
  std::vector<double> lambda = {1000, 10, 0.1, 0.1, 0.1, 0.1, 0.1};
  double input_noise = 0.3;  ///< standard deviation of the noise on the input
  double noise_std = 0.3;    ///< standard deviation of the noise at levels 1..L
  Activation activation = Activation::kRelu;
  double leaky_slope = 0.1;
  /// Makes the combinator of a level. Default: GaussianCombinator.
  CombinatorFactory combinator = {};

  /// Convert to the description that all networks share.
  operator NetworkOptions() const;  // NOLINT: converts
};

/// Make a ladder of dense stages with a softmax top [Rasmus2015, section 4.1]. Errors: no layers;
/// fewer than 2 classes; sizes below 1; a number of lambdas other than levels.
///
///     auto net = models::mlp({.lambda = {1000, 10, .1, .1, .1, .1, .1}});
Ladder mlp(const MlpOptions& options);

/// Make the full ladder: `lambda` is (lambda0, lambda1, rest...) on levels 0, 1 and above.
Ladder full_ladder(MlpOptions options, double lambda0 = 1000, double lambda1 = 10,
                   double rest = 0.1);

/// Make the Gamma-model: a denoising cost only at the top; the decoder is one combinator.
Ladder gamma_model(MlpOptions options, double lambda_top = 0.5);

/// Make the bottom model: a full decoder with a denoising cost only on the input.
Ladder bottom_ladder(MlpOptions options, double lambda0 = 5000);

/// Make the supervised baseline: the same encoder, noise and normalisation, without denoising cost.
Ladder baseline(MlpOptions options);

}  // namespace ladder::models
