#include "ladder/nn/combinators/gaussian_combinator.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::gamma;
using ladder::testing::require_close;
using ladder::testing::roundings;

TEST_CASE("GaussianCombinator starts at z^ = 0", "[nn]") {
  GaussianCombinator g(GaussianCombinatorOptions{5});
  const auto z = torch::randn({7, 5});
  require_close(g->forward(z, torch::randn({7, 5})), torch::zeros({7, 5}));
}

TEST_CASE("GaussianCombinator holds the optimal denoiser of a Gaussian", "[nn]") {
  // z ~ N(0, 1), noise 0.5: the best guess is z~ / 1.25, mean 0 and v = 1 / (1 + 0.25).
  GaussianCombinator g(GaussianCombinatorOptions{1});
  const torch::NoGradGuard no_grad;
  g->weight[9][0] = 1 / 1.25;
  const auto z = torch::randn({9, 1});
  require_close(g->forward(z, torch::randn({9, 1})), z / 1.25, roundings(4, torch::kFloat));
}

TEST_CASE("GaussianCombinator with a sigmoid starts at z~ / 2 and keeps v in 0..1", "[nn]") {
  torch::manual_seed(1);
  GaussianCombinator g(GaussianCombinatorOptions{.channels = 5, .sigmoid_v = true});
  const auto z = torch::randn({7, 5});
  require_close(g->forward(z, torch::randn({7, 5})), z / 2, roundings(8, torch::kFloat));
  const torch::NoGradGuard no_grad;
  g->weight.normal_(0, 5);
  const auto u = torch::randn({7, 5});
  const auto v = g->forward(z + 1, u) - g->forward(z, u);  // z^ is affine in z~ with slope v
  // z^ = v z~ + (1 - v) mu, of a handful of operations on values up to those of mu.
  const double mu = 5 * 4 * (1 + u.abs().max().item<double>() * 5 * 4);
  const double rounding = gamma(32, torch::kFloat) * mu;
  CHECK(v.min().item<double>() >= -rounding);
  CHECK(v.max().item<double>() <= 1 + rounding);
  CHECK(v.std().item<double>() > 0.1);
}
