#include "ladder/models/mlp.h"

namespace ladder::models {

MlpOptions::operator NetworkOptions() const {
  NetworkOptions network{.input_shape = {in_features},
                         .lambda = lambda,
                         .input_noise = input_noise,
                         .noise_std = noise_std,
                         .activation = activation,
                         .leaky_slope = leaky_slope,
                         .combinator = combinator};
  for (const auto units : layers) {
    network.layers.emplace_back(Dense{units});
  }
  return network;
}

Ladder mlp(const MlpOptions& options) { return network(options); }

Ladder full_ladder(MlpOptions options, double lambda0, double lambda1, double rest) {
  options.lambda = full_lambda(options.layers.size(), lambda0, lambda1, rest);
  return mlp(options);
}

Ladder gamma_model(MlpOptions options, double lambda_top) {
  options.lambda = gamma_lambda(options.layers.size(), lambda_top);
  return mlp(options);
}

Ladder bottom_ladder(MlpOptions options, double lambda0) {
  options.lambda = bottom_lambda(options.layers.size(), lambda0);
  return mlp(options);
}

Ladder baseline(MlpOptions options) {
  options.lambda.clear();
  return mlp(options);
}

}  // namespace ladder::models
