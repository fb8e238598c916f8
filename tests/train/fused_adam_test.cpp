#include "ladder/train/fused_adam.h"

#include <c10/core/InferenceMode.h>
#include <torch/torch.h>

#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "ladder/nn/stages/noisy_stage.h"
#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"
#include "tests/train/blobs.h"

using ladder::testing::error_text;
using ladder::testing::require_close;
using ladder::testing::require_rounded;
using ladder::train::FusedAdam;
using torch::optim::AdamOptions;

namespace {

using Tensors = std::vector<torch::Tensor>;

Tensors make_parameters(torch::Dtype dtype = torch::kFloat64) {
  Tensors parameters;
  int64_t salt = 1;
  for (const auto& sizes : std::vector<std::vector<int64_t>>{{5, 7}, {7}, {1}, {3, 2, 33}}) {
    const auto n = c10::multiply_integers(sizes);
    parameters.push_back(
        torch::sin(torch::arange(n, dtype) * 0.7 + salt++).reshape(sizes).set_requires_grad(true));
  }
  return parameters;
}

// A loss whose gradient changes with the step.
torch::Tensor loss_of(const Tensors& parameters, int64_t step) {
  torch::Tensor total;
  for (const auto& parameter : parameters) {
    const auto term = (parameter * torch::cos(parameter * 3 + step)).sum();
    total = total.defined() ? total + term : term;
  }
  return total;
}

template <class Optimizer>
void run_steps(Optimizer& optimizer, const Tensors& parameters, int64_t from, int64_t to) {
  for (int64_t step = from; step < to; ++step) {
    for (auto& group : optimizer.param_groups()) {
      group.options().set_lr(0.01 / static_cast<double>(step + 1));
    }
    optimizer.zero_grad();
    loss_of(parameters, step).backward();
    optimizer.step();
  }
}

// Requires the parameters after ten steps to be those of torch's Adam in float64, within what
// rounding in their own type does to them.
void require_as_torch(const Tensors& parameters, const AdamOptions& options) {
  require_rounded(parameters, [&] {
    const auto theirs = make_parameters();
    torch::optim::Adam plain(theirs, options);
    run_steps(plain, theirs, 0, 10);
    Tensors results;
    for (const auto& parameter : theirs) {
      results.push_back(parameter.detach());
    }
    return results;
  });
}

}  // namespace

TEST_CASE("FusedAdam equals torch's Adam over ten steps", "[train]") {
  const auto options =
      GENERATE(AdamOptions(0.01), AdamOptions(0.01).betas({0.5, 0.9}).eps(1e-3).weight_decay(0.1));
  const auto ours = make_parameters();
  FusedAdam fused(ours, options);
  run_steps(fused, ours, 0, 10);
  require_as_torch(ours, options);
  REQUIRE_FALSE(ours[0].equal(make_parameters()[0]));
}

TEST_CASE("FusedAdam equals torch's Adam in float32", "[train]") {
  const auto ours = make_parameters(torch::kFloat32);
  FusedAdam fused(ours, AdamOptions(0.01));
  run_steps(fused, ours, 0, 10);
  require_as_torch(ours, AdamOptions(0.01));
}

TEST_CASE("FusedAdam continues from its named state", "[train]") {
  const auto straight = make_parameters();
  FusedAdam whole(straight);
  run_steps(whole, straight, 0, 10);

  const auto first = make_parameters();
  FusedAdam before(first);
  run_steps(before, first, 0, 5);
  Tensors second;
  for (const auto& parameter : first) {
    second.push_back(parameter.detach().clone().set_requires_grad(true));
  }
  FusedAdam after(second);
  after.load_named_state(before.named_state());
  run_steps(before, first, 5, 7);  // the copy does not share its tensors
  run_steps(after, second, 5, 10);
  for (size_t i = 0; i < straight.size(); ++i) {
    REQUIRE(second[i].equal(straight[i]));
  }
  REQUIRE(after.named_state().at("0.step").item<float>() == 10);
}

