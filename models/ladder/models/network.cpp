#include "ladder/models/network.h"

#include <ladder/nn/stages/noisy_batch_norm_linear.h>
#include <ladder/nn/stages/noisy_global_mean_pool.h>
#include <ladder/nn/stages/noisy_max_pool.h>
#include <ladder/nn/stages/noisy_mean_pool.h>
#include <torch/torch.h>

#include <optional>
#include <sstream>

namespace ladder::models {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

using Shape = std::vector<int64_t>;

// A layer where it stands: between rows of `below` and the next level.
struct Place {
  const NetworkOptions& options;
  const Shape& below;
  bool top;
};

AnyStage make_stage(const Dense& layer, const Place& at) {
  return NoisyBatchNormLinear(
      NoisyBatchNormLinearOptions{.in_features = c10::multiply_integers(at.below),
                                  .out_features = layer.units,
                                  .noise_std = at.options.noise_std,
                                  .activation = at.options.activation,
                                  .leaky_slope = at.options.leaky_slope,
                                  .softmax_top = at.top,
                                  .gamma = at.options.top_gamma});
}

AnyStage make_stage(const Conv& layer, const Place& at) {
  return NoisyConv(NoisyConvOptions{.in_channels = at.below[0],
                                    .out_channels = layer.channels,
                                    .kernel = layer.kernel,
                                    .border = layer.border,
                                    .stride = layer.stride,
                                    .noise_std = at.options.noise_std,
                                    .activation = at.options.activation,
                                    .leaky_slope = at.options.leaky_slope});
}

AnyStage make_stage(const MaxPool& layer, const Place& at) {
  return NoisyMaxPool(NoisyMaxPoolOptions{
      .channels = at.below[0], .size = layer.size, .noise_std = at.options.noise_std});
}

AnyStage make_stage(const MeanPool& layer, const Place& at) {
  return NoisyMeanPool(NoisyMeanPoolOptions{
      .channels = at.below[0], .size = layer.size, .noise_std = at.options.noise_std});
}

AnyStage make_stage(const GlobalMeanPool&, const Place& at) {
  return NoisyGlobalMeanPool(NoisyGlobalMeanPoolOptions{.channels = at.below[0],
                                                        .noise_std = at.options.noise_std,
                                                        .softmax_top = at.top,
                                                        .gamma = at.options.top_gamma});
}

// Larger numbers overflow in the sizes that follow from them.
constexpr int64_t kMostOfLayer = 1'000'000'000;
constexpr double kMostNumbers = 1e15;  // of one row at a level

void check_numbers(const Layer& layer, size_t place) {
  const auto check = [&](int64_t number) {
    TORCH_CHECK(-kMostOfLayer <= number && number <= kMostOfLayer,
                "network: expected numbers of at most ", kMostOfLayer, " but got ",
                to_string(layer), " (layer ", place, ").");
  };
  std::visit(
      Overloaded{[&](const Dense& dense) { check(dense.units); },
                 [&](const Conv& conv) {
                   check(conv.channels);
                   check(conv.kernel);
                   check(conv.stride);
                 },
                 [&](const MaxPool& pool) { check(pool.size); },
                 [&](const MeanPool& pool) { check(pool.size); }, [](const GlobalMeanPool&) {}},
      layer);
}

void check_sizes(const Shape& shape, const std::string& of) {
  double numbers = 1;
  for (const auto size : shape) {
    TORCH_CHECK(size > 0, "network: expected sizes of at least 1 but got ", at::IntArrayRef(shape),
                " from ", of, ".");
    numbers *= static_cast<double>(size);
  }
  TORCH_CHECK(numbers <= kMostNumbers, "network: expected at most ", kMostNumbers,
              " numbers in a row but got sizes ", at::IntArrayRef(shape), " from ", of, ".");
}

Shape shape_after(const Layer& layer, const Shape& below, size_t place) {
  check_numbers(layer, place);
  const auto* dense = std::get_if<Dense>(&layer);
  if (dense != nullptr) {
    return {dense->units};
  }
  TORCH_CHECK(below.size() == 3, "network: expected maps [C, H, W] for ", to_string(layer),
              " (layer ", place, ") but got rows of ", at::IntArrayRef(below), ".");
  if (std::holds_alternative<GlobalMeanPool>(layer)) {
    return {below[0]};
  }
  if (const auto* conv = std::get_if<Conv>(&layer)) {
    TORCH_CHECK(conv->kernel > 0 && conv->stride > 0,
                "network: expected a kernel and a stride of at least 1 but got ", to_string(layer),
                " (layer ", place, ").");
    TORCH_CHECK(conv->border != Border::kSame || conv->kernel % 2 == 1,
                "network: expected an odd kernel with a same border but got ", to_string(layer),
                " (layer ", place, ").");
    const auto geometry = convolution_geometry({conv->kernel, conv->kernel}, conv->border,
                                               {conv->stride, conv->stride});
    TORCH_CHECK(conv->kernel <= std::min(below[1], below[2]) + 2 * geometry.padding[0],
                "network: expected maps of at least ", conv->kernel, " x ", conv->kernel, " for ",
                to_string(layer), " (layer ", place, ") but got ", below[1], " x ", below[2], ".");
    const auto size =
        ops::convolved_size({below[1], below[2]}, {conv->kernel, conv->kernel}, geometry);
    return {conv->channels, size[0], size[1]};
  }
  const auto* max = std::get_if<MaxPool>(&layer);
  const auto window = max != nullptr ? max->size : std::get<MeanPool>(layer).size;
  TORCH_CHECK(window > 0, "network: expected windows of at least 1 for ", to_string(layer),
              " (layer ", place, ").");
  return {below[0], (below[1] + window - 1) / window, (below[2] + window - 1) / window};
}

}  // namespace

