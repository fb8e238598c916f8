#include "ladder/train/step_runner.h"

#include <torch/torch.h>

#include "ladder/train/fused_adam.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"
#include "tests/train/pieces.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

data::SemiSampler sampler() { return data::SemiSampler(blobs().training, {.unlabeled_batch = 50}); }

struct Steps {
  Ladder net{nullptr};
  std::vector<torch::Tensor> costs;
  uint64_t noise_offset = 0;
};

Steps steps_by_runner(int64_t count, StepRunnerOptions options) {
  Steps result;
  result.net = small_ladder();
  StepRunner runner(train::objective(result.net), std::make_shared<FusedAdam>(*result.net),
                    sampler(), NoiseSource(3), options);
  runner.enter();
  const StepRunner::Scope scope(runner);
  for (int64_t step = 0; step < count; ++step) {
    result.costs.push_back(runner.run({.step = step}, 0.01).clone());
  }
  runner.leave();
  result.noise_offset = runner.noise().offset();
  return result;
}

}  // namespace

TEST_CASE_METHOD(OneThread, "StepRunner takes the steps of a plain loop", "[train]") {
  auto net = small_ladder();
  FusedAdam adam(*net);
  auto rows = sampler();
  NoiseSource noise(3);
  std::vector<LadderLoss> losses;
  adam.set_learning_rate(0.01);
  for (int64_t step = 0; step < 8; ++step) {
    losses.push_back(net->loss(rows.batch(step), noise));
    losses.back().total.backward();
    adam.step();
    adam.zero_grad();
  }
  for (const bool graph : {false, true}) {  // on the CPU a graph calls the step again
    const auto steps = steps_by_runner(8, {.graph = graph});
    require_same_network(*steps.net, *net);
    REQUIRE(steps.noise_offset == noise.offset());
    for (size_t i = 0; i < losses.size(); ++i) {
      const auto& loss = losses[i];
      REQUIRE(
          steps.costs[i].equal(torch::stack({loss.supervised, loss.denoising[0], loss.denoising[1],
                                             loss.denoising[2], loss.denoising[3], loss.total})));
      REQUIRE_FALSE(steps.costs[i].requires_grad());
    }
  }
}

TEST_CASE_METHOD(OneThread, "StepRunner computes products by its plan, within its scope only",
                 "[train]") {
  const auto usual = ops::product_plan();
  const auto rounded = ops::default_product_plan(ops::ProductPrecision::kBFloat16);
  const auto other = steps_by_runner(4, {.products = rounded});
  REQUIRE(ops::product_plan() == usual);
  REQUIRE_FALSE(same_parameters(*other.net, *steps_by_runner(4, {}).net));
  const ops::ProductScope scope(rounded);
  require_same_network(*other.net, *steps_by_runner(4, {}).net);
}

TEST_CASE_METHOD(OneThread, "StepRunner calls hooks around each step, recorded or not", "[train]") {
  const auto run = [](bool graph) {
    auto net = small_ladder();
    const auto pseudo = std::make_shared<PseudoLabels>(2);
    const auto norms = std::make_shared<RowNorms>(net->named_parameters()["stages.1.weight"], 0.3);
    StepRunner runner(with_pieces(train::objective(net), {pseudo, norms}),
                      std::make_shared<FusedAdam>(*net), sampler(), NoiseSource(3),
                      {.graph = graph});
    runner.enter();
    const StepRunner::Scope scope(runner);
    for (int64_t step = 0; step < 10; ++step) {
      const auto costs = runner.run({.step = step, .steps = 10}, 0.01);
      REQUIRE(costs.numel() == 7);
      REQUIRE(pseudo->weight.item<float>() == 2.0F * static_cast<float>(step) / 10.0F);
      REQUIRE((costs[5].item<double>() > 0) == (step > 0));
      REQUIRE(norms->updates.item<int64_t>() == step + 1);
    }
    // A norm of 16 terms has at most 18 roundings, and so has what the row was divided by.
    const auto most = 0.3 * (1 + 36 * unit_roundoff(torch::kFloat));
    REQUIRE(norms->weight.norm(2, 1).max().item<double>() <= most);
    return net;
  };
  require_same_network(*run(true), *run(false));
}

TEST_CASE_METHOD(OneThread, "StepRunner takes steps of an autoencoder whose lambda becomes 0",
                 "[train]") {
  auto net = small_autoencoder(AutoencoderCost::kFeatureDifference);
  StepRunner runner(train::objective(net), std::make_shared<FusedAdam>(*net), sampler(),
                    NoiseSource(3));
  runner.enter();
  const StepRunner::Scope scope(runner);
  REQUIRE(runner.run({.step = 0}, 0.01)[0].item<double>() > 0);
  net->options.lambda[0] = 0;
  const auto costs = runner.run({.step = 1}, 0.01);
  REQUIRE(costs.numel() == 3);
  REQUIRE(costs[0].item<double>() == 0);
  REQUIRE(costs[2].equal(costs[1]));
}