TEST_CASE("FusedAdam continues from torch::save, and from torch's Adam", "[train]") {
  const auto first = make_parameters();
  FusedAdam before(first, AdamOptions(0.5));
  run_steps(before, first, 0, 5);
  std::stringstream stream;
  torch::save(before, stream);
  FusedAdam after(first, AdamOptions(0.1));
  torch::load(after, stream);
  REQUIRE(after.param_groups()[0].options().get_lr() ==
          before.param_groups()[0].options().get_lr());
  run_steps(after, first, 5, 10);
  require_as_torch(first, AdamOptions(0.01));

  const auto third = make_parameters();
  torch::optim::Adam theirs(third, AdamOptions(0.01));
  run_steps(theirs, third, 0, 5);
  std::map<std::string, torch::Tensor> state;
  for (size_t i = 0; i < third.size(); ++i) {
    const auto& entry = static_cast<const torch::optim::AdamParamState&>(
        *theirs.state().at(third[i].unsafeGetTensorImpl()));
    const auto name = std::to_string(i);
    state[name + ".step"] = torch::scalar_tensor(static_cast<double>(entry.step()));
    state[name + ".exp_avg"] = entry.exp_avg();
    state[name + ".exp_avg_sq"] = entry.exp_avg_sq();
  }
  FusedAdam ours(third);
  ours.load_named_state(state);
  run_steps(ours, third, 5, 10);
  require_as_torch(third, AdamOptions(0.01));
}

TEST_CASE("FusedAdam leaves parameters without a gradient alone", "[train]") {
  const auto parameters = make_parameters();
  FusedAdam adam(parameters);
  (parameters[0].sum() + parameters[2].sum()).backward();
  adam.step();
  const auto start = make_parameters();
  REQUIRE_FALSE(parameters[0].equal(start[0]));
  REQUIRE(parameters[1].equal(start[1]));
  const auto state = adam.named_state();
  REQUIRE(state.size() == 6);
  REQUIRE(state.contains("2.exp_avg_sq"));
  REQUIRE_FALSE(state.contains("1.step"));
  adam.zero_grad();
  REQUIRE_FALSE(parameters[0].grad().defined());
}

TEST_CASE("FusedAdam names its state by the parameters of a module", "[train]") {
  auto net = ladder::testing::small_ladder();
  FusedAdam adam(*net, AdamOptions(0.01));
  for (const auto& parameter : net->parameters()) {
    parameter.sum().backward();
  }
  adam.step();
  const auto state = adam.named_state();
  REQUIRE(state.size() == 3 * net->parameters().size());
  for (const auto& item : net->named_parameters()) {
    REQUIRE(state.at(item.key() + ".exp_avg").sizes() == item.value().sizes());
  }
}

TEST_CASE("FusedAdam treats each group by its options", "[train]") {
  const auto parameters = make_parameters();
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(Tensors{parameters[0]}, std::make_unique<AdamOptions>(0.0));
  groups.emplace_back(Tensors{parameters[1]});
  FusedAdam adam(groups, AdamOptions(0.1));
  loss_of(parameters, 1).backward();
  adam.step();
  REQUIRE(parameters[0].equal(make_parameters()[0]));
  REQUIRE_FALSE(parameters[1].equal(make_parameters()[1]));
}

TEST_CASE("FusedAdam evaluates a closure with gradients", "[train]") {
  const auto parameters = make_parameters();
  FusedAdam adam(parameters);
  const torch::NoGradGuard no_grad;
  const auto loss = adam.step([&] {
    auto value = loss_of(parameters, 0);
    value.backward();
    return value;
  });
  require_close(loss.detach(), loss_of(make_parameters(), 0).detach());
  REQUIRE_FALSE(parameters[0].equal(make_parameters()[0]));
}

TEST_CASE("FusedAdam keeps no state of InferenceMode", "[train]") {
  const auto after_two_steps = [](bool first_in_inference) {
    auto parameters = make_parameters();
    FusedAdam adam(parameters);
    loss_of(parameters, 0).backward();
    if (first_in_inference) {
      const c10::InferenceMode inference;
      adam.step();
    } else {
      adam.step();
    }
    adam.zero_grad();
    loss_of(parameters, 1).backward();
    adam.step();
    return parameters;
  };
  const auto expected = after_two_steps(false), got = after_two_steps(true);
  for (size_t i = 0; i < expected.size(); ++i) REQUIRE(torch::equal(got[i], expected[i]));
}

