#include "ladder/nn/maps/transposed_map.h"

#include <torch/torch.h>

#include <cmath>
#include <sstream>

#include "ladder/nn/ladder.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/nn/stages/noisy_stage.h"
#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/networks.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::conv;
using ladder::testing::error_text;
using ladder::testing::loss_of;
using ladder::testing::require_close;
using ladder::testing::require_rounded;

TEST_CASE("TransposedMap goes back through convolutions of any geometry", "[nn]") {
  torch::manual_seed(7);
  // y = <conv(x), v> is linear in x with gradient transposed(v).
  for (const auto stride : {1, 2, 3}) {
    for (const auto padding : {0, 1, 3}) {
      for (const auto dilation : {1, 2}) {
        for (const auto length : {9, 10, 11}) {
          INFO("stride " << stride << ", padding " << padding << ", dilation " << dilation << " on "
                         << length);
          const auto options = torch::nn::Conv1dOptions(4, 6, 3)
                                   .stride(stride)
                                   .padding(padding)
                                   .dilation(dilation)
                                   .groups(2)
                                   .bias(false);
          torch::nn::Conv1d convolution(options);
          auto x = torch::zeros({3, 4, length}).requires_grad_();
          const auto y = convolution->forward(x);
          auto vertical = transposed_vertical(options)(x.sizes().slice(1), y.sizes().slice(1));
          vertical.ptr()->parameters()[0].set_data(convolution->weight.data());
          const auto v = torch::randn_like(y);
          const auto back = vertical.forward<torch::Tensor>(v);
          convolution->to(torch::kDouble);
          require_rounded({back}, [&] {
            const auto in = x.detach().to(torch::kDouble).requires_grad_();
            (convolution->forward(in) * v.to(torch::kDouble)).sum().backward();
            return std::vector{in.grad()};
          });
        }
      }
    }
  }
  const auto even = torch::nn::Conv2dOptions(2, 3, {2, 4}).padding(torch::kSame).bias(false);
  auto vertical = transposed_vertical(even)({2, 5, 6}, {3, 5, 6});
  CHECK(vertical.forward<torch::Tensor>(torch::randn({2, 3, 5, 6})).sizes() ==
        at::IntArrayRef({2, 2, 5, 6}));
}

TEST_CASE("TransposedMap goes back through a convolution of volumes", "[nn]") {
  torch::manual_seed(8);
  const auto options = torch::nn::Conv3dOptions(2, 4, 3).stride(2).padding(1).groups(2).bias(false);
  torch::nn::Conv3d convolution(options);
  const auto x = torch::zeros({3, 2, 5, 6, 4});
  const auto y = convolution->forward(x);
  auto vertical = transposed_vertical(options)(x.sizes().slice(1), y.sizes().slice(1));
  vertical.ptr()->parameters()[0].set_data(convolution->weight.data());
  const auto v = torch::randn_like(y);
  const auto back = vertical.forward<torch::Tensor>(v);
  CHECK(back.sizes() == x.sizes());
  convolution->to(torch::kDouble);
  require_rounded({back}, [&] {  // the gradient of <conv(x), v>
    const auto in = x.to(torch::kDouble).requires_grad_();
    (convolution->forward(in) * v.to(torch::kDouble)).sum().backward();
    return std::vector{in.grad()};
  });
}

TEST_CASE("TransposedMap is the way back of a NoisyStage around a convolution", "[nn]") {
  const auto conv = torch::nn::Conv1dOptions(3, 16, 5).stride(2).bias(false);
  const NoisyStage stage(
      torch::nn::AnyModule(torch::nn::Conv1d(conv)),
      NoisyStageOptions{.normalization = {.channels = 16}, .vertical = transposed_vertical(conv)});
  const NoisyBatchNormLinear top(
      NoisyBatchNormLinearOptions{.in_features = 16 * 4, .out_features = 2, .softmax_top = true});
  Ladder net(LadderOptions{.input_shape = {3, 12}, .lambda = {1, 1, 1}}, Stages{stage, top});
  const auto loss = loss_of(
      net, SemiBatch{torch::randn({6, 3, 12}), torch::arange(6) % 2, torch::randn({7, 3, 12})});
  CHECK(std::isfinite(loss.total.item<double>()));
  CHECK(net->named_parameters()["decoder.verticals.0.weight"].sizes() ==
        at::IntArrayRef({16, 3, 5}));
}

TEST_CASE("TransposedMap draws uniform weights from a stream and keeps its state", "[nn]") {
  const TransposedMapOptions options{.in_channels = 20,
                                     .out_channels = 60,
                                     .kernel = {7},
                                     .stride = {1},
                                     .padding = {0},
                                     .dilation = {1},
                                     .groups = 2,
                                     .out_size = {9}};
  TransposedMap map(options);
  reset_parameters(*map, 7);
  const double bound = std::sqrt(3.0 / 70);
  CHECK(map->weight.abs().max().item<double>() <= bound);
  // The variance of n uniform numbers deviates by sqrt(0.8 / n) of itself; five of those.
  CHECK(map->weight.var().item<double>() ==
        Approx(1.0 / 70).epsilon(5 * std::sqrt(0.8 / static_cast<double>(map->weight.numel()))));
  TransposedMap other(options);
  CHECK_FALSE(torch::equal(map->weight, other->weight));
  reset_parameters(*other, 7);
  CHECK(torch::equal(map->weight, other->weight));
  const auto copy = std::dynamic_pointer_cast<TransposedMapImpl>(map->clone());
  const auto x = torch::randn({2, 20, 3});
  require_close(copy->forward(x), map->forward(x));
  std::stringstream stream;
  torch::save(map, stream);
  TransposedMap loaded(options);
  torch::load(loaded, stream);
  require_close(loaded->forward(x), map->forward(x));

  CHECK(error_text([&] {
          map->forward(torch::ones({2, 3, 4}));
        }) ==
        "TransposedMap: expected an input of 20 channels and 1 dimension but got one of shape "
        "[2, 3, 4].");
  CHECK(error_text([&] {
          auto odd = options;
          odd.groups = 3;
          TransposedMap{odd};
        }) ==
        "TransposedMap: expected in_channels and out_channels that the groups divide but got 20 "
        "and 60 in 3 groups.");
  CHECK(error_text([&] {
          auto flat = options;
          flat.out_size = {9, 9};
          TransposedMap{flat};
        }) ==
        "TransposedMap: expected a stride, padding, dilation and out_size for each of 1 dimensions "
        "but got [9, 9].");
}

TEST_CASE("TransposedMap refuses another type and changed options", "[nn]") {
  TransposedMap map(TransposedMapOptions{.in_channels = 2,
                                         .out_channels = 3,
                                         .kernel = {3},
                                         .stride = {1},
                                         .padding = {0},
                                         .dilation = {1},
                                         .out_size = {6}});
  const auto run = [&](const torch::Tensor& x) { return error_text([&] { map->forward(x); }); };
  CHECK(run(torch::ones({1, 2, 4})) == "(no error)");
  CHECK(run(torch::ones({1, 2, 4}, torch::kDouble)) ==
        "TransposedMap: expected an input in Float on cpu like its weight but got Double on cpu.");
  CHECK(
      run(torch::ones({2, 4})) ==
      "TransposedMap: expected an input of 2 channels and 1 dimension but got one of shape [2, 4] "
      "(one row needs a batch dimension: unsqueeze(0)).");
  map->options.stride = {};
  CHECK(run(torch::ones({1, 2, 4})) ==
        "TransposedMap: expected the options that it was built with but got changed ones (options "
        "are "
        "fixed at construction: build another TransposedMap).");
}
