#include "ladder/train/scaled_objective.h"

#include <ladder/models/mlp.h>
#include <ladder/nn/random_init.h>
#include <torch/torch.h>

#include <cmath>
#include <string>
#include <vector>

#include "ladder/train/objective.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

namespace {

using ladder::testing::error_text;
using ladder::testing::require_close;
using ladder::testing::require_equal;
namespace train = ladder::train;

ladder::Ladder small_net(std::vector<double> lambda) {
  auto net = ladder::models::mlp({.in_features = 4, .layers = {6, 3}, .lambda = std::move(lambda)});
  ladder::reset_parameters(*net, 7);
  net->to(torch::kFloat64);
  return net;
}

ladder::SemiBatch batch(int64_t step) {
  torch::manual_seed(static_cast<uint64_t>(step) + 1);
  return {torch::randn({6, 4}, torch::kFloat64), torch::arange(6) % 3,
          torch::randn({8, 4}, torch::kFloat64)};
}

}  // namespace

TEST_CASE("ScaledObjective: weights divide each cost by its running mean", "[train]") {
  const std::vector<double> weights = {10, 0, 0.5};
  constexpr double kDecay = 0.9;
  auto net = small_net({1, 0, 1});
  auto plain_net = small_net({1, 0, 1});
  const auto scaled = train::scaled_objective(net, {.weights = weights, .decay = kDecay});
  ladder::NoiseSource noise(3), plain_noise(3);

  std::vector<double> means(2, 0);
  for (int64_t step = 0; step < 4; ++step) {
    const auto got = scaled->loss(batch(step), noise);
    const auto plain = plain_net->loss(batch(step), plain_noise);
    REQUIRE(got.costs.size() == 3);
    double expected = plain.supervised.item<double>();
    const std::vector<double> costs = {plain.denoising[0].item<double>(),
                                       plain.denoising[2].item<double>()};
    const std::vector<double> used = {10, 0.5};
    for (size_t i = 0; i < 2; ++i) {
      means[i] = kDecay * means[i] + (1 - kDecay) * costs[i];
      const double mean = means[i] / (1 - std::pow(kDecay, static_cast<double>(step + 1)));
      expected += used[i] * costs[i] / std::max(mean, 0.02);
    }
    require_close(got.total, torch::tensor(expected, torch::kFloat64));
    require_equal(got.costs[0], plain.supervised);
    require_equal(got.costs[1], plain.denoising[0]);
  }
}

TEST_CASE("ScaledObjective: the floor of the input's cost follows its variance", "[train]") {
  // Without a running mean and with a floor above every cost: lambda_l = w_l / (floor V_l).
  auto net = small_net({1, 0, 1});
  const auto scaled = train::scaled_objective(
      net, {.weights = {10, 0, 0.5}, .decay = 0, .floor = 1e6, .input_variance = 0.25});
  ladder::NoiseSource noise(3);
  const auto got = scaled->loss(batch(0), noise);
  require_close(got.values.lambda[0], torch::tensor(10 / (1e6 * 0.25), torch::kFloat64));
  require_close(got.values.lambda[2], torch::tensor(0.5 / 1e6, torch::kFloat64));
  CHECK(scaled->settings().at("input_variance") == "0.25");
  // As before there was an input variance, so that older runs go on.
  const auto standardised = train::scaled_objective(net, {.weights = {10, 0, 0.5}});
  CHECK_FALSE(standardised->settings().contains("input_variance"));
}

TEST_CASE("ScaledObjective: weights from the rows alone", "[train]") {
  auto net = small_net({1, 1, 1});  // which levels have a cost; the values do not matter
  const auto x = batch(0).x_unlabeled;
  const auto objective =
      train::scaled_objective(net, {.weights = train::scaled_weights(/*levels=*/2),
                                    .input_variance = train::mean_column_variance(x)});
  ladder::NoiseSource noise(3);
  const auto values = objective->loss(batch(0), noise).values;
  for (size_t level = 0; level < 3; ++level) {
    const double weight = train::scaled_weights(2)[level];
    require_close(values.lambda[level] * values.denoising[level].detach(),
                  torch::tensor(weight, torch::kFloat64));
  }
}

TEST_CASE("cost_floor follows the variance at the input alone", "[train]") {
  const train::ScaledObjectiveOptions options{.floor = 0.5, .input_variance = 0.25};
  CHECK(train::cost_floor(options, 0) == 0.125);
  CHECK(train::cost_floor(options, 1) == 0.5);
}

