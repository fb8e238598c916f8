#include "ladder/nn/maps/dense_map.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::require_close;

TEST_CASE("DenseMap flattens rows and gives them the shape it is told", "[nn]") {
  torch::manual_seed(7);
  DenseMap map(DenseMapOptions{.in_features = 6, .out_features = 4, .out_shape = {2, 2}});
  const auto x = torch::randn({3, 2, 3});
  require_close(map->forward(x), torch::linear(x.flatten(1), map->weight).reshape({3, 2, 2}), 1e-5,
                1e-6);
  CHECK_THROWS_WITH(
      DenseMap(DenseMapOptions{.in_features = 6, .out_features = 4, .out_shape = {3}}),
      Catch::Contains("expected an out_shape of 4 values but got [3]"));
}
