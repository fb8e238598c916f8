#include "ladder/ops/corrupt.h"

#include <torch/torch.h>

#include <cmath>
#include <string>

#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using ladder::NoiseDraw;
using ladder::testing::error_text;
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

TEST_CASE("stack_corrupted names parts and noise that do not fit", "[ops]") {
  using ladder::ops::stack_corrupted;
  const NoiseDraw draw{.seed = 1, .offset = 2, .values = {}};
  const auto a = torch::ones({2, 3, 4});
  const auto error = [&](const torch::Tensor& part, double noise_std) {
    return error_text([&] { stack_corrupted({a}, {part}, noise_std, draw); });
  };
  const std::string expected =
      "stack_corrupted: expected rows of shape [3, 4] in Float on cpu like the first ones but got ";
  for (const double noise_std : {0.0, 0.3}) {
    CHECK(error(torch::ones({2, 3, 4}, torch::kDouble), noise_std) ==
          expected + "[3, 4] in Double on cpu.");
    CHECK(error(torch::ones({2, 4, 3}), noise_std) == expected + "[4, 3] in Float on cpu.");
    CHECK(error(torch::ones({2, 3, 4}, torch::kMeta), noise_std) ==
          expected + "[3, 4] in Float on meta.");
    CHECK_THAT(error(torch::ones({}), noise_std),
               Catch::StartsWith("stack_corrupted: expected rows [R, ...] but got "));
    CHECK_THAT(error({}, noise_std),
               Catch::StartsWith("stack_corrupted: expected rows [R, ...] but got "));
  }
  CHECK(error(a, -0.3) == "stack_corrupted: expected a finite noise_std >= 0 but got -0.3.");
  CHECK(error(a, std::nan("")) == "stack_corrupted: expected a finite noise_std >= 0 but got nan.");
  CHECK(error(a, INFINITY) == "stack_corrupted: expected a finite noise_std >= 0 but got inf.");
  CHECK(error_text([&] { stack_corrupted({}, {}, 0, draw); }) ==
        "stack_corrupted: expected at least one tensor.");
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
