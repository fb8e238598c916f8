/// One description of all networks: an input shape and a list of layers, as values to edit.
#pragma once

#include <ladder/nn/ladder.h>
#include <ladder/nn/stages/noisy_conv.h>
#include <ladder/ops/normalise.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ladder::models {

/// Units of a dense level; its input is flattened.
struct Dense {
  int64_t units = 0;
  bool operator==(const Dense&) const = default;
};

/// Channels of a convolutional level and its square kernel.
struct Conv {
  int64_t channels = 0;
  int64_t kernel = 1;
  Border border = Border::kValid;
  int64_t stride = 1;
  bool operator==(const Conv&) const = default;
};

/// Windows of size x size, in steps of their size.
struct MaxPool {
  int64_t size = 2;
  bool operator==(const MaxPool&) const = default;
};
struct MeanPool {
  int64_t size = 2;
  bool operator==(const MeanPool&) const = default;
};

/// Maps become rows: the mean of each channel.
struct GlobalMeanPool {
  bool operator==(const GlobalMeanPool&) const = default;
};

using Layer = std::variant<Dense, Conv, MaxPool, MeanPool, GlobalMeanPool>;

/// "dense 10", "conv full 32@5x5", "conv same 64@3x3 / 2" with a stride, "max pool 2",
/// "mean pool 2", "global mean pool".
std::string to_string(const Layer& layer);
/// The layer of such a text. Error: a text that `to_string` does not write.
Layer layer_from_string(const std::string& text);

/// Any network: every published one is a value of this type, one tweak from an ablation.
struct NetworkOptions {
  std::vector<int64_t> input_shape = {};  ///< of one row: [D], or [C, H, W] under a convolution
  /// Levels 1..L. The last one, dense or a global mean pool, is the softmax top.
  std::vector<Layer> layers = {};
  /// Weights of the denoising costs of levels 0..L; empty or all 0: a supervised baseline.
  std::vector<double> lambda = {};
  double input_noise = 0.3;                   ///< standard deviation at level 0
  double noise_std = 0.3;                     ///< standard deviation at levels 1..L
  Activation activation = Activation::kRelu;  ///< of dense and convolutional levels
  double leaky_slope = 0.1;
  CombinatorFactory combinator = {};  ///< of a level; by default GaussianCombinator
  bool top_gamma = true;              ///< whether the softmax top has a learned scale
};

/// The stages of the layers, wrapped into a ladder [Rasmus2015, section 4].
///
/// Errors, with the place of the layer: no layers, a convolution or pooling of rows that are not
/// maps, a kernel larger than its map, a top that gives maps or fewer than 2 classes, sizes below
/// 1, another number of lambdas than levels.
///
///     auto options = models::conv_small();
///     options.lambda = models::full_lambda(options.layers.size(), 1000, 10, 0.1);
///     auto net = models::network(options);
Ladder network(const NetworkOptions& options);

/// Units of each layer; none unless all layers are dense and the input is a vector.
std::optional<std::vector<int64_t>> dense_units(const NetworkOptions& options);

/// Shape of one row at levels 0..L. Errors: those of `network` that concern shapes.
std::vector<std::vector<int64_t>> layer_shapes(const NetworkOptions& options);

/// The lambdas of the three kinds for a network of `levels` levels above the input.
std::vector<double> full_lambda(size_t levels, double lambda0, double lambda1, double rest);
std::vector<double> gamma_lambda(size_t levels, double top);
std::vector<double> bottom_lambda(size_t levels, double lambda0);

/// MNIST, a full ladder: a convolution of 1000 kernels of 26x26, four of 1x1 (500, 250, 250, 250),
/// one for the classes and a global mean pool; lambda 1000, 10, .1 above [Rasmus2015, table 2].
NetworkOptions conv_fc();

/// MNIST, a Gamma-model: three blocks of convolutions under a dense top; lambda 1 at the top
/// [Rasmus2015, table 2].
NetworkOptions conv_small();

/// CIFAR-10, a Gamma-model: nine convolutions with leaky ReLU under a global mean pool, which has
/// no learned scale; lambda 4 at the top [Rasmus2015, table 3].
NetworkOptions conv_large();

}  // namespace ladder::models
