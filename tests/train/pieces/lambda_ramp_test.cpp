#include "ladder/train/pieces/lambda_ramp.h"

#include <torch/torch.h>

#include "ladder/train/scaled_objective.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

SemiBatch double_batch() {
  const auto data = blobs(30, 9, torch::kFloat64).training;
  return {data.inputs.narrow(0, 0, 9), data.labels.narrow(0, 0, 9), data.inputs.narrow(0, 9, 21)};
}

Ladder double_ladder() {
  auto net = small_ladder();
  net->to(torch::kDouble);
  return net;
}

// Step 5 of 10 to an epoch, with a ramp over 2 epochs: a quarter of the weight.
constexpr StepPosition kQuarter{.step = 5, .steps_per_epoch = 10, .steps = 100};

}  // namespace

TEST_CASE("lambda_ramp multiplies the weights of upper levels", "[train]") {
  const auto net = double_ladder();
  const std::vector<double> lambda = {10, 1, 0.1, 0.1};
  for (const bool scaled : {false, true}) {
    CAPTURE(scaled);
    for (const int64_t from : {0, 2, 3}) {
      const auto base = [&] {
        return scaled ? scaled_objective(net, {.weights = lambda}) : train::objective(net);
      };
      NoiseSource noise(1), same(1);
      const auto plain = base()->loss(double_batch(), noise);
      const auto ramped = with_pieces(base(), {lambda_ramp({.epochs = 2, .from_level = from})});
      ramped->before_step(kQuarter);
      const auto step = ramped->loss(double_batch(), same);
      auto expected = plain.total;
      for (int64_t level = from; level < 4; ++level) {
        const auto l = static_cast<size_t>(level);
        expected = expected - 0.75 * plain.values.lambda[l] * plain.values.denoising[l];
        if (!scaled) CHECK(plain.values.lambda[l].item<double>() == lambda[l]);
      }
      const auto bound = roundings(64, torch::kDouble, plain.total.detach());
      require_close(step.total, expected, bound);
      require_close(step.costs.back(), expected - plain.total, bound);
    }
  }
}

TEST_CASE("lambda_ramp leaves out a level whose weight is 0", "[train]") {
  const auto net = double_ladder();
  const auto objective = with_pieces(scaled_objective(net, {.weights = {10, 1, 0, 0.1}}),
                                     {lambda_ramp({.epochs = 2, .from_level = 0})});
  objective->before_step(kQuarter);
  NoiseSource noise(1);
  const auto step = objective->loss(double_batch(), noise);
  REQUIRE(step.values.denoising[2].defined());
  REQUIRE_FALSE(step.values.lambda[2].defined());
  auto expected = torch::zeros({}, torch::kDouble);
  for (const size_t l : {0, 1, 3}) {
    expected = expected - 0.75 * step.values.lambda[l] * step.values.denoising[l];
  }
  require_close(step.costs.back(), expected, roundings(64, torch::kDouble, step.total.detach()));
}

TEST_CASE("lambda_ramp takes the gradient of what it holds back", "[train][grad]") {
  auto net = double_ladder();
  const auto gradients = [&](const std::function<torch::Tensor()>& total) {
    net->zero_grad();
    total().backward();
    std::vector<torch::Tensor> all;
    for (const auto& parameter : net->parameters()) all.push_back(parameter.grad().clone());
    return all;
  };
  const auto ramped = gradients([&] {
    auto objective = with_pieces(train::objective(net), {lambda_ramp({.epochs = 2})});
    objective->before_step(kQuarter);
    NoiseSource noise(1);
    return objective->loss(double_batch(), noise).total;
  });
  net->options.lambda = {10, 1, 0.1 / 4, 0.1 / 4};
  const auto lowered = gradients([&] {
    NoiseSource noise(1);
    return net->loss(double_batch(), noise).total;
  });
  for (size_t i = 0; i < ramped.size(); ++i) {
    require_close(ramped[i], lowered[i]);
  }
}

TEST_CASE("lambda_ramp ends at the full weight, and a resumed run goes on exactly", "[train]") {
  const OneThread one_thread;
  const auto train = [](int64_t stop) {
    const auto net = small_ladder();
    const auto result = run_with(net, lambda_ramp({.epochs = 1.5}), blobs(), stop);
    REQUIRE(result.last->others.at("lambda ramp") == 0);
    return net->parameters().front().detach().clone();
  };
  const auto whole = train(0);
  require_equal(train(4), whole);
  const auto piece = [](Ladder&) { return lambda_ramp({.epochs = 1.5}); };
  require_equal(resumed_with(piece, blobs(), 4), whole);
}

TEST_CASE("lambda_ramp says what is out of range", "[train]") {
  REQUIRE(error_text([] { lambda_ramp({.epochs = 0}); }) ==
          "lambda_ramp: expected a number of epochs above 0 but got 0.");
  REQUIRE(error_text([] { lambda_ramp({.from_level = -1}); }) ==
          "lambda_ramp: expected a level of at least 0 but got -1.");
  REQUIRE(error_text([] { lambda_ramp()->cost({}); }) ==
          "lambda_ramp: expected an objective with denoising costs but got one without.");
}
