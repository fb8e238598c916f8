// The library against tests/reference/ladder_reference.py, a plain PyTorch implementation that
// shares no code with it: costs, gradients, ten steps of Adam, calibration and inference.
#include <torch/torch.h>

#include <string>

#include "ladder/nn/combinators/direct_combinator.h"
#include "ladder/nn/combinators/gaussian_combinator.h"
#include "ladder/nn/combinators/mlp_combinator.h"
#include "ladder/nn/combinators/vanilla_combinator.h"
#include "ladder/nn/ladder.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/train/fused_adam.h"
#include "tests/support/catch.h"
#include "tests/support/fixture.h"
#include "tests/support/networks.h"
#include "tests/support/products.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::Fixture;
using ladder::testing::on_every_route;
using ladder::testing::require_close;
using ladder::testing::rounding_of;
using ladder::testing::vanilla;

namespace {

CombinatorFactory perceptron(const std::vector<int64_t>& hidden, bool augmented) {
  return [=](int64_t channels) {
    return MlpCombinator(
        MlpCombinatorOptions{.channels = channels, .hidden = hidden, .augmented = augmented});
  };
}

// The combinators by their codes in make_fixtures.py.
CombinatorFactory combinator_of(int64_t code) {
  switch (code) {
    case 0:
      return {};
    case 1:
      return vanilla({});
    case 2:
      return [](int64_t channels) {
        return GaussianCombinator(
            GaussianCombinatorOptions{.channels = channels, .sigmoid_v = true});
      };
    case 3:
      return vanilla({.lateral = false});
    case 4:
      return vanilla({.sigmoid = false});
    case 5:
      return vanilla({.cross_term = false});
    case 6:
      return vanilla({.sigmoid = false, .cross_term = false});
    case 7:
      return perceptron({4}, false);
    case 8:
      return perceptron({2, 2, 2}, true);
    case 9:
      return [](int64_t channels) { return DirectCombinator(DirectCombinatorOptions{channels}); };
    case 10:
      return perceptron({2, 2}, false);
    case 11:
      return perceptron({2, 2, 2}, false);
    case 12:
      return perceptron({4}, true);
    case 13:
      return perceptron({2, 2}, true);
    default:
      FAIL("no combinator of code " << code);
      return {};
  }
}

struct DenseFixture : Fixture {
  using Fixture::Fixture;

  Ladder build() const {
    const auto layers = numbers("config.layers");
    const auto noise = numbers("config.noise");
    const auto activation = static_cast<Activation>(integer("config.activation"));
    Stages stages;
    for (size_t l = 1; l < layers.size(); ++l) {
      stages.push_back(NoisyBatchNormLinear(
          NoisyBatchNormLinearOptions{.in_features = static_cast<int64_t>(layers[l - 1]),
                                      .out_features = static_cast<int64_t>(layers[l]),
                                      .noise_std = noise[l],
                                      .activation = activation,
                                      .softmax_top = l + 1 == layers.size()}));
    }
    Ladder net(LadderOptions{.input_shape = {static_cast<int64_t>(layers[0])},
                             .lambda = numbers("config.lambda"),
                             .input_noise = noise[0],
                             .combinator = combinator_of(integer("config.combinator"))},
               std::move(stages));
    return with_parameters(net);
  }

  NoiseSource noise() const {
    std::vector<torch::Tensor> draws;
    // The reference draws for all rows; a network without a decoder runs the labeled ones.
    const bool unlabeled =
        !numbers("config.lambda").empty() && (*this)["config.lambda"].sum().item<double>() > 0;
    for (int l = 0; has("noise." + std::to_string(l)); ++l) {
      const auto values = (*this)["noise." + std::to_string(l)];
      draws.push_back(unlabeled ? values : values.narrow(0, 0, (*this)["y"].size(0)));
    }
    return NoiseSource::replay(draws);
  }
};

// Every fixture of one step: networks with noise and without, and each of the other combinators.
std::vector<std::string> fixtures() {
  std::vector<std::string> names;
  for (const char* network : {"full-gaussian-relu", "full-vanilla-leaky", "full-gaussian-tanh",
                              "full-vanilla-gelu", "gamma", "bottom", "baseline"}) {
    for (const char* form : {"-quiet", "-noisy"}) {
      names.push_back(std::string(network) + form);
    }
  }
  for (const char* combinator :
       {"gaussian-sigmoid", "no-lateral", "no-sigmoid", "no-cross", "linear", "direct", "mlp-4",
        "mlp-2-2", "mlp-2-2-2", "amlp-4", "amlp-2-2", "amlp-2-2-2"}) {
    names.push_back(std::string("combinator-") + combinator);
  }
  return names;
}

void check_network(const std::string& name, torch::Dtype dtype) {
  INFO(name << " " << dtype);
  DenseFixture(name, dtype).require_costs_and_gradients(DenseFixture(name, torch::kDouble));
}

// The totals of ten steps, then the parameters. The Adam of LibTorch's Python for the bounds: plain
// operations, through which rounding shows.
template <class Optimizer>
std::vector<torch::Tensor> ten_steps(const DenseFixture& fixture, const Optimizer& make) {
  auto net = fixture.build();
  const auto adam = make(*net);
  std::vector<torch::Tensor> results;
  for (int64_t step = 0; step < 10; ++step) {
    auto noise = fixture.noise();
    adam->zero_grad();
    const auto loss = net->loss(fixture.batch(), noise);
    results.push_back(loss.total.detach());
    loss.total.backward();
    adam->step();
  }
  for (const auto& parameter : net->parameters()) {
    results.push_back(parameter.detach());
  }
  return results;
}

void check_adam(const std::string& name, torch::Dtype dtype) {
  INFO(name << " " << dtype);
  const DenseFixture in_double(name, torch::kDouble);
  const auto results = ten_steps(DenseFixture(name, dtype), [](torch::nn::Module& net) {
    return std::make_unique<train::FusedAdam>(net, torch::optim::AdamOptions(0.002));
  });
  std::vector<torch::Tensor> expected = in_double["adam.total"].unbind();
  for (const auto& key : in_double.build()->named_parameters().keys()) {
    expected.push_back(in_double["adam.param." + key]);
  }
  const auto bounds = rounding_of(
      [&] {
        return ten_steps(in_double, [](torch::nn::Module& net) {
          return std::make_unique<torch::optim::Adam>(net.parameters(),
                                                      torch::optim::AdamOptions(0.002));
        });
      },
      dtype);
  REQUIRE(results.size() == expected.size());
  for (size_t i = 0; i < results.size(); ++i) {
    INFO("of ten totals, then the parameters, number " << i);
    require_close(results[i].to(torch::kDouble), expected[i], bounds[i] * 2);
  }
}

}  // namespace

TEST_CASE("Ladder costs and gradients agree with the reference in float64", "[nn][grad]") {
  for (const auto& name : fixtures()) {
    check_network(name, torch::kDouble);
  }
}

TEST_CASE("Ladder costs and gradients agree with the reference in float32", "[nn][grad]") {
  on_every_route([](ops::ProductRoute) {
    for (const auto& name : fixtures()) {
      check_network(name, torch::kFloat);
    }
  });
}

TEST_CASE("Ladder after ten steps of Adam agrees with the reference", "[nn][train]") {
  for (const auto& name : fixtures()) {
    check_adam(name, torch::kDouble);
    check_adam(name, torch::kFloat);
  }
}

TEST_CASE("Ladder calibrates and infers as the reference does", "[nn]") {
  const DenseFixture fixture("evaluation", torch::kDouble);
  auto net = fixture.build();
  fixture.require_evaluation(net);
}
