#include "ladder/models/network.h"

#include <ladder/models/mlp.h>
#include <torch/torch.h>

#include <limits>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/grouping_locale.h"
#include "tests/support/networks.h"
#include "tests/support/require_close.h"

using namespace ladder;          // NOLINT
using namespace ladder::models;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::parameter_count;
using ladder::testing::require_close;

namespace {

using Shapes = std::vector<std::vector<int64_t>>;

SemiBatch batch_for(const NetworkOptions& options) {
  auto labeled = options.input_shape;
  labeled.insert(labeled.begin(), 4);
  auto unlabeled = labeled;
  unlabeled[0] = 6;
  return {torch::rand(labeled), torch::randint(layer_shapes(options).back()[0], {4}),
          torch::rand(unlabeled)};
}

}  // namespace

TEST_CASE("network: conv-fc has the published shapes and parameters", "[models]") {
  const auto net = network(conv_fc());
  CHECK(net->shapes == Shapes{{1, 28, 28},
                              {1000, 3, 3},
                              {500, 3, 3},
                              {250, 3, 3},
                              {250, 3, 3},
                              {250, 3, 3},
                              {10, 3, 3},
                              {10}});
  const int64_t weights =
      26 * 26 * 1000 + 1000 * 500 + 500 * 250 + 250 * 250 + 250 * 250 + 250 * 10;
  const int64_t channels = 1000 + 500 + 3 * 250 + 10;
  // Both ways; beta of convolutions and the top, gamma of the top; ten numbers a channel.
  CHECK(parameter_count(net) == 2 * weights + channels + 10 + 10 + 10 * (1 + channels + 10));
  CHECK(net->options.lambda == std::vector<double>{1000, 10, .1, .1, .1, .1, .1, .1});
}

TEST_CASE("network: conv-small has the published shapes and parameters", "[models]") {
  const auto net = network(conv_small());
  CHECK(net->shapes == Shapes{{1, 28, 28},
                              {32, 32, 32},
                              {32, 16, 16},
                              {64, 14, 14},
                              {64, 16, 16},
                              {64, 8, 8},
                              {128, 6, 6},
                              {10, 6, 6},
                              {10},
                              {10}});
  const int64_t weights = 25 * 32 + 9 * 32 * 64 + 9 * 64 * 64 + 9 * 64 * 128 + 128 * 10 + 10 * 10;
  CHECK(parameter_count(net) == weights + (32 + 64 + 64 + 128 + 10 + 10) + 10 + 10 * 10);
  CHECK(net->has_decoder());
}

TEST_CASE("network: conv-large has the published shapes and parameters", "[models]") {
  const auto net = network(conv_large());
  CHECK(net->shapes == Shapes{{3, 32, 32},
                              {96, 30, 30},
                              {96, 32, 32},
                              {96, 34, 34},
                              {96, 17, 17},
                              {192, 15, 15},
                              {192, 17, 17},
                              {192, 15, 15},
                              {192, 8, 8},
                              {192, 6, 6},
                              {192, 6, 6},
                              {10, 6, 6},
                              {10}});
  const int64_t weights = 9 * (3 * 96 + 96 * 96 * 2 + 96 * 192 + 192 * 192 * 3) + 192 * 192 + 1920;
  // No gamma at the top: ten betas there, and ten numbers a class in the combinator.
  CHECK(parameter_count(net) == weights + 96 * 3 + 192 * 5 + 10 + 10 + 100);
}

TEST_CASE("network: the published topologies train with any lambda, noise and combinator",
          "[models]") {
  torch::manual_seed(1);
  for (auto options : {conv_fc(), conv_small(), conv_large()}) {
    for (auto& layer : options.layers) {
      if (auto* conv = std::get_if<Conv>(&layer)) {
        conv->channels = std::min<int64_t>(conv->channels, 6);
      }
    }
    const auto levels = options.layers.size();
    for (const auto& lambda : {full_lambda(levels, 10, 1, 0.1), bottom_lambda(levels, 5),
                               gamma_lambda(levels, 1), std::vector<double>()}) {
      options.lambda = lambda;
      INFO(levels << " levels, lambda " << lambda.size());
      auto net = network(options);
      const auto batch = batch_for(options);
      NoiseSource noise(1);
      const auto loss = net->loss(batch, noise);
      loss.total.backward();
      CHECK(std::isfinite(loss.total.item<double>()));
      for (const auto& p : net->named_parameters()) {
        INFO(p.key());
        CHECK(p.value().grad().defined());
      }
      net->calibrate(batch.x_unlabeled);
      net->eval();
      CHECK(net->forward(batch.x_labeled).sizes() == at::IntArrayRef({4, net->classes()}));
    }
  }
}

