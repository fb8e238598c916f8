#include "ladder/ops/corrupt.h"

#include <torch/torch.h>

#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using ladder::NoiseDraw;
using ladder::testing::require_close;
using ladder::testing::roundings;

TEST_CASE("stack_corrupted stacks noisy rows before clean ones", "[ops]") {
  const auto a = torch::rand({2, 3, 4});
  const auto b = torch::rand({5, 3, 4});
  const NoiseDraw draw{.seed = 1, .offset = 2, .values = {}};
  const auto stacked = ladder::ops::stack_corrupted({a, b}, {b}, 0.3, draw);
  const auto noise = ladder::ops::standard_normal(draw, 7, 12, torch::kFloat) * 0.3;
  const auto rows = torch::cat({a, b});
  const auto added = noise.reshape({7, 3, 4});
  require_close(stacked.narrow(0, 0, 7), rows + added,
                roundings(4, torch::kFloat, rows.abs() + added.abs()));
  CHECK(torch::equal(stacked.narrow(0, 7, 5), b));
}

TEST_CASE("stack_corrupted without noise is a plain stack", "[ops]") {
  const auto a = torch::rand({2, 3});
  CHECK(torch::equal(ladder::ops::stack_corrupted({a}, {a}, 0, {}), torch::cat({a, a})));
}

TEST_CASE("add_noise uses given draws and lets gradients through", "[ops][grad]") {
  const auto x = torch::rand({3, 2}, torch::kDouble).requires_grad_();
  const auto n = torch::randn({3, 2}, torch::kDouble);
  const auto y = ladder::ops::add_noise(x, 0.5, NoiseDraw{.values = n});
  require_close(y, x + 0.5 * n);
  y.sum().backward();
  require_close(x.grad(), torch::ones({3, 2}, torch::kDouble));
  const auto fused = ladder::ops::add_noise(x.detach(), 0.5, NoiseDraw{.values = n});
  require_close(fused, y);
}

TEST_CASE("add_noise names rows and noise that do not fit", "[ops]") {
  using ladder::ops::add_noise;
  const NoiseDraw draw{.seed = 1, .offset = 2, .values = {}};
  CHECK_THROWS_WITH(add_noise(torch::ones({4, 3}, torch::kLong), 1, draw),
                    Catch::Contains("expected rows of floating numbers to add noise to"));
  for (const bool gradient : {false, true}) {
    CHECK_THROWS_WITH(add_noise(torch::ones({4, 3}).requires_grad_(gradient), 0.3,
                                NoiseDraw{.values = torch::randn({2, 3})}),
                      Catch::Contains("expected noise of 4 rows of 3 values but got [2, 3]."));
  }
  CHECK(add_noise(torch::ones({4, 0}), 0.3, draw).sizes() == at::IntArrayRef({4, 0}));
}
