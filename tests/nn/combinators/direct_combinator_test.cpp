#include "ladder/nn/combinators/direct_combinator.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::require_close;
using ladder::testing::roundings;

TEST_CASE("DirectCombinator scales and shifts u alone", "[nn]") {
  DirectCombinator g(DirectCombinatorOptions{2});
  const auto u = torch::randn({4, 2});
  require_close(g->forward(torch::Tensor(), u), u);
  {
    const torch::NoGradGuard no_grad;
    g->weight[0].fill_(3);
    g->weight[1].fill_(-1);
  }
  require_close(g->forward(torch::Tensor(), u), 3 * u - 1,
                roundings(4, torch::kFloat, 3 * u.abs() + 1));
}
