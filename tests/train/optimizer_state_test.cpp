#include "ladder/train/optimizer_state.h"

#include <torch/torch.h>

#include "ladder/train/fused_adam.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/train/own_optimizer.h"

using namespace ladder::train;
using ladder::testing::error_text;
using ladder::testing::SignMomentum;
using ladder::testing::Stateless;
using torch::optim::Optimizer;

namespace {

using Make = std::function<std::shared_ptr<Optimizer>(const std::vector<torch::Tensor>&)>;

const std::vector<std::pair<std::string, Make>> kOptimizers = {
    {"ladder::train::FusedAdam",
     [](const auto& parameters) { return std::make_shared<FusedAdam>(parameters); }},
    {"torch::optim::Adam",
     [](const auto& parameters) {
       return std::make_shared<torch::optim::Adam>(parameters, torch::optim::AdamOptions(0.1));
     }},
    {"torch::optim::SGD",
     [](const auto& parameters) {
       return std::make_shared<torch::optim::SGD>(parameters,
                                                  torch::optim::SGDOptions(0.1).momentum(0.9));
     }},
    {"ladder::testing::SignMomentum",
     [](const auto& parameters) { return std::make_shared<SignMomentum>(parameters, 0.1); }}};

void take_step(Optimizer& optimizer, const torch::Tensor& weight) {
  optimizer.zero_grad();
  (weight * weight * torch::arange(1, 6)).sum().backward();
  optimizer.step();
}

}  // namespace

TEST_CASE("optimizer_state gives back the state of any optimiser", "[train]") {
  for (const auto& [name, make] : kOptimizers) {
    INFO(name);
    const auto weight = torch::ones({5}).requires_grad_();
    const auto optimizer = make({weight});
    REQUIRE(optimizer_name(*optimizer) == name);
    take_step(*optimizer, weight);
    take_step(*optimizer, weight);
    const auto state = optimizer_state(*optimizer);

    const auto other = weight.detach().clone().requires_grad_();
    const auto resumed = make({other});
    load_optimizer_state(*resumed, state);
    take_step(*optimizer, weight);
    take_step(*resumed, other);
    REQUIRE(weight.equal(other));

    const auto fresh = weight.detach().clone().requires_grad_();
    const auto forgetful = make({fresh});
    take_step(*optimizer, weight);
    take_step(*forgetful, fresh);
    REQUIRE_FALSE(weight.equal(fresh));  // the state matters
  }
}

TEST_CASE("optimizer_state of one kind is not loaded into another", "[train]") {
  for (const auto& [name, make] : kOptimizers) {
    const auto weight = torch::ones({5}).requires_grad_();
    const auto optimizer = make({weight});
    take_step(*optimizer, weight);
    for (const auto& [other_name, make_other] : kOptimizers) {
      if (name == other_name) continue;
      const auto other = make_other({weight});
      REQUIRE(error_text([&] { load_optimizer_state(*other, optimizer_state(*optimizer)); }) ==
              "load_checkpoint: expected the state of " + other_name + " but got that of " + name +
                  " (resume with the optimiser of the run's start).");
    }
  }
}

TEST_CASE("optimizer_state that does not fit leaves the optimiser as it was", "[train]") {
  const auto options = torch::optim::SGDOptions(0.1).momentum(0.9);
  const auto weight = torch::ones({5}).requires_grad_();
  const auto untouched = torch::ones({5}).requires_grad_();
  torch::optim::SGD one({weight}, options), other({untouched}, options);
  take_step(one, weight);
  take_step(other, untouched);
  const auto more = torch::ones({3}).requires_grad_();
  torch::optim::SGD two({weight, more}, options);
  REQUIRE(error_text([&] { load_optimizer_state(one, optimizer_state(two)); })
              .starts_with("load_checkpoint: expected the state of this torch::optim::SGD but got "
                           "one that it does not take: "));
  take_step(one, weight);
  take_step(other, untouched);
  REQUIRE(weight.equal(untouched));  // the momentum of the step before is still there
}

TEST_CASE("optimizer_state refuses an optimiser that saves nothing", "[train]") {
  const auto weight = torch::ones({5}).requires_grad_();
  const Stateless optimizer({weight});
  REQUIRE(error_text([&] { optimizer_state(optimizer); }) ==
          "Trainer: expected an optimiser that saves its state but got ladder::testing::Stateless, "
          "which writes nothing (override save and load of torch::optim::Optimizer).");
}

TEST_CASE("set_learning_rate reaches every group of any optimiser", "[train]") {
  for (const auto& [name, make] : kOptimizers) {
    INFO(name);
    const auto weight = torch::ones({5}).requires_grad_();
    const auto optimizer = make({weight});
    set_learning_rate(*optimizer, 0.25);
    for (const auto& group : optimizer->param_groups()) REQUIRE(group.options().get_lr() == 0.25);
  }
}