std::string to_string(const Layer& layer) {
  return std::visit(
      Overloaded{[](const Dense& dense) { return c10::str("dense ", dense.units); },
                 [](const Conv& conv) {
                   const auto text = c10::str("conv ", to_string(conv.border), " ", conv.channels,
                                              "@", conv.kernel, "x", conv.kernel);
                   return conv.stride == 1 ? text : c10::str(text, " / ", conv.stride);
                 },
                 [](const MaxPool& pool) { return c10::str("max pool ", pool.size); },
                 [](const MeanPool& pool) { return c10::str("mean pool ", pool.size); },
                 [](const GlobalMeanPool&) { return std::string("global mean pool"); }},
      layer);
}

Layer layer_from_string(const std::string& text) {
  std::istringstream words(text);
  std::string first, second;
  words >> first >> second;
  std::optional<Layer> layer;
  int64_t number = 0;
  if (text == to_string(Layer(GlobalMeanPool{}))) {
    return GlobalMeanPool{};
  }
  if (first == "dense") {
    std::istringstream(second) >> number;
    layer = Dense{number};
  } else if (second == "pool") {
    words >> number;
    layer = first == "max" ? Layer(MaxPool{number}) : Layer(MeanPool{number});
  } else if (first == "conv") {
    Conv conv;
    char at = 0, by = 0, over = 0;
    int64_t kernel = 0;
    words >> conv.channels >> at >> conv.kernel >> by >> kernel;
    if (words >> over >> number) {
      conv.stride = number;
    }
    for (const auto border : {Border::kValid, Border::kSame, Border::kFull}) {
      if (to_string(border) == second) {
        conv.border = border;
        layer = conv;
      }
    }
  }
  // Whatever was read another way than it is written is refused here.
  TORCH_CHECK(layer && to_string(*layer) == text,
              "layer_from_string: expected a layer like \"dense 10\", \"conv valid 32@5x5\", "
              "\"max pool 2\" or \"global mean pool\" but got \"",
              text, "\".");
  return *layer;
}

std::vector<std::vector<int64_t>> layer_shapes(const NetworkOptions& options) {
  TORCH_CHECK(!options.input_shape.empty(),
              "network: expected the shape of an input row but got an empty input_shape.");
  TORCH_CHECK(!options.layers.empty(), "network: expected at least one layer but got none.");
  check_sizes(options.input_shape, "input_shape");
  std::vector<Shape> shapes = {options.input_shape};
  for (const auto& layer : options.layers) {
    auto next = shape_after(layer, shapes.back(), shapes.size());
    check_sizes(next, c10::str(to_string(layer), " (layer ", shapes.size(), ")"));
    shapes.push_back(std::move(next));
  }
  TORCH_CHECK(shapes.back().size() == 1,
              "network: expected a dense layer or a global mean pool at "
              "the top but got ",
              to_string(options.layers.back()), ".");
  TORCH_CHECK(shapes.back()[0] >= 2, "network: expected at least 2 classes but got ",
              shapes.back()[0], " (from the last layer, ", to_string(options.layers.back()), ").");
  return shapes;
}

std::optional<std::vector<int64_t>> dense_units(const NetworkOptions& options) {
  std::vector<int64_t> units;
  for (const auto& layer : options.layers) {
    const auto* dense = std::get_if<Dense>(&layer);
    if (dense == nullptr || options.input_shape.size() != 1) {
      return std::nullopt;
    }
    units.push_back(dense->units);
  }
  return units;
}

Ladder network(const NetworkOptions& options) {
  const auto shapes = layer_shapes(options);
  Stages stages;
  for (size_t l = 0; l < options.layers.size(); ++l) {
    const Place at{options, shapes[l], l + 1 == options.layers.size()};
    stages.push_back(
        std::visit([&](const auto& layer) { return make_stage(layer, at); }, options.layers[l]));
  }
  return Ladder(LadderOptions{.input_shape = options.input_shape,
                              .lambda = options.lambda,
                              .input_noise = options.input_noise,
                              .combinator = options.combinator,
                              .detach_targets = options.detach_targets},
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

NetworkOptions conv_fc() {
  NetworkOptions options{.input_shape = {1, 28, 28},
                         .layers = {Conv{1000, 26}, Conv{500, 1}, Conv{250, 1}, Conv{250, 1},
                                    Conv{250, 1}, Conv{10, 1}, GlobalMeanPool{}}};
  options.lambda = full_lambda(options.layers.size(), 1000, 10, 0.1);
  return options;
}

NetworkOptions conv_small() {
  NetworkOptions options{
      .input_shape = {1, 28, 28},
      .layers = {Conv{32, 5, Border::kFull}, MaxPool{2}, Conv{64, 3}, Conv{64, 3, Border::kFull},
                 MaxPool{2}, Conv{128, 3}, Conv{10, 1}, GlobalMeanPool{}, Dense{10}}};
  options.lambda = gamma_lambda(options.layers.size(), 1);
  return options;
}

NetworkOptions conv_large() {
  NetworkOptions options{
      .input_shape = {3, 32, 32},
      .layers = {Conv{96, 3}, Conv{96, 3, Border::kFull}, Conv{96, 3, Border::kFull}, MaxPool{2},
                 Conv{192, 3}, Conv{192, 3, Border::kFull}, Conv{192, 3}, MaxPool{2}, Conv{192, 3},
                 Conv{192, 1}, Conv{10, 1}, GlobalMeanPool{}},
      .activation = Activation::kLeakyRelu,
      .top_gamma = false};
  options.lambda = gamma_lambda(options.layers.size(), 4);
  return options;
}

}  // namespace ladder::models
