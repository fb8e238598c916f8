#include "ladder/nn/maps/upsample_map.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::gamma;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::roundings;
using ladder::testing::weighted_sum;

TEST_CASE("UpsampleMap of a padded pooling begins within its first window", "[nn]") {
  // Windows of 3 in steps of 2 over 5 columns with a border of 1 begin at -1, 1 and 3.
  UpsampleMap map(UpsampleMapOptions{.scale = {1, 2}, .out_size = {1, 5}, .padding = {0, 1}});
  const auto x = torch::tensor({1.0, 2.0, 3.0}).reshape({1, 1, 1, 3});
  require_close(map->forward(x), torch::tensor({1.0, 2.0, 2.0, 3.0, 3.0}).reshape({1, 1, 1, 5}));
  CHECK_THROWS_WITH(
      UpsampleMap(UpsampleMapOptions{.padding = {0, -1}}),
      Catch::Contains("UpsampleMap: expected a padding of at least 0 but got [0, -1]."));
}

TEST_CASE("UpsampleMap repeats the nearest value and crops", "[nn]") {
  UpsampleMap map(UpsampleMapOptions{.scale = {2, 3}, .out_size = {3, 7}});
  const auto x = torch::arange(6, torch::kFloat).reshape({1, 1, 2, 3});
  const auto expected =
      torch::tensor({0, 0, 0, 1, 1, 1, 2, 0, 0, 0, 1, 1, 1, 2, 3, 3, 3, 4, 4, 4, 5}, torch::kFloat)
          .reshape({1, 1, 3, 7});
  require_close(map->forward(x), expected);
  const auto rows = torch::randn({2, 4});
  require_close(map->forward(rows), rows.reshape({2, 4, 1, 1}).repeat({1, 1, 3, 7}));
  torch::manual_seed(6);
  // Windows that the map is cut to, some that lie beyond it, and some that begin before it.
  for (const auto& options :
       {map->options, UpsampleMapOptions{.scale = {1, 2}, .out_size = {1, 3}},
        UpsampleMapOptions{.scale = {2, 2}, .out_size = {3, 4}, .padding = {1, 1}}}) {
    require_gradient(
        [&](const std::vector<torch::Tensor>& in) {
          return weighted_sum({UpsampleMap(options)->forward(in[0])});
        },
        {torch::randn({2, 2, 2, 3}, torch::kDouble)});
  }
  const auto maps = torch::randn({2, 2, 2, 3}).requires_grad_();
  const auto squares = map->forward(maps).pow(2).sum();
  const auto grad = torch::autograd::grad({squares}, {maps}, {}, true, true)[0];
  const auto of_grad = torch::autograd::grad({grad.sum()}, {maps})[0];
  // Twice how often each is repeated; the gradient adds up as many terms as there are positions.
  require_close(of_grad, (grad / maps).detach(), roundings(3 * 7 + 2, torch::kFloat));
  CHECK(std::dynamic_pointer_cast<UpsampleMapImpl>(map->clone())->options.out_size ==
        map->options.out_size);
}

TEST_CASE("UpsampleMap takes signals as maps of one row", "[nn]") {
  auto vertical = make_pooling_vertical({2, 7}, {1, 3});
  const auto x = torch::randn({4, 2, 3});
  const auto expected = x.index_select(2, torch::tensor({0, 0, 0, 1, 1, 1, 2}));
  require_close(vertical.forward<torch::Tensor>(x), expected);
  CHECK(make_pooling_vertical({2, 7}, {1, 7})
            .forward<torch::Tensor>(torch::randn({4, 2, 1}))
            .sizes() == at::IntArrayRef({4, 2, 7}));
}

TEST_CASE("UpsampleMap refuses changed options", "[nn]") {
  UpsampleMap map(UpsampleMapOptions{.scale = {2, 2}, .out_size = {4, 4}});
  map->options.scale = {0, 0};
  CHECK(
      error_text([&] {
        map->forward(torch::ones({1, 2, 2, 2}));
      }) ==
      "UpsampleMap: expected the options that it was built with but got changed ones (options are "
      "fixed at construction: build another UpsampleMap).");
}