TEST_CASE("network: hands its options to every stage", "[models]") {
  const NetworkOptions options{
      .input_shape = {2, 6, 6},
      .layers = {Conv{3, 3, Border::kSame, 2}, MeanPool{2}, Dense{5}, Dense{3}},
      .noise_std = 0.125,
      .activation = Activation::kLeakyRelu,
      .leaky_slope = 0.25,
      .top_gamma = false};
  auto net = network(options);
  CHECK(net->shapes == Shapes{{2, 6, 6}, {3, 3, 3}, {3, 2, 2}, {5}, {3}});
  int stages = 0;
  net->apply([&](torch::nn::Module& module) {
    if (const auto* norm = dynamic_cast<NoisyNormalizationImpl*>(&module)) {
      ++stages;
      CHECK(norm->options.noise_std == 0.125);
      CHECK(norm->options.leaky_slope == (stages == 2 ? 0.1 : 0.25));
      CHECK(norm->options.activation ==
            (stages % 2 == 1 ? Activation::kLeakyRelu : Activation::kIdentity));
      CHECK_FALSE(norm->options.gamma);
    }
  });
  CHECK(stages == 4);
}

TEST_CASE("network: dense layers are the networks of mlp", "[models]") {
  const MlpOptions dense{.in_features = 7,
                         .layers = {5, 4, 3},
                         .lambda = {2, 1, .5, .1},
                         .input_noise = 0.1,
                         .noise_std = 0.2,
                         .activation = Activation::kTanh};
  const NetworkOptions options = dense;
  CHECK(options.input_shape == std::vector<int64_t>{7});
  CHECK((options.layers == std::vector<Layer>{Dense{5}, Dense{4}, Dense{3}}));
  auto a = network(options);
  auto b = mlp(dense);
  reset_parameters(*a, 3);
  reset_parameters(*b, 3);
  const auto batch = batch_for(options);
  NoiseSource noise(1), again(1);
  require_close(a->loss(batch, noise).total, b->loss(batch, again).total);
}

TEST_CASE("network: layers are readable", "[models]") {
  CHECK(to_string(Layer(Dense{10})) == "dense 10");
  CHECK(to_string(Layer(Conv{32, 5, Border::kFull})) == "conv full 32@5x5");
  CHECK(to_string(Layer(Conv{64, 3, Border::kSame, 2})) == "conv same 64@3x3 / 2");
  CHECK(to_string(Layer(MaxPool{})) == "max pool 2");
  CHECK(to_string(Layer(MeanPool{3})) == "mean pool 3");
  CHECK(to_string(Layer(GlobalMeanPool{})) == "global mean pool");
  const testing::GroupingLocale commas;  // files hold these texts
  CHECK(to_string(Layer(Dense{1200})) == "dense 1200");
  CHECK(to_string(Layer(Conv{1024, 5, Border::kFull})) == "conv full 1024@5x5");
  CHECK((layer_from_string("dense 1200") == Layer(Dense{1200})));
}

