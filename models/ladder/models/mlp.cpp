#include "ladder/models/mlp.h"

#include <ladder/nn/noisy_batch_norm_linear.h>
#include <torch/torch.h>

namespace ladder::models {

Ladder mlp(const MlpOptions& options) {
  TORCH_CHECK(!options.layers.empty(), "mlp: expected at least one layer but got none.");
  TORCH_CHECK(options.layers.back() >= 2, "mlp: expected at least 2 classes but got ",
              options.layers.back(), " (the last layer's units).");
  Stages stages;
  int64_t in = options.in_features;
  for (size_t l = 0; l < options.layers.size(); ++l) {
    stages.push_back(NoisyBatchNormLinear(
        NoisyBatchNormLinearOptions{.in_features = in,
                                    .out_features = options.layers[l],
                                    .noise_std = options.noise,
                                    .activation = options.activation,
                                    .leaky_slope = options.leaky_slope,
                                    .softmax_top = l + 1 == options.layers.size()}));
    in = options.layers[l];
  }
  return Ladder(LadderOptions{.input_shape = {options.in_features},
                              .lambda = options.lambda,
                              .input_noise = options.input_noise,
                              .combinator = options.combinator},
                std::move(stages));
}

std::vector<double> full_lambda(size_t levels, double lambda0, double lambda1, double rest) {
  std::vector<double> lambda(levels + 1, rest);
  lambda[0] = lambda0;
  if (levels >= 1) {
    lambda[1] = lambda1;
  }
  return lambda;
}

std::vector<double> gamma_lambda(size_t levels, double top) {
  std::vector<double> lambda(levels + 1, 0.0);
  lambda.back() = top;
  return lambda;
}

std::vector<double> bottom_lambda(size_t levels, double lambda0) {
  std::vector<double> lambda(levels + 1, 0.0);
  lambda.front() = lambda0;
  return lambda;
}

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
