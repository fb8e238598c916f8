#include "ladder/nn/stages/noisy_mean_pool.h"

#include <torch/torch.h>

#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::mean_pool;
using ladder::testing::normalised;
using ladder::testing::require_rounded;
using ladder::testing::row_after;
using ladder::testing::Shape;

TEST_CASE("NoisyMeanPool takes means of windows cut at the edge", "[nn]") {
  const auto x = torch::arange(15, torch::kFloat).reshape({1, 1, 3, 5}).repeat({2, 1, 1, 1});
  const auto rows = Pass::clean(2, Statistics::kBatch);
  const auto mean = torch::tensor({3., 5., 6.5, 10.5, 12.5, 14.}).reshape({1, 1, 2, 3});
  require_rounded({mean_pool(1)->forward(x, rows).h}, [&] {
    return std::vector{normalised(mean.to(torch::kDouble).repeat({2, 1, 1, 1}))};
  });
  CHECK(row_after(*mean_pool(2, 3), {2, 7, 2}) == Shape{2, 3, 1});
}