TEST_CASE("network: names what does not fit", "[models]") {
  const auto refused = [](std::vector<int64_t> input, std::vector<Layer> layers) {
    return error_text(
        [&] { network({.input_shape = std::move(input), .layers = std::move(layers)}); });
  };
  CHECK(refused({784}, {Dense{5}, Conv{3, 3}, Dense{2}}) ==
        "network: expected feature maps [C, H, W] for conv valid 3@3x3 (layer 2) but got rows of "
        "[5].");
  CHECK(refused({1, 4, 6}, {Conv{3, 5}, GlobalMeanPool{}}) ==
        "network: expected feature maps of at least 5 x 5 for conv valid 3@5x5 (layer 1) but got 4 "
        "x 6.");
  CHECK(refused({1, 4, 6}, {Conv{3, 3}}) ==
        "network: expected a dense layer or a global mean pool at the top but got conv valid "
        "3@3x3.");
  CHECK(refused({1, 4, 6}, {MaxPool{0}, GlobalMeanPool{}}) ==
        "network: expected windows of at least 1 for max pool 0 (layer 1).");
  CHECK(refused({1, 4, 6}, {Conv{0, 3}, GlobalMeanPool{}}) ==
        "network: expected sizes of at least 1 but got [0, 2, 4] from conv valid 0@3x3 (layer 1).");
  CHECK(
      refused({1, 4, 6}, {Conv{2, 3}, Conv{3, 0}, GlobalMeanPool{}}) ==
      "network: expected a kernel and a stride of at least 1 but got conv valid 3@0x0 (layer 2).");
  CHECK(refused({1, 4, 6}, {Conv{3, 3, Border::kValid, 0}, GlobalMeanPool{}}) ==
        "network: expected a kernel and a stride of at least 1 but got conv valid 3@3x3 / 0 (layer "
        "1).");
  CHECK(refused({1, 4, 6}, {MaxPool{}, Conv{3, 2, Border::kSame}, GlobalMeanPool{}}) ==
        "network: expected an odd kernel with a same border but got conv same 3@2x2 (layer 2).");
  CHECK(refused({3, 4, 6}, {Dense{1}}) ==
        "network: expected at least 2 classes but got 1 (from the last layer, dense 1).");
  CHECK(refused({}, {Dense{2}}) ==
        "network: expected the shape of an input row but got an empty input_shape.");
  CHECK(refused({4}, {}) == "network: expected at least one layer but got none.");
  constexpr auto kHuge = std::numeric_limits<int64_t>::max();
  CHECK(refused({1, 4, 6}, {MaxPool{kHuge}, GlobalMeanPool{}}) ==
        "network: expected numbers of at most 1000000000 but got max pool 9223372036854775807 "
        "(layer 1).");
  CHECK(refused({1, 4, 6}, {Conv{2, -kHuge}, GlobalMeanPool{}}) ==
        "network: expected numbers of at most 1000000000 but got conv valid "
        "2@-9223372036854775807x-9223372036854775807 (layer 1).");
  CHECK(refused({0}, {Dense{2}}) ==
        "network: expected sizes of at least 1 but got [0] from input_shape.");
  CHECK(refused({kHuge, kHuge}, {Dense{2}})
            .starts_with("network: expected at most 1e+15 numbers in a row but got sizes "
                         "[9223372036854775807, 9223372036854775807]"));
}

TEST_CASE("layer_shapes refuses the layers that network refuses", "[models]") {
  for (const auto& conv : {Conv{3, 0}, {3, -1}, {3, 3, Border::kValid, 0}, {3, 2, Border::kSame}}) {
    const NetworkOptions options{.input_shape = {1, 4, 6}, .layers = {conv, GlobalMeanPool{}}};
    const auto refused = error_text([&] { network(options); });
    INFO(refused);
    CHECK(refused.ends_with("(layer 1)."));
    CHECK(error_text([&] { layer_shapes(options); }) == refused);
  }
}

TEST_CASE("layer_from_string reads what to_string writes", "[models]") {
  const std::vector<models::Layer> layers = {
      models::Dense{10},
      models::Conv{32, 5, Border::kFull},
      models::Conv{96, 3, Border::kSame, 2},
      models::Conv{1000, 26},
      models::MaxPool{2},
      models::MeanPool{3},
      models::GlobalMeanPool{},
  };
  for (const auto& layer : layers) {
    const auto text = to_string(layer);
    INFO(text);
    CHECK((models::layer_from_string(text) == layer));
  }
  for (const auto* text : {"", "dense", "dense ten", "dense 10 ", "dense 10 20", "conv 32@5x5",
                           "conv valid 32@5x3", "conv odd 32@5x5", "max pool", "pool 2",
                           "min pool 2", "dense10", "conv valid 32@5x5 / 1", "global pool"}) {
    CHECK(
        error_text([&] { models::layer_from_string(text); }) ==
        "layer_from_string: expected a layer like \"dense 10\", \"conv valid 32@5x5\", \"max pool "
        "2\" or \"global mean pool\" but got \"" +
            std::string(text) + "\".");
  }
}
