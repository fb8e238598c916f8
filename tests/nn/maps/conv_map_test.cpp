#include "ladder/nn/maps/conv_map.h"

#include <torch/torch.h>

#include <vector>

#include "tests/nn/feature_maps.h"
#include "tests/nn/maps/map_state.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::conv;
using ladder::testing::error_text;
using ladder::testing::require_gradient;
using ladder::testing::require_map_state;
using ladder::testing::require_rounded;
using ladder::testing::weighted_sum;

TEST_CASE("ConvMap is the gradient of the convolution it goes back through", "[nn]") {
  torch::manual_seed(5);
  auto stage = conv(2, 3, 3, Border::kSame, 2);
  auto vertical = stage->make_vertical({2, 7, 6}, {3, 4, 3});
  const auto weight = vertical.ptr()->parameters()[0];
  const auto y = torch::randn({4, 3, 4, 3});
  const auto x = torch::zeros({4, 2, 7, 6}).requires_grad_();
  require_rounded({vertical.forward<torch::Tensor>(y)}, [&] {
    const auto in = x.detach().to(torch::kDouble).requires_grad_();
    const auto out = torch::conv2d(in, weight.detach().to(torch::kDouble), {}, 2, 1);
    (out * y.to(torch::kDouble)).sum().backward();
    return std::vector{in.grad()};
  });
}

TEST_CASE("ConvMap passes central differences", "[nn][grad]") {
  torch::manual_seed(6);
  for (const int64_t stride : {1, 2}) {
    INFO("stride " << stride);
    const ops::ConvolveGeometry geometry{.stride = {stride, stride}, .padding = {1, 1}};
    ConvMap map(ConvMapOptions{.in_channels = 2,
                               .out_channels = 3,
                               .kernel = {3, 3},
                               .geometry = geometry,
                               .out_size = {6, 5}});
    map->to(torch::kDouble);
    const auto size = ops::convolved_size({6, 5}, {3, 3}, geometry);
    require_gradient(
        [&](const std::vector<torch::Tensor>& in) { return weighted_sum({map->forward(in[0])}); },
        {torch::randn({2, 2, size[0], size[1]}, torch::kDouble), map->weight});
  }
}

TEST_CASE("ConvMap keeps its state when it is cloned, saved, moved and put into eval mode",
          "[nn]") {
  torch::manual_seed(7);
  const ConvMapOptions options{
      .in_channels = 2, .out_channels = 3, .kernel = {3, 3}, .out_size = {6, 6}};
  require_map_state<ConvMap>(options, torch::randn({4, 2, 4, 4}));
}

TEST_CASE("ConvMap names what does not fit", "[nn]") {
  ConvMap map(
      ConvMapOptions{.in_channels = 2, .out_channels = 3, .kernel = {3, 3}, .out_size = {6, 6}});
  const auto run = [&](const torch::Tensor& x) { return error_text([&] { map->forward(x); }); };
  CHECK(run(torch::ones({2, 4, 4})) ==
        "ConvMap: expected feature maps of 2 channels but got an input of shape [2, 4, 4] (one row "
        "needs a batch dimension: unsqueeze(0)).");
  CHECK(run(torch::ones({1, 2, 4, 4}, torch::kDouble)) ==
        "ConvMap: expected an input in Float on cpu like its weight but got Double on cpu.");
  CHECK(run(torch::ones({1, 2, 4, 4})) == "(no error)");
  map->options.out_size = {7, 7};
  CHECK(run(torch::ones({1, 2, 4, 4})) ==
        "ConvMap: expected the options that it was built with but got changed ones (options are "
        "fixed at construction: build another ConvMap).");
}
