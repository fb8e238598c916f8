/// One description of all networks: an input shape and a list of layers.
#pragma once

#include <ladder/nn/ladder.h>
#include <ladder/nn/stages/noisy_conv.h>
#include <ladder/ops/normalise.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ladder::models {

struct NetworkOptions;

/// A layer where it stands in a network.
struct LayerPlace {
  const NetworkOptions& options;
  const std::vector<int64_t>& below;  ///< shape of one row of its input
  bool top;                           ///< true for the last layer
};

// Kinds of layers. Each says what it is in four members, and `Layer` lists the kinds:
//
//   text()               the text of `to_string`
//   parse(text)          the layer of such a text, or nothing; `layer_from_string` refuses a layer
//                        that is written another way
//   after(below, place)  shape of one row after the layer, for the shape before it; errors name the
//                        layer and its `place`, 1 for the first layer
//   make(place)          the stage

/// Dense layer; flattens its input.
struct Dense {
  int64_t units = 0;
  bool operator==(const Dense&) const = default;

  std::string text() const;
  static std::optional<Dense> parse(const std::string& text);
  std::vector<int64_t> after(const std::vector<int64_t>& below, size_t place) const;
  AnyStage make(const LayerPlace& place) const;
};

/// Convolution with a square kernel.
struct Conv {
  int64_t channels = 0;
  int64_t kernel = 1;
  Border border = Border::kValid;
  int64_t stride = 1;
  bool operator==(const Conv&) const = default;

  std::string text() const;
  static std::optional<Conv> parse(const std::string& text);
  std::vector<int64_t> after(const std::vector<int64_t>& below, size_t place) const;
  AnyStage make(const LayerPlace& place) const;
};

/// Pooling over windows of size x size; the stride is the size.
struct MaxPool {
  int64_t size = 2;
  bool operator==(const MaxPool&) const = default;

  std::string text() const;
  static std::optional<MaxPool> parse(const std::string& text);
  std::vector<int64_t> after(const std::vector<int64_t>& below, size_t place) const;
  AnyStage make(const LayerPlace& place) const;
};
struct MeanPool {
  int64_t size = 2;
  bool operator==(const MeanPool&) const = default;

  std::string text() const;
  static std::optional<MeanPool> parse(const std::string& text);
  std::vector<int64_t> after(const std::vector<int64_t>& below, size_t place) const;
  AnyStage make(const LayerPlace& place) const;
};

/// Mean of each channel over all positions; turns feature maps into rows.
struct GlobalMeanPool {
  bool operator==(const GlobalMeanPool&) const = default;

  std::string text() const;
  static std::optional<GlobalMeanPool> parse(const std::string& text);
  std::vector<int64_t> after(const std::vector<int64_t>& below, size_t place) const;
  AnyStage make(const LayerPlace& place) const;
};

/// One layer. A new kind of layer is one struct, and its name in this list.
using Layer = std::variant<Dense, Conv, MaxPool, MeanPool, GlobalMeanPool>;

/// "dense 10", "conv full 32@5x5", "conv same 64@3x3 / 2" with a stride, "max pool 2",
/// "mean pool 2", "global mean pool".
std::string to_string(const Layer& layer);
/// The layer of such a text. Error: a text that `to_string` does not write.
Layer layer_from_string(const std::string& text);

/// Any network. Every published one is a value of this type.
struct NetworkOptions {
  std::vector<int64_t> input_shape = {};  ///< shape of one row: [D], or [C, H, W] for convolutions
  /// Levels 1..L. The last one, dense or a global mean pool, becomes the softmax top.
  std::vector<Layer> layers = {};
  /// Weights of the denoising costs of levels 0..L. Empty or all 0: a supervised baseline.
  std::vector<double> lambda = {};
  double input_noise = 0.3;                   ///< standard deviation of the noise on the input
  double noise_std = 0.3;                     ///< standard deviation of the noise at levels 1..L
  Activation activation = Activation::kRelu;  ///< activation of dense and convolutional layers
  double leaky_slope = 0.1;
  CombinatorFactory combinator =
      {};                       ///< makes the combinator of a level; default: GaussianCombinator
  bool top_gamma = true;        ///< false: no learned scale at the softmax top
  bool detach_targets = false;  ///< no gradient flows into the clean targets, see LadderOptions
};

/// Make the ladder of these layers [Rasmus2015, section 4].
///
/// Errors, with the place of the layer: no layers; a convolution or pooling of rows that are not
/// feature maps; a kernel larger than its feature map, or an even one with a same border; a top
/// that gives feature maps or fewer than 2 classes; sizes, kernels and strides below 1; a number of
/// lambdas other than levels.
///
///     auto options = models::conv_small();
///     options.lambda = models::full_lambda(options.layers.size(), 1000, 10, 0.1);
///     auto net = models::network(options);
Ladder network(const NetworkOptions& options);

/// Units of each layer; none unless all layers are dense and the input is a vector.
std::optional<std::vector<int64_t>> dense_units(const NetworkOptions& options);

/// Shape of one row at levels 0..L. Errors: those of `network` that concern shapes.
std::vector<std::vector<int64_t>> layer_shapes(const NetworkOptions& options);

/// Weights of the three models for a network with this number of levels above the input.
std::vector<double> full_lambda(size_t levels, double lambda0, double lambda1, double rest);
std::vector<double> gamma_lambda(size_t levels, double top);
std::vector<double> bottom_lambda(size_t levels, double lambda0);

/// MNIST, full ladder: a convolution with 1000 kernels of 26x26, four of 1x1 (500, 250, 250, 250),
/// one for the classes and a global mean pool; lambda 1000, 10 and .1 above [Rasmus2015, table 2].
NetworkOptions conv_fc();

/// MNIST, Gamma-model: three blocks of convolutions and a dense top; lambda 1 at the top
/// [Rasmus2015, table 2].
NetworkOptions conv_small();

/// CIFAR-10, Gamma-model: nine convolutions with leaky ReLU and a global mean pool without learned
/// scale; lambda 4 at the top [Rasmus2015, table 3].
NetworkOptions conv_large();

}  // namespace ladder::models
