#include "ladder/nn/combinators/vanilla_combinator.h"

#include <torch/torch.h>

#include <string>
#include <vector>

#include "tests/nn/combinators/operands.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::normals;
using ladder::testing::perturbed;
using ladder::testing::require_close;
using ladder::testing::roundings;

namespace {

using Strings = std::vector<std::string>;

VanillaCombinator vanilla_combinator(VanillaCombinatorOptions options) {
  return perturbed(VanillaCombinator(options));
}

}  // namespace

TEST_CASE("VanillaCombinator starts at z~ + sigmoid(z~)", "[nn]") {
  VanillaCombinator g(VanillaCombinatorOptions{3});
  const auto z = torch::randn({6, 3});
  require_close(g->forward(z, torch::randn({6, 3})), z + torch::sigmoid(z),
                roundings(8, torch::kFloat, z.abs() + 1));
}

TEST_CASE("VanillaCombinator reversed starts at u + sigmoid(u)", "[nn]") {
  VanillaCombinator g(VanillaCombinatorOptions{.channels = 3, .init = VanillaInit::kReversed});
  const auto u = torch::randn({6, 3});
  require_close(g->forward(torch::randn({6, 3}), u), u + torch::sigmoid(u),
                roundings(8, torch::kFloat, u.abs() + 1));
}

TEST_CASE("VanillaCombinator is its formula, whatever terms are left", "[nn]") {
  torch::manual_seed(3);
  const auto z = normals(6, 3);
  const auto u = normals(6, 3);
  const auto s = [](const torch::Tensor& x) { return torch::sigmoid(x); };
  {
    auto g = vanilla_combinator({.channels = 3});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0z", "w0u", "w0zu", "ws", "b1", "w1z", "w1u", "w1zu"});
    require_close(g->forward(z, u), w[0] + w[1] * z + w[2] * u + w[3] * z * u +
                                        w[4] * s(w[5] + w[6] * z + w[7] * u + w[8] * z * u));
  }
  {
    auto g = vanilla_combinator({.channels = 3, .lateral = false});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0u", "ws", "b1", "w1u"});
    require_close(g->forward(z, u), w[0] + w[1] * u + w[2] * s(w[3] + w[4] * u));
    require_close(g->forward(z + 1, u), g->forward(z, u));
  }
  {
    auto g = vanilla_combinator({.channels = 3, .sigmoid = false});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0z", "w0u", "w0zu"});
    require_close(g->forward(z, u), w[0] + w[1] * z + w[2] * u + w[3] * z * u);
  }
  {
    auto g = vanilla_combinator({.channels = 3, .cross_term = false});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0z", "w0u", "ws", "b1", "w1z", "w1u"});
    require_close(g->forward(z, u),
                  w[0] + w[1] * z + w[2] * u + w[3] * s(w[4] + w[5] * z + w[6] * u));
  }
  {
    auto g = vanilla_combinator({.channels = 3, .sigmoid = false, .cross_term = false});
    const auto w = g->weight.unbind(0);
    CHECK(g->terms() == Strings{"b0", "w0z", "w0u"});
    require_close(g->forward(z, u), w[0] + w[1] * z + w[2] * u);
  }
  {
    auto g = vanilla_combinator({.channels = 3, .lateral = false, .sigmoid = false});
    CHECK(g->terms() == Strings{"b0", "w0u"});
    require_close(g->forward(z, u), g->weight[0] + g->weight[1] * u);
  }
}

TEST_CASE("VanillaCombinator's start keeps to the terms that are left", "[nn]") {
  const auto u = torch::randn({6, 3});
  VanillaCombinator linear(
      VanillaCombinatorOptions{.channels = 3, .sigmoid = false, .cross_term = false});
  const auto z = torch::randn({6, 3});
  require_close(linear->forward(z, u), z);
  VanillaCombinator blind(VanillaCombinatorOptions{.channels = 3, .lateral = false});
  require_close(blind->forward(z, u), torch::full({6, 3}, 0.5), roundings(8, torch::kFloat));
  VanillaCombinator reversed(VanillaCombinatorOptions{
      .channels = 3, .init = VanillaInit::kReversed, .lateral = false, .sigmoid = false});
  require_close(reversed->forward(z, u), u);
}

TEST_CASE("VanillaCombinator draws its random start from the stream, its others draw nothing",
          "[nn]") {
  VanillaCombinator g(
      VanillaCombinatorOptions{.channels = 20000, .init = VanillaInit::kRandom, .init_std = 0.3});
  reset_parameters(*g, 5);
  // Six deviations of the mean and of the deviation of 20,000 normals.
  CHECK(g->weight.mean(1).abs().max().item<double>() < 6 * 0.3 / std::sqrt(20000));
  CHECK((g->weight.std(1) - 0.3).abs().max().item<double>() < 6 * 0.3 / std::sqrt(40000));
  const auto first = g->weight.detach().clone();
  reset_parameters(*g, 6);
  CHECK_FALSE(torch::equal(g->weight, first));
  reset_parameters(*g, 5);
  CHECK(torch::equal(g->weight, first));

  for (const auto init : {VanillaInit::kPublished, VanillaInit::kReversed}) {
    VanillaCombinator constant(VanillaCombinatorOptions{.channels = 4, .init = init});
    const auto start = constant->weight.detach().clone();
    {
      const torch::NoGradGuard no_grad;
      constant->weight.normal_();
    }
    NoiseSource source(1);
    constant->reset_parameters(source);
    CHECK(source.offset() == 0);
    CHECK(torch::equal(constant->weight, start));
  }
}
