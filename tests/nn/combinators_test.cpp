#include <torch/torch.h>

#include <sstream>

#include "ladder/nn/direct_combinator.h"
#include "ladder/nn/gaussian_combinator.h"
#include "ladder/nn/vanilla_combinator.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::weighted_sum;

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

TEST_CASE("VanillaCombinator starts at z~ + sigmoid(z~)", "[nn]") {
  VanillaCombinator g(VanillaCombinatorOptions{3});
  const auto z = torch::randn({6, 3});
  require_close(g->forward(z, torch::randn({6, 3})), z + torch::sigmoid(z), 1e-6, 1e-6);
}

TEST_CASE("DirectCombinator scales and shifts u alone", "[nn]") {
  DirectCombinator g(DirectCombinatorOptions{2});
  const auto u = torch::randn({4, 2});
  require_close(g->forward(torch::Tensor(), u), u);
  {
    const torch::NoGradGuard no_grad;
    g->weight[0].fill_(3);
    g->weight[1].fill_(-1);
  }
  require_close(g->forward(torch::Tensor(), u), 3 * u - 1, 1e-6, 1e-6);
}

TEMPLATE_TEST_CASE("Combinator parameters and operands pass central differences", "[nn][grad]",
                   GaussianCombinatorImpl, VanillaCombinatorImpl, DirectCombinatorImpl) {
  torch::manual_seed(1);
  TestType g({.channels = 3});
  g.to(torch::kDouble);
  const auto target = torch::randn({4, 3}, torch::kDouble);
  {
    const torch::NoGradGuard no_grad;
    g.weight.normal_();
  }
  require_gradient(
      [&](const std::vector<torch::Tensor>& in) {
        const auto out = g.denoise(in[0], in[1], ops::DenoisingTarget{target});
        return weighted_sum({out.z_hat}) + out.cost + 0 * in[0].sum();  // Direct ignores in[0]
      },
      {torch::randn({4, 3}, torch::kDouble), torch::randn({4, 3}, torch::kDouble), g.weight});
}

TEMPLATE_TEST_CASE("Combinator state survives clone, dtype and save", "[nn]",
                   GaussianCombinatorImpl, VanillaCombinatorImpl, DirectCombinatorImpl) {
  torch::manual_seed(2);
  const auto g =
      std::make_shared<TestType>(typename std::decay<decltype(TestType::options)>::type{4});
  {
    const torch::NoGradGuard no_grad;
    g->weight.normal_();
  }
  const auto z = torch::randn({5, 4});
  const auto u = torch::randn({5, 4});
  const auto expected = g->forward(z, u);
  const auto copy = std::dynamic_pointer_cast<TestType>(g->clone());
  REQUIRE(copy);
  require_close(copy->forward(z, u), expected);
  std::stringstream stream;
  torch::serialize::OutputArchive out;
  g->save(out);
  out.save_to(stream);
  torch::serialize::InputArchive in;
  in.load_from(stream);
  auto loaded = std::make_shared<TestType>(g->options);
  loaded->load(in);
  require_close(loaded->forward(z, u), expected);
  g->to(torch::kDouble);
  require_close(g->forward(z.to(torch::kDouble), u.to(torch::kDouble)), expected.to(torch::kDouble),
                1e-5, 1e-5);
}

TEST_CASE("Combinators refuse levels without channels", "[nn]") {
  CHECK_THROWS_WITH(GaussianCombinator(GaussianCombinatorOptions{0}),
                    Catch::Contains("GaussianCombinator: expected channels > 0 but got 0"));
  CHECK_THROWS_WITH(VanillaCombinator(VanillaCombinatorOptions{-1}),
                    Catch::Contains("VanillaCombinator: expected channels > 0 but got -1"));
  CHECK_THROWS_WITH(DirectCombinator(DirectCombinatorOptions{0}),
                    Catch::Contains("DirectCombinator: expected channels > 0 but got 0"));
}