TEST_CASE("FusedAdam accepts gradients with other strides than the parameter", "[train]") {
  auto ours = torch::ones({3, 4}, torch::kFloat64).set_requires_grad(true);
  auto theirs = torch::ones({3, 4}, torch::kFloat64).set_requires_grad(true);
  const auto gradient = torch::arange(12, torch::kFloat64).reshape({4, 3}).t();
  ours.mutable_grad() = gradient;
  theirs.mutable_grad() = gradient.contiguous();
  FusedAdam fused(Tensors{ours});
  torch::optim::Adam plain(Tensors{theirs});
  fused.step();
  plain.step();
  require_close(ours, theirs, ladder::testing::roundings(32, torch::kDouble));
}

TEST_CASE("FusedAdam has the same bits on any number of threads", "[train][threads]") {
  const auto normal = [](const std::vector<int64_t>& sizes, uint64_t seed) {
    return ladder::ops::standard_normal(ladder::NoiseDraw{seed, 0, {}}, 1,
                                        c10::multiply_integers(sizes), torch::kFloat32)
        .reshape(sizes);
  };
  // More than the 40,000 values that make up for a second thread. The matrices are divided into
  // parts as they lie in memory, the second one transposed; small parameters share a part.
  const Tensors first = {normal({700, 500}, 1), normal({300}, 2), normal({330, 400}, 3).t(),
                         normal({7}, 4)};
  ladder::testing::check_same_on_threads([&] {
    Tensors parameters;
    for (const auto& parameter : first) {
      parameters.push_back(parameter.clone().set_requires_grad(true));
      REQUIRE(parameters.back().strides() == parameter.strides());
    }
    FusedAdam adam(parameters, AdamOptions(0.01).weight_decay(0.1));
    for (uint64_t step = 1; step <= 3; ++step) {
      for (size_t i = 0; i < parameters.size(); ++i) {
        parameters[i].mutable_grad() = normal(parameters[i].sizes().vec(), 10 * step + i);
      }
      adam.step();
    }
    Tensors results = parameters;
    for (const auto& [name, tensor] : adam.named_state()) results.push_back(tensor);
    return results;
  });
}

TEST_CASE("FusedAdam refuses a parameter that is a part of another tensor", "[train]") {
  const auto base = torch::zeros({4, 6});
  auto part = base.narrow(1, 0, 3).detach().requires_grad_();
  part.sum().backward();
  FusedAdam adam(Tensors{part});
  CHECK(error_text([&] { adam.step(); }) ==
        "FusedAdam: expected a parameter that fills its memory but got one of [4, 3] with strides "
        "[6, 1], a part of another tensor (clone it, or use torch::optim::Adam).");
  CHECK(torch::equal(base, torch::zeros({4, 6})));
}

TEST_CASE("FusedAdam follows a parameter that comes to lie otherwise", "[train]") {
  auto ours = torch::rand({3, 4}, torch::kFloat64).set_requires_grad(true);
  auto theirs = ours.detach().clone().set_requires_grad(true);
  FusedAdam fused(Tensors{ours});
  torch::optim::Adam plain(Tensors{theirs});
  for (const bool transposed : {false, true}) {
    if (transposed) ours.set_data(ours.detach().t().contiguous().t());
    for (auto* parameter : {&ours, &theirs}) {
      parameter->mutable_grad() = torch::arange(12, torch::kFloat64).reshape({3, 4});
    }
    fused.step();
    plain.step();
  }
  require_close(ours, theirs, ladder::testing::roundings(64, torch::kDouble));
}

