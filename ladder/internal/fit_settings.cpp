#include "ladder/internal/fit_settings.h"

#include <c10/util/Exception.h>
#include <ladder/models/combinators.h>

#include <algorithm>
#include <cmath>

#include "ladder/train/scaled_objective.h"

namespace ladder::fitting {
namespace {

std::vector<int64_t> hidden_layers(int64_t rows, int64_t inputs, int64_t classes, bool images) {
  std::vector<int64_t> units;
  if (images) {
    units = {500, 250, 100};
  } else {
    const int64_t first = inputs > 200 ? 400 : rows < 2000 ? 100 : 200;
    units = {first, first / 2, first / 4};
  }
  const int64_t least = std::min<int64_t>(2 * classes, units.front());
  for (auto& layer : units) layer = std::max(layer, least);
  return units;
}

}  // namespace

void check_options(const ClassifierOptions& options) {
  TORCH_CHECK(options.device.is_cpu() || options.device.is_cuda(),
              "Classifier: expected the CPU or a CUDA device but got ", options.device.str(), ".");
  TORCH_CHECK(options.epochs >= 0, "Classifier: expected epochs of at least 0 but got ",
              options.epochs, ".");
  TORCH_CHECK(options.minutes >= 0 && std::isfinite(options.minutes),
              "Classifier: expected minutes of at least 0 but got ", options.minutes, ".");
  TORCH_CHECK(options.epochs == 0 || options.minutes == 0,
              "Classifier: expected epochs or minutes but got both (", options.epochs, " and ",
              options.minutes, ").");
  TORCH_CHECK(!options.noise || (*options.noise >= 0 && std::isfinite(*options.noise)),
              "Classifier: expected a noise of at least 0 but got ", options.noise.value_or(0),
              ".");
  TORCH_CHECK(!options.validation || (*options.validation >= 0 && *options.validation < 1),
              "Classifier: expected a share of 0 to below 1 for validation but got ",
              options.validation.value_or(0), ".");
  TORCH_CHECK(options.folds == 0 || options.folds >= 2,
              "Classifier: expected 0 or at least 2 folds but got ", options.folds, ".");
  TORCH_CHECK(options.folds == 0 || options.validation.value_or(0) == 0,
              "Classifier: expected folds or a share for validation but got both (", options.folds,
              " and ", options.validation.value_or(0), "; folds measure every labeled row).");
  TORCH_CHECK(!options.resume || !options.folder.empty(),
              "Classifier: expected the folder of the run to resume but got none.");
  TORCH_CHECK(options.input_weight >= 0 && std::isfinite(options.input_weight),
              "Classifier: expected an input weight of at least 0 but got ", options.input_weight,
              ".");
}

int64_t batch_of(int64_t rows) {
  const int64_t small = std::clamp<int64_t>(rows / 10, 20, 100);
  const int64_t large = (rows + kDefaultSteps - 1) / kDefaultSteps;
  return std::min(rows, std::clamp<int64_t>(std::max(small, large), 2, 2000));
}

models::NetworkOptions network_of(const ClassifierOptions& options,
                                  const std::vector<int64_t>& shape, int64_t rows, int64_t classes,
                                  bool images) {
  models::NetworkOptions network;
  network.input_shape = shape;
  if (options.convolutional) {
    TORCH_CHECK(shape.size() == 3,
                "Classifier: expected images for a convolutional network but got rows of ",
                shape.front(), " numbers (leave `convolutional` false).");
    TORCH_CHECK(options.layers.empty(),
                "Classifier: expected no hidden layers for a convolutional network but got ",
                options.layers.size(), ".");
    network.layers = {models::Conv{32, 3, Border::kSame},
                      models::Conv{32, 3, Border::kSame},
                      models::MaxPool{2},
                      models::Conv{64, 3, Border::kSame},
                      models::Conv{64, 3, Border::kSame},
                      models::MaxPool{2},
                      models::Conv{64, 3, Border::kSame},
                      models::GlobalMeanPool{},
                      models::Dense{classes}};
  } else {
    const auto hidden = options.layers.empty() ? hidden_layers(rows, shape.front(), classes, images)
                                               : options.layers;
    for (const int64_t units : hidden) network.layers.emplace_back(models::Dense{units});
    network.layers.emplace_back(models::Dense{classes});
  }
  const size_t levels = network.layers.size();
  TORCH_CHECK(options.lambda.empty() || options.lambda.size() == levels + 1,
              "Classifier: expected ", levels + 1,
              " lambdas, one for each level from the input to the classes, but got ",
              options.lambda.size(), ".");
  if (options.labels_alone) {
    network.lambda = std::vector<double>(levels + 1, 0);
  } else if (!options.lambda.empty()) {
    network.lambda = options.lambda;
  } else if (options.convolutional) {
    network.lambda = models::gamma_lambda(levels, 1);  // a full decoder costs twice the time
  } else {
    network.lambda = train::scaled_weights(levels, options.input_weight);
  }
  network.input_noise = options.noise.value_or(images ? kImageNoise : kTableNoise);
  network.noise_std = options.noise.value_or(images ? 0.3 : kTableNoise);
  network.activation = options.activation;
  network.combinator = models::find_combinator(options.combinator).make;
  return network;
}

}  // namespace ladder::fitting
