#include "ladder/nn/maps/dense_map.h"

#include <torch/torch.h>

#include <vector>

#include "tests/nn/maps/map_state.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::require_gradient;
using ladder::testing::require_map_state;
using ladder::testing::require_rounded;
using ladder::testing::weighted_sum;

TEST_CASE("DenseMap flattens rows and gives them the shape it is told", "[nn]") {
  torch::manual_seed(7);
  DenseMap map(DenseMapOptions{.in_features = 6, .out_features = 4, .out_shape = {2, 2}});
  const auto x = torch::randn({3, 2, 3});
  require_rounded({map->forward(x)}, [&] {
    const auto y = torch::linear(x.flatten(1).to(torch::kDouble), map->weight.to(torch::kDouble));
    return std::vector{y.reshape({3, 2, 2})};
  });
  CHECK_THROWS_WITH(
      DenseMap(DenseMapOptions{.in_features = 6, .out_features = 4, .out_shape = {3}}),
      Catch::Contains("expected an out_shape of 4 values but got [3]"));
}

TEST_CASE("DenseMap passes central differences", "[nn][grad]") {
  torch::manual_seed(8);
  DenseMap map(DenseMapOptions{.in_features = 6, .out_features = 4, .out_shape = {2, 2}});
  map->to(torch::kDouble);
  require_gradient(
      [&](const std::vector<torch::Tensor>& in) { return weighted_sum({map->forward(in[0])}); },
      {torch::randn({3, 2, 3}, torch::kDouble), map->weight});
}

TEST_CASE("DenseMap keeps its state when it is cloned, saved, moved and put into eval mode",
          "[nn]") {
  torch::manual_seed(9);
  const DenseMapOptions options{.in_features = 6, .out_features = 4, .out_shape = {2, 2}};
  require_map_state<DenseMap>(options, torch::randn({3, 6}));
}

TEST_CASE("DenseMap names what does not fit", "[nn]") {
  DenseMap map(DenseMapOptions{.in_features = 6, .out_features = 4});
  const auto run = [&](const torch::Tensor& x) { return error_text([&] { map->forward(x); }); };
  CHECK(
      run(torch::ones({6})) ==
      "DenseMap: expected rows of 6 features but got an input of shape [6] (one row needs a batch "
      "dimension: unsqueeze(0)).");
  CHECK(run(torch::ones({2, 5})) ==
        "DenseMap: expected rows of 6 features but got an input of shape [2, 5].");
  CHECK(run(torch::ones({2, 6}, torch::kDouble)) ==
        "DenseMap: expected an input in Float on cpu like its weight but got Double on cpu.");
  map->options.out_shape = {2, 2};
  CHECK(run(torch::ones({2, 6})) ==
        "DenseMap: expected the options that it was built with but got changed ones (options are "
        "fixed at construction: build another DenseMap).");
}