TEST_CASE("FusedAdam says what it does not accept", "[train]") {
  const auto parameters = make_parameters();
  REQUIRE(error_text([&] { FusedAdam(parameters, AdamOptions(0.1).amsgrad(true)); }) ==
          "FusedAdam: expected amsgrad off but got it on (torch::optim::Adam has it).");
  REQUIRE(error_text([&] { FusedAdam(parameters, AdamOptions(-1)); }) ==
          "FusedAdam: expected a finite learning rate of at least 0 but got -1.");
  REQUIRE(error_text([&] {
            FusedAdam(parameters, AdamOptions(1).betas({0.9, 1}));
          }) == "FusedAdam: expected betas of at least 0 and below 1 but got 0.9 and 1.");
  REQUIRE(error_text([&] { FusedAdam(parameters, AdamOptions(1).eps(-0.5)); }) ==
          "FusedAdam: expected an eps of at least 0 but got -0.5.");
  REQUIRE(error_text([&] { FusedAdam(parameters, AdamOptions(1).weight_decay(-0.5)); }) ==
          "FusedAdam: expected a weight_decay of at least 0 but got -0.5.");
  auto table = torch::ones({3, 2}).set_requires_grad(true);
  table.mutable_grad() =
      torch::sparse_coo_tensor(torch::tensor({{1}}, torch::kInt64), torch::ones({1, 2}), {3, 2});
  REQUIRE(error_text([&] { FusedAdam(Tensors{table}).step(); }) ==
          "FusedAdam: expected dense gradients but got a sparse one.");

  FusedAdam adam(parameters);
  loss_of(parameters, 0).backward();
  adam.step();
  auto state = adam.named_state();
  state["0.exp_avg"] = torch::zeros({2}, torch::kFloat64);
  REQUIRE(error_text([&] { adam.load_named_state(state); }) ==
          "FusedAdam: expected 0.exp_avg as Double [5, 7] but got Double [2].");
  state.erase("0.exp_avg");
  REQUIRE(error_text([&] { adam.load_named_state(state); }) ==
          "FusedAdam: expected step, exp_avg and exp_avg_sq of 0 but got only 2 of them.");
  state = adam.named_state();
  state["9.step"] = torch::zeros({});
  REQUIRE(error_text([&] { adam.load_named_state(state); }) ==
          "FusedAdam: expected state of the parameters alone but got 9.step.");
  REQUIRE(adam.named_state().at("0.step").item<float>() == 1);  // as it was
  const torch::NoGradGuard no_grad;
  parameters[0].set_data(parameters[0].to(torch::kFloat32));
  parameters[0].mutable_grad() = torch::ones_like(parameters[0]);
  REQUIRE(error_text([&] { adam.step(); }) ==
          "FusedAdam: expected a parameter in Double on cpu like its state but got Float on cpu "
          "(make the optimiser after moving the network).");
}

TEST_CASE("FusedAdam takes a weight that two stages share once", "[train]") {
  using namespace ladder;
  const testing::OneThread one_thread;
  const auto features = testing::kBlobFeatures;
  torch::nn::Linear shared(torch::nn::LinearOptions(features, features).bias(false));
  const auto stage = [&] {
    return NoisyStage(torch::nn::AnyModule(shared),
                      NoisyStageOptions{.normalization = {.channels = features}});
  };
  Ladder net(
      LadderOptions{.input_shape = {features}},
      Stages{stage(), stage(),
             NoisyBatchNormLinear(NoisyBatchNormLinearOptions{.in_features = features,
                                                              .out_features = testing::kBlobClasses,
                                                              .softmax_top = true})});
  const auto listed = net->parameters().size();
  constexpr double kRate = 0.01;
  FusedAdam adam(*net, AdamOptions(kRate));
  REQUIRE(adam.param_groups()[0].params().size() == listed - 1);
  // It is updated once a step: the first one moves each number by the rate, whatever its gradient.
  auto before = shared->weight.detach().clone();
  for (auto& parameter : net->parameters()) {
    parameter.mutable_grad() = torch::ones_like(parameter);
  }
  adam.step();
  testing::require_close(shared->weight.detach(), before - kRate,
                         testing::roundings(10, torch::kFloat, before.abs() + kRate));
  before = shared->weight.detach().clone();
  auto options = testing::quick_options();
  options.epochs = 1;
  CHECK(train::Trainer(net, testing::blobs(), options).run().status ==
        train::TrainStatus::kFinished);
  CHECK_FALSE(shared->weight.equal(before));
}

TEST_CASE("FusedAdam refuses a parameter that is listed twice", "[train]") {
  const auto first = torch::ones({2}).set_requires_grad(true);
  const auto second = torch::ones({2}).set_requires_grad(true);
  const std::string again =
      "FusedAdam: expected each parameter once but got parameter 0 again as 2 (is one module in "
      "two "
      "places?).";
  CHECK(error_text([&] { FusedAdam(std::vector<torch::Tensor>{first, second, first}); }) == again);
  std::vector<torch::optim::OptimizerParamGroup> groups;
  groups.emplace_back(std::vector<torch::Tensor>{first, second});
  groups.emplace_back(std::vector<torch::Tensor>{first});
  CHECK(error_text([&] { FusedAdam{groups}; }) == again);
}
