#include "ladder/nn/combinators/gaussian_combinator.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::require_close;

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
  require_close(g->forward(z, torch::randn({9, 1})), z / 1.25, 1e-6);
}

TEST_CASE("GaussianCombinator with a sigmoid starts at z~ / 2 and keeps v in 0..1", "[nn]") {
  torch::manual_seed(1);
  GaussianCombinator g(GaussianCombinatorOptions{.channels = 5, .sigmoid_v = true});
  const auto z = torch::randn({7, 5});
  require_close(g->forward(z, torch::randn({7, 5})), z / 2, 1e-6, 1e-6);
  const torch::NoGradGuard no_grad;
  g->weight.normal_(0, 5);
  const auto u = torch::randn({7, 5});
  const auto v = g->forward(z + 1, u) - g->forward(z, u);  // z^ is affine in z~ with slope v
  CHECK(v.min().item<double>() >= -1e-4);
  CHECK(v.max().item<double>() <= 1 + 1e-4);
  CHECK(v.std().item<double>() > 0.1);
}
