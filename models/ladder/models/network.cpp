#include "ladder/models/network.h"

#include <fmt/format.h>
#include <ladder/nn/stages/noisy_batch_norm_linear.h>
#include <ladder/nn/stages/noisy_global_mean_pool.h>
#include <ladder/nn/stages/noisy_max_pool.h>
#include <ladder/nn/stages/noisy_mean_pool.h>
#include <torch/torch.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <sstream>

namespace ladder::models {
namespace {

using Shape = std::vector<int64_t>;

// Larger numbers overflow in the sizes that follow from them.
constexpr int64_t kMaxLayerUnits = 1'000'000'000;
constexpr double kMaxNumbers = 1e15;  // of one row at a level

void check_numbers(const Layer& layer, size_t place, std::initializer_list<int64_t> numbers) {
  for (const auto number : numbers) {
    TORCH_CHECK(-kMaxLayerUnits <= number && number <= kMaxLayerUnits,
                "network: expected numbers of at most ", kMaxLayerUnits, " but got ",
                to_string(layer), " (layer ", place, ").");
  }
}

void check_maps(const Layer& layer, size_t place, const Shape& below) {
  TORCH_CHECK(below.size() == 3, "network: expected feature maps [C, H, W] for ", to_string(layer),
              " (layer ", place, ") but got rows of ", at::IntArrayRef(below), ".");
}

void check_sizes(const Shape& shape, const std::string& of) {
  double numbers = 1;
  for (const auto size : shape) {
    TORCH_CHECK(size > 0, "network: expected sizes of at least 1 but got ", at::IntArrayRef(shape),
                " from ", of, ".");
    numbers *= static_cast<double>(size);
  }
  TORCH_CHECK(numbers <= kMaxNumbers, "network: expected at most ", kMaxNumbers,
              " numbers in a row but got sizes ", at::IntArrayRef(shape), " from ", of, ".");
}

// The number after "max pool" and the like; 0 if there is none.
int64_t number_after(const std::string& words, const std::string& text) {
  int64_t number = 0;
  if (text.starts_with(words)) std::istringstream(text.substr(words.size())) >> number;
  return number;
}

Shape shape_after_pool(const Layer& layer, int64_t window, const Shape& below, size_t place) {
  check_numbers(layer, place, {window});
  check_maps(layer, place, below);
  TORCH_CHECK(window > 0, "network: expected windows of at least 1 for ", to_string(layer),
              " (layer ", place, ").");
  return {below[0], (below[1] + window - 1) / window, (below[2] + window - 1) / window};
}

NoisyPoolOptions pool_options(int64_t size, const LayerPlace& place) {
  return {.channels = place.below[0], .size = size, .noise_std = place.options.noise_std};
}

template <class... Kinds>
std::optional<Layer> parse_any(const std::string& text, const std::variant<Kinds...>*) {
  std::optional<Layer> layer;
  const auto parse = [&](const auto& read) {
    // Refuse whatever was read another way than it is written.
    if (read && read->text() == text) layer = *read;
  };
  (parse(Kinds::parse(text)), ...);
  return layer;
}

}  // namespace

// ---- kinds of layers ----------------------------------------------------------------------------

std::string Dense::text() const { return fmt::format("dense {}", units); }

std::optional<Dense> Dense::parse(const std::string& text) {
  return Dense{number_after("dense", text)};
}

Shape Dense::after(const Shape& /*below*/, size_t place) const {
  check_numbers(*this, place, {units});
  return {units};
}

AnyStage Dense::make(const LayerPlace& place) const {
  return NoisyBatchNormLinear(
      NoisyBatchNormLinearOptions{.in_features = c10::multiply_integers(place.below),
                                  .out_features = units,
                                  .noise_std = place.options.noise_std,
                                  .activation = place.options.activation,
                                  .leaky_slope = place.options.leaky_slope,
                                  .softmax_top = place.top,
                                  .gamma = place.options.top_gamma});
}

std::string Conv::text() const {
  const auto maps = fmt::format("conv {} {}@{}x{}", to_string(border), channels, kernel, kernel);
  return stride == 1 ? maps : fmt::format("{} / {}", maps, stride);
}

std::optional<Conv> Conv::parse(const std::string& text) {
  Conv conv;
  std::istringstream words(text);
  std::string first, second;
  char at = 0, by = 0, over = 0;
  int64_t width = 0, step = 0;
  words >> first >> second >> conv.channels >> at >> conv.kernel >> by >> width;
  if (words >> over >> step) conv.stride = step;
  for (const auto named : {Border::kValid, Border::kSame, Border::kFull}) {
    if (to_string(named) == second) {
      conv.border = named;
      return conv;
    }
  }
  return std::nullopt;
}

Shape Conv::after(const Shape& below, size_t place) const {
  check_numbers(*this, place, {channels, kernel, stride});
  check_maps(*this, place, below);
  TORCH_CHECK(kernel > 0 && stride > 0,
              "network: expected a kernel and a stride of at least 1 but got ", text(), " (layer ",
              place, ").");
  TORCH_CHECK(border != Border::kSame || kernel % 2 == 1,
              "network: expected an odd kernel with a same border but got ", text(), " (layer ",
              place, ").");
  const auto geometry = convolution_geometry({kernel, kernel}, border, {stride, stride});
  TORCH_CHECK(kernel <= std::min(below[1], below[2]) + 2 * geometry.padding[0],
              "network: expected feature maps of at least ", kernel, " x ", kernel, " for ", text(),
              " (layer ", place, ") but got ", below[1], " x ", below[2], ".");
  const auto size = ops::convolved_size({below[1], below[2]}, {kernel, kernel}, geometry);
  return {channels, size[0], size[1]};
}

AnyStage Conv::make(const LayerPlace& place) const {
  return NoisyConv(NoisyConvOptions{.in_channels = place.below[0],
                                    .out_channels = channels,
                                    .kernel = kernel,
                                    .border = border,
                                    .stride = stride,
                                    .noise_std = place.options.noise_std,
                                    .activation = place.options.activation,
                                    .leaky_slope = place.options.leaky_slope});
}

std::string MaxPool::text() const { return fmt::format("max pool {}", size); }

std::optional<MaxPool> MaxPool::parse(const std::string& text) {
  return MaxPool{number_after("max pool", text)};
}

Shape MaxPool::after(const Shape& below, size_t place) const {
  return shape_after_pool(*this, size, below, place);
}

AnyStage MaxPool::make(const LayerPlace& place) const {
  return NoisyMaxPool(pool_options(size, place));
}

std::string MeanPool::text() const { return fmt::format("mean pool {}", size); }

std::optional<MeanPool> MeanPool::parse(const std::string& text) {
  return MeanPool{number_after("mean pool", text)};
}

Shape MeanPool::after(const Shape& below, size_t place) const {
  return shape_after_pool(*this, size, below, place);
}

AnyStage MeanPool::make(const LayerPlace& place) const {
  return NoisyMeanPool(pool_options(size, place));
}

std::string GlobalMeanPool::text() const { return "global mean pool"; }

std::optional<GlobalMeanPool> GlobalMeanPool::parse(const std::string& /*text*/) {
  return GlobalMeanPool{};
}

Shape GlobalMeanPool::after(const Shape& below, size_t place) const {
  check_maps(*this, place, below);
  return {below[0]};
}

AnyStage GlobalMeanPool::make(const LayerPlace& place) const {
  return NoisyGlobalMeanPool(NoisyGlobalMeanPoolOptions{.channels = place.below[0],
                                                        .noise_std = place.options.noise_std,
                                                        .softmax_top = place.top,
                                                        .gamma = place.options.top_gamma});
}

// ---- networks -----------------------------------------------------------------------------------

std::string to_string(const Layer& layer) {
  return std::visit([](const auto& kind) { return kind.text(); }, layer);
}

Layer layer_from_string(const std::string& text) {
  const auto layer = parse_any(text, static_cast<const Layer*>(nullptr));
  TORCH_CHECK(layer,
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
    auto next = std::visit(
        [&](const auto& kind) { return kind.after(shapes.back(), shapes.size()); }, layer);
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
    const LayerPlace place{options, shapes[l], l + 1 == options.layers.size()};
    stages.push_back(
        std::visit([&](const auto& kind) { return kind.make(place); }, options.layers[l]));
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
