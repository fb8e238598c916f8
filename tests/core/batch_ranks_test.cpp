#include "ladder/core/batch_ranks.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/equal_ranks.h"
#include "tests/support/require_close.h"

using ladder::mean_over;
using ladder::several;
using ladder::testing::equal_ranks;
using ladder::testing::require_close;

TEST_CASE("mean_over ranks has gradients, and gradients of gradients", "[core][grad]") {
  const auto ranks = equal_ranks();
  REQUIRE(several(ranks));
  const auto x = torch::tensor({1.5, -2.0, 0.25}, torch::kDouble).requires_grad_();
  // The mean of equal ranks is x itself, and so are its gradients.
  const auto mean = mean_over(ranks, x);
  require_close(mean, x);
  const auto gradient =
      torch::autograd::grad({(mean * mean * x).sum()}, {x}, {}, true, /*create_graph=*/true)[0];
  require_close(gradient, 3 * x * x);
  require_close(torch::autograd::grad({gradient.sum()}, {x})[0], 6 * x);
}

TEST_CASE("mean_over no ranks is the tensor itself", "[core]") {
  const auto x = torch::ones({2});
  CHECK_FALSE(several(nullptr));
  CHECK(mean_over(nullptr, x).is_same(x));
}
