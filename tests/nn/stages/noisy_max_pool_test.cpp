#include "ladder/nn/stages/noisy_max_pool.h"

#include <torch/torch.h>

#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::max_pool;
using ladder::testing::normalised;
using ladder::testing::require_rounded;
using ladder::testing::row_after;
using ladder::testing::Shape;

TEST_CASE("NoisyMaxPool takes maxima of windows cut at the edge", "[nn]") {
  const auto x = torch::arange(15, torch::kFloat).reshape({1, 1, 3, 5}).repeat({2, 1, 1, 1});
  const auto rows = Pass::clean(2, Statistics::kBatch);
  const auto max = torch::tensor({6, 8, 9, 11, 13, 14}, torch::kFloat).reshape({1, 1, 2, 3});
  require_rounded({max_pool(1)->forward(x, rows).h}, [&] {
    return std::vector{normalised(max.to(torch::kDouble).repeat({2, 1, 1, 1}))};
  });
  CHECK(row_after(*max_pool(2), {2, 15, 16}) == Shape{2, 8, 8});
}