TEST_CASE_METHOD(OneThread, "StepRunner drops gradients from elsewhere", "[train]") {
  auto net = small_ladder();
  NoiseSource noise(9);
  net->loss(sampler().batch(0), noise).total.backward();
  StepRunner runner(train::objective(net), std::make_shared<FusedAdam>(*net), sampler(),
                    NoiseSource(3));
  runner.enter();
  const StepRunner::Scope scope(runner);
  for (int64_t step = 0; step < 8; ++step) runner.run({.step = step}, 0.01);
  require_same_network(*net, *steps_by_runner(8, {}).net);
  for (const auto& parameter : net->parameters()) REQUIRE_FALSE(parameter.grad().defined());
}

namespace {

// A piece with a parameter of its own, whose gradient is 2 at each step.
struct OwnParameter : ObjectivePiece {
  std::string name() const override { return "own parameter"; }
  bool has_cost() const override { return true; }
  torch::Tensor cost(const StepValues&) override { return 2 * own; }

  torch::Tensor own = torch::zeros({}).requires_grad_();
};

// An objective that forgets its total, or one of its costs.
struct Forgetful : Objective {
  explicit Forgetful(Ladder network, bool forgets_total)
      : net(std::move(network)), no_total(forgets_total) {}
  torch::nn::Module& module() override { return *net; }
  std::vector<CostTerm> terms() const override { return {{.name = "first"}}; }
  StepLoss loss(const SemiBatch&, NoiseSource&) override {
    const auto cost = net->parameters().front().sum();
    return no_total ? StepLoss{.costs = {cost}} : StepLoss{.total = cost, .costs = {{}}};
  }

  Ladder net;
  bool no_total;
};

}  // namespace

TEST_CASE_METHOD(OneThread, "StepRunner clears the gradients of parameters that pieces hold",
                 "[train]") {
  const auto net = small_ladder();
  const auto piece = std::make_shared<OwnParameter>();
  auto parameters = net->parameters();
  parameters.push_back(piece->own);
  StepRunner runner(train::with_pieces(train::objective(net), {piece}),
                    std::make_shared<torch::optim::SGD>(parameters, 1.0), sampler(),
                    NoiseSource(3));
  runner.enter();
  const StepRunner::Scope scope(runner);
  for (int64_t step = 0; step < 4; ++step) runner.run({.step = step}, 0.5);
  REQUIRE(piece->own.item<float>() == -4.0F);  // 4 steps of .5 times a gradient of 2
  REQUIRE_FALSE(piece->own.grad().defined());
}

TEST_CASE("StepRunner says what an objective forgets", "[train]") {
  const auto text_of = [](bool no_total) {
    const auto net = small_ladder();
    StepRunner runner(std::make_shared<Forgetful>(net, no_total), std::make_shared<FusedAdam>(*net),
                      sampler(), NoiseSource(3));
    runner.enter();
    return error_text([&] { runner.run({}, 0.1); });
  };
  REQUIRE(text_of(true) ==
          "Trainer: expected the total cost of a step as one number but got none "
          "(Objective::loss sets StepLoss::total).");
  REQUIRE(text_of(false) ==
          "Trainer: expected each cost of a step as one number but got others (StepLoss::costs has "
          "one for each of Objective::terms).");
}

TEST_CASE("StepRunner says what is wrong with a sampler", "[train]") {
  const auto net = small_ladder();
  const auto adam = std::make_shared<FusedAdam>(*net);
  data::SemiData rows;
  rows.source = std::make_shared<BlobSource>();
  rows.labeled = torch::arange(9);
  REQUIRE(error_text([&] {
            StepRunner(train::objective(net), adam,
                       data::SemiSampler(rows, {.unlabeled_batch = 50}), NoiseSource(1),
                       {.graph = true});
          }) ==
          "Trainer: expected rows in memory, whose step can be recorded, but got a source (train "
          "without a graph).");
  REQUIRE(error_text([&] {
            StepRunner(
                train::objective(net), adam,
                data::SemiSampler(blobs().training, {.unlabeled_batch = 50, .rank = 0, .ranks = 2}),
                NoiseSource(1));
          }) == "Trainer: expected a sampler of 1 ranks but got one of 2.");
}

TEST_CASE("StepRunner says what is wrong with an optimiser", "[train]") {
  auto net = small_ladder();
  auto other = small_ladder(2);
  REQUIRE(error_text([&] {
            StepRunner(train::objective(net), std::make_shared<FusedAdam>(*other), sampler(),
                       NoiseSource(1));
          }) ==
          "Trainer: expected an optimiser of the network's parameters but got one that updates "
          "none of them (make it from the network that is trained).");
  const auto sgd = std::make_shared<torch::optim::SGD>(net->parameters(), 0.1);
  REQUIRE(error_text([&] {
            StepRunner(train::objective(net), sgd, sampler(), NoiseSource(1), {.graph = true});
          }) ==
          "Trainer: expected FusedAdam, whose step can be recorded, but got torch::optim::SGD "
          "(train without a graph).");
  StepRunner runner(train::objective(net), sgd, sampler(), NoiseSource(1));
  REQUIRE(error_text([&] { runner.run({.step = 4}, -1); }) ==
          "Trainer: expected a finite learning rate of at least 0 but got -1 at step 4.");
}
