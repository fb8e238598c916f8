/// The multilayer networks of the ladder papers.
#pragma once

#include <ladder/models/network.h>

#include <vector>

namespace ladder::models {

/// A network of dense levels, ready to edit: every published network is one tweak from an ablation.
struct MlpOptions {
  int64_t in_features = 784;
  /// Units of levels 1..L; the last is the number of classes.
  std::vector<int64_t> layers = {1000, 500, 250, 250, 250, 10};
  /// Weights of the denoising costs of levels 0..L; empty or all 0: a supervised baseline.
  std::vector<double> lambda = {1000, 10, 0.1, 0.1, 0.1, 0.1, 0.1};
  double input_noise = 0.3;  ///< standard deviation at level 0
  double noise_std = 0.3;    ///< standard deviation at levels 1..L
  Activation activation = Activation::kRelu;
  double leaky_slope = 0.1;
  /// Makes the combinator of a level; by default GaussianCombinator.
  CombinatorFactory combinator = {};

  /// The same network in the terms of all networks.
  operator NetworkOptions() const;  // NOLINT: converts
};

/// Dense stages under a softmax top, wrapped into a ladder with the options' lambda
/// [Rasmus2015, section 4.1]. Errors: fewer than 1 layer, fewer than 2 classes, sizes below 1,
/// another number of lambdas than levels.
///
///     auto net = models::mlp({.lambda = {1000, 10, .1, .1, .1, .1, .1}});
Ladder mlp(const MlpOptions& options);

/// The full ladder: `lambda` is (lambda0, lambda1, rest...) on levels 0, 1 and every level above.
Ladder full_ladder(MlpOptions options, double lambda0 = 1000, double lambda1 = 10,
                   double rest = 0.1);

/// The Gamma-model: a denoising cost at the top alone, so that the decoder is one combinator.
Ladder gamma_model(MlpOptions options, double lambda_top = 0.5);

/// Bottom: a full decoder with a denoising cost on the input alone.
Ladder bottom_ladder(MlpOptions options, double lambda0 = 5000);

/// The same encoder with noise and batch normalisation, no denoising cost: labeled rows only.
Ladder baseline(MlpOptions options);

}  // namespace ladder::models
