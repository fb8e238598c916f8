// The library against tests/reference/ladder_reference.py, a plain PyTorch implementation that
// shares no code with it: costs, gradients, ten steps of Adam, calibration and inference.
#include <torch/torch.h>

#include <string>
#include <vector>

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

struct CodedCombinator {
  CombinatorFactory make;
  const char* fixture;  // its network is in "combinator-..."; null: other fixtures have it
};

// The combinators, each at the place of its code in make_fixtures.py: a new one is one line here.
std::vector<CodedCombinator> coded_combinators() {
  const auto sigmoid = [](int64_t channels) {
    return GaussianCombinator(GaussianCombinatorOptions{.channels = channels, .sigmoid_v = true});
  };
  const auto direct = [](int64_t channels) {
    return DirectCombinator(DirectCombinatorOptions{channels});
  };
  return {
      {CombinatorFactory(), nullptr},
      {vanilla({}), nullptr},
      {sigmoid, "gaussian-sigmoid"},
      {vanilla({.lateral = false}), "no-lateral"},
      {vanilla({.sigmoid = false}), "no-sigmoid"},
      {vanilla({.cross_term = false}), "no-cross"},
      {vanilla({.sigmoid = false, .cross_term = false}), "linear"},
      {perceptron({4}, false), "mlp-4"},
      {perceptron({2, 2, 2}, true), "amlp-2-2-2"},
      {direct, "direct"},
      {perceptron({2, 2}, false), "mlp-2-2"},
      {perceptron({2, 2, 2}, false), "mlp-2-2-2"},
      {perceptron({4}, true), "amlp-4"},
      {perceptron({2, 2}, true), "amlp-2-2"},
  };
}

CombinatorFactory combinator_of(int64_t code) {
  const auto all = coded_combinators();
  INFO("combinator of code " << code);
  REQUIRE(code >= 0);
  REQUIRE(static_cast<size_t>(code) < all.size());
  return all[static_cast<size_t>(code)].make;
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
  for (const auto& combinator : coded_combinators()) {
    if (combinator.fixture != nullptr) {
      names.push_back(std::string("combinator-") + combinator.fixture);
    }
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