TEST_CASE("mean_column_variance is a mean over columns, of all blocks of rows", "[train]") {
  // 5,000 rows, more than a block: two rows in turn, of variances (b - a)^2 / 4.
  const auto rows = torch::tensor({{0.0, 10.0}, {1.0, 14.0}}, torch::kFloat64).repeat({2500, 1});
  // Halves and small integers: all sums are exact.
  CHECK(train::mean_column_variance(rows) == (0.25 + 4) / 2);
  CHECK(train::mean_column_variance(rows.view({5000, 2, 1}).to(torch::kFloat)) == 2.125);
  const auto bytes = torch::tensor({{0}, {255}}, torch::kByte);
  CHECK(train::mean_column_variance(bytes) == 0.25);
  CHECK(error_text([] {
          train::mean_column_variance(torch::zeros({0, 3}));
        }) ==
        "mean_column_variance: expected rows [n, ...], floating or uint8, but got Float [0, 3].");
  CHECK(error_text([] { train::mean_column_variance(torch::zeros({2}, torch::kLong)); }) ==
        "mean_column_variance: expected rows [n, ...], floating or uint8, but got Long [2].");
}

TEST_CASE("ScaledObjective: the gradient is that of fixed lambdas", "[train][grad]") {
  auto net = small_net({1, 1, 1});
  const auto scaled = train::scaled_objective(net, {.weights = {10, 1, 0.03}});
  ladder::NoiseSource noise(3);
  const auto loss = scaled->loss(batch(0), noise);
  loss.total.backward();

  // At the first step the running mean is the cost itself: lambda_l = w_l / C_l.
  auto fixed = small_net({10 / loss.costs[1].item<double>(), 1 / loss.costs[2].item<double>(),
                          0.03 / loss.costs[3].item<double>()});
  ladder::NoiseSource same_noise(3);
  fixed->loss(batch(0), same_noise).total.backward();
  for (const auto& item : fixed->named_parameters()) {
    const auto& here = net->named_parameters()[item.key()].grad();
    REQUIRE(here.defined());
    require_close(here, item.value().grad());
  }
}

TEST_CASE("ScaledObjective: a state that is copied goes on as the one it came from", "[train]") {
  auto net = small_net({1, 1, 1});
  const auto first = train::scaled_objective(net, {.weights = {10, 1, 0.03}});
  ladder::NoiseSource noise(3);
  first->loss(batch(0), noise);
  first->loss(batch(1), noise);
  const auto second = train::scaled_objective(net, {.weights = {10, 1, 0.03}});
  REQUIRE(first->state().size() == 2);
  for (auto& [name, tensor] : second->state()) tensor.copy_(first->state().at(name));
  ladder::NoiseSource again = noise;
  require_equal(first->loss(batch(2), noise).total, second->loss(batch(2), again).total);
}

TEST_CASE("ScaledObjective: class weights weigh the supervised cost", "[train]") {
  auto net = small_net({0, 0, 0});
  const auto scaled =
      train::scaled_objective(net, {.weights = {0, 0, 0}, .class_weights = {1, 2, 5}});
  ladder::NoiseSource noise(3), same_noise(3);
  const auto got = scaled->loss(batch(0), noise);
  const auto logits = net->loss(batch(0), same_noise).logits;
  const auto losses = -logits.log_softmax(1).gather(1, batch(0).y.view({-1, 1})).squeeze(1);
  const auto weights = torch::tensor({1.0, 2.0, 5.0}, torch::kFloat64).index_select(0, batch(0).y);
  require_close(got.total, (weights * losses).sum() / weights.sum());
  CHECK(got.costs.size() == 1);
}

TEST_CASE("ScaledObjective: names options that do not fit", "[train]") {
  auto net = small_net({1, 0, 1});
  const auto error = [&](const train::ScaledObjectiveOptions& options) {
    return error_text([&] { train::scaled_objective(net, options); });
  };
  CHECK(error({.weights = {1, 0}}) ==
        "scaled_objective: expected 3 weights, one for each level from the input up, but got 2.");
  CHECK(error({.weights = {1, 1, 0}}) ==
        "scaled_objective: expected a network with a denoising cost at level 1, which has weight "
        "1, but its lambda there is 0.");
  CHECK(error({.weights = {-1, 0, 0}}) ==
        "scaled_objective: expected weights of at least 0 but got -1 at level 0.");
  CHECK(error({.weights = {1, 0, 0}, .decay = 1}) ==
        "scaled_objective: expected a decay from 0 to below 1 but got 1.");
  CHECK(error({.weights = {1, 0, 0}, .floor = 0}) ==
        "scaled_objective: expected a floor above 0 but got 0.");
  CHECK(error({.weights = {1, 0, 0}, .input_variance = 0}) ==
        "scaled_objective: expected an input variance above 0 but got 0.");
  CHECK(error({.weights = {1, 0, 0}, .class_weights = {1, 2}}) ==
        "scaled_objective: expected 3 class weights but got 2.");
  CHECK(error({.weights = {1, 0, 0}, .class_weights = {1, 0, 2}}) ==
        "scaled_objective: expected class weights above 0 but got 0.");
  CHECK(error_text([] { train::scaled_objective(nullptr, {}); }) ==
        "scaled_objective: expected a network but got an empty Ladder.");
}

TEST_CASE("ScaledObjective: default weights fall from the input up", "[train]") {
  CHECK(train::scaled_weights(3) == std::vector<double>{10, 1, 0.03, 0.03});
  CHECK(train::scaled_weights(1, 5) == std::vector<double>{5, 1});
}
