#include "ladder/train/level_costs.h"

#include <ladder/nn/combinators/gaussian_combinator.h>
#include <torch/torch.h>

#include "ladder/ops/noise.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

TEST_CASE("level_costs compares a level with the best use of its lateral input alone", "[train]") {
  const OneThread one_thread;
  auto net = small_ladder(1, {10, 1, 0, 0.1});
  net->to(torch::kFloat64);
  const auto data = blobs(300, 9, torch::kFloat64);
  const auto& x = data.training.inputs;
  const auto before = net->parameters()[0].clone();
  const auto costs = level_costs(net, x, 3);
  REQUIRE(costs.size() == 3);
  CHECK(costs[0].level == 0);
  CHECK(costs[2].level == 3);
  CHECK(net->parameters()[0].equal(before));

  // Learned: the costs of a step with the same noise.
  NoiseSource noise(3);
  const auto loss = net->loss({x.narrow(0, 0, 2), torch::zeros({2}, torch::kInt64), x}, noise);
  CHECK(costs[1].cost == loss.denoising[1].item<double>());
  // Lateral, level 0: the residual of a regression of x on x + noise, unit by unit. The noise is
  // drawn for all corrupted rows.
  const auto drawn = 0.3 * ops::standard_normal(NoiseSource(3).draw(302, kBlobFeatures), 302,
                                                kBlobFeatures, torch::kFloat64);
  const auto noisy = x + drawn.narrow(0, 2, 300);
  double sum = 0;
  for (int64_t unit = 0; unit < kBlobFeatures; ++unit) {
    const auto design =
        torch::stack({noisy.select(1, unit), torch::ones({300}, torch::kFloat64)}, 1);
    const auto y = x.select(1, unit).unsqueeze(1);
    const auto fit = std::get<0>(torch::linalg_lstsq(design, y));
    sum += (y - design.matmul(fit)).square().mean().item<double>();
  }
  require_close(torch::tensor(costs[0].lateral, torch::kDouble),
                torch::tensor(sum / kBlobFeatures, torch::kDouble));
  // A Gaussian combinator starts at z^ = 0, which is worse.
  CHECK(costs[0].cost > costs[0].lateral);
  // At a normalised level z~ = z + noise of the corrupted pass: some of z's variance of 1 is left.
  CHECK(costs[1].lateral > 0);
  CHECK(costs[1].lateral < 1);
}

TEST_CASE("level_costs shows that training beats the lateral input alone", "[train]") {
  const OneThread one_thread;
  auto net = small_ladder();
  const auto data = blobs();
  const auto first = level_costs(net, data.training.inputs);
  Trainer(net, data, {.epochs = 60, .learning_rate = 0.02, .unlabeled_batch = 50}).run();
  const auto last = level_costs(net, data.training.inputs);
  CHECK(last[0].cost < first[0].cost);
  CHECK(last[0].cost < last[0].lateral);
}

TEST_CASE("level_costs says what it expects", "[train]") {
  auto baseline = small_ladder(1, {});
  const auto x = blobs().training.inputs;
  REQUIRE(error_text([&] { level_costs(baseline, x); }) ==
          "level_costs: expected a network with a decoder but got a baseline.");
  auto net = small_ladder();
  REQUIRE(error_text([&] { level_costs(net, x.narrow(0, 0, 1)); }) ==
          "level_costs: expected at least 2 rows but got [1, 12].");
}
