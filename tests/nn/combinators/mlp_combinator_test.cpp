#include "ladder/nn/combinators/mlp_combinator.h"

#include <torch/torch.h>

#include "tests/nn/combinators/operands.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::normals;
using ladder::testing::perturbed;
using ladder::testing::require_close;
using ladder::testing::require_rounded;
using ladder::testing::roundings;

TEST_CASE("MlpCombinator is the network of its parameters, on known numbers", "[nn]") {
  MlpCombinator g(MlpCombinatorOptions{.channels = 1, .hidden = {2}, .augmented = true});
  {
    const torch::NoGradGuard no_grad;  // two units on [u, z~, u z~], their biases, the output
    g->weight.copy_(
        torch::tensor({0.5, 1.0, -2.0, -1.0, 0.25, 0.0, 0.1, -0.3, 2.0, -4.0, 0.7}).view({11, 1}));
  }
  const auto expected = [](double z, double u) {
    const auto leaky = [](double x) { return x > 0 ? x : 0.1 * x; };
    const double first = leaky(0.5 * u + z - 2 * u * z + 0.1);
    const double second = leaky(-u + 0.25 * z - 0.3);
    return 2 * first - 4 * second + 0.7;
  };
  const auto out = g->forward(torch::tensor({{0.4F}, {-1.0F}, {2.0F}}),
                              torch::tensor({{1.0F}, {0.5F}, {-3.0F}}));
  const auto exact = torch::tensor(
      {{expected(0.4, 1.0)}, {expected(-1.0, 0.5)}, {expected(2.0, -3.0)}}, torch::kDouble);
  // Terms of up to 4 (|u| + |z~| + 2 |u z~|), with some ten roundings on the way.
  require_close(out.to(torch::kDouble), exact, roundings(16, torch::kFloat, 4.0 * (3 + 2 + 12)));
}

TEST_CASE("MlpCombinator gives each unit a network of its own", "[nn]") {
  torch::manual_seed(4);
  for (const bool augmented : {false, true}) {
    for (const std::vector<int64_t>& hidden :
         {std::vector<int64_t>{}, {4}, {2, 2}, {2, 2, 2}, {3, 1, 5}, {20, 30}}) {
      INFO(hidden.size() << " hidden layers, augmented " << augmented);
      auto g = perturbed(MlpCombinator(
          MlpCombinatorOptions{.channels = 3, .hidden = hidden, .augmented = augmented}));
      const auto z = normals(6, 3);
      const auto u = normals(6, 3);
      require_rounded({g->forward(z, u)}, [&] {
        std::vector<torch::Tensor> columns;
        for (int64_t c = 0; c < 3; ++c) {
          std::vector<torch::Tensor> inputs = {u.select(1, c), z.select(1, c)};
          if (augmented) {
            inputs.push_back(u.select(1, c) * z.select(1, c));
          }
          auto h = torch::stack(inputs, 1);  // [6, in]
          const auto w = g->weight.select(1, c);
          int64_t row = 0;
          const auto linear = [&](int64_t units) {
            const auto in = h.size(1);
            const auto matrix = w.narrow(0, row, units * in).reshape({units, in});
            const auto bias = w.narrow(0, row + units * in, units);
            row += units * (in + 1);
            return torch::linear(h, matrix, bias);
          };
          for (const auto units : hidden) {
            h = torch::leaky_relu(linear(units), 0.1);
          }
          columns.push_back(linear(1).squeeze(1));
          CHECK(row == g->weight.size(0));
        }
        return std::vector{torch::stack(columns, 1)};
      });
    }
  }
}

TEST_CASE("MlpCombinator draws N(0, init_std^2) from the stream", "[nn]") {
  MlpCombinator g(MlpCombinatorOptions{.channels = 20000, .init_std = 0.025});
  CHECK(g->weight.sizes() == at::IntArrayRef({23, 20000}));
  reset_parameters(*g, 5);
  CHECK(g->weight.mean(1).abs().max().item<double>() < 6 * 0.025 / std::sqrt(20000));
  CHECK((g->weight.std(1) - 0.025).abs().max().item<double>() < 6 * 0.025 / std::sqrt(40000));
  MlpCombinator wide(MlpCombinatorOptions{.channels = 20000});
  reset_parameters(*wide, 5);
  CHECK((wide->weight.std(1) - 0.5).abs().max().item<double>() < 6 * 0.5 / std::sqrt(40000));
  const auto first = g->weight.detach().clone();
  reset_parameters(*g, 6);
  CHECK_FALSE(torch::equal(g->weight, first));
  reset_parameters(*g, 5);
  CHECK(torch::equal(g->weight, first));
}
