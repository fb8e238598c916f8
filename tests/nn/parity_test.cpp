// The library against tests/reference/ladder_reference.py, a plain PyTorch implementation that
// shares no code with it: costs, gradients, ten steps of Adam, calibration and inference.
#include <torch/torch.h>

#include <string>

#include "ladder/nn/gaussian_combinator.h"
#include "ladder/nn/ladder.h"
#include "ladder/nn/noisy_batch_norm_linear.h"
#include "ladder/nn/vanilla_combinator.h"
#include "ladder/ops/product.h"
#include "ladder/train/fused_adam.h"
#include "tests/support/catch.h"
#include "tests/support/fixture.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::Fixture;
using ladder::testing::require_close;

namespace {

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
    CombinatorFactory vanilla = [](int64_t channels) {
      return VanillaCombinator(VanillaCombinatorOptions{channels});
    };
    Ladder net(LadderOptions{.input_shape = {static_cast<int64_t>(layers[0])},
                             .lambda = numbers("config.lambda"),
                             .input_noise = noise[0],
                             .combinator =
                                 integer("config.combinator") == 1 ? vanilla : CombinatorFactory()},
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

const std::vector<std::string> kNetworks = {"full-gaussian-relu",
                                            "full-vanilla-leaky",
                                            "full-gaussian-tanh",
                                            "full-vanilla-gelu",
                                            "gamma",
                                            "bottom",
                                            "baseline"};

void check_network(const std::string& name, torch::Dtype dtype, double rtol, double atol) {
  INFO(name << " " << dtype);
  const DenseFixture fixture(name, dtype);
  auto net = fixture.build();
  auto noise = fixture.noise();
  const auto loss = net->loss(fixture.batch(), noise);
  fixture.require_costs_and_gradients(net, loss, rtol, atol);
}

void check_adam(const std::string& name, torch::Dtype dtype, double rtol, double atol) {
  INFO(name << " " << dtype);
  const DenseFixture fixture(name, dtype);
  auto net = fixture.build();
  train::FusedAdam adam(*net, torch::optim::AdamOptions(0.002));
  const auto totals = fixture["adam.total"];
  for (int64_t step = 0; step < 10; ++step) {
    auto noise = fixture.noise();
    adam.zero_grad();
    const auto loss = net->loss(fixture.batch(), noise);
    require_close(loss.total, totals[step], rtol, atol);
    loss.total.backward();
    adam.step();
  }
  for (const auto& parameter : net->named_parameters()) {
    INFO(parameter.key());
    require_close(parameter.value(), fixture["adam.param." + parameter.key()], rtol, atol);
  }
}

}  // namespace

TEST_CASE("Ladder costs and gradients agree with the reference in float64", "[nn][grad]") {
  for (const auto& name : kNetworks) {
    for (const char* form : {"-quiet", "-noisy"}) {
      check_network(name + form, torch::kDouble, 1e-9, 1e-11);
    }
  }
}

TEST_CASE("Ladder costs and gradients agree with the reference in float32", "[nn][grad]") {
  const auto keep = ops::product_route();
  for (const auto route : ops::available_product_routes()) {
    ops::set_product_route(route);
    for (const auto& name : kNetworks) {
      for (const char* form : {"-quiet", "-noisy"}) {
        check_network(name + form, torch::kFloat, 1e-4, 1e-5);
      }
    }
  }
  ops::set_product_route(keep);
}

TEST_CASE("Ladder after ten steps of Adam agrees with the reference", "[nn][train]") {
  for (const auto& name : kNetworks) {
    for (const char* form : {"-quiet", "-noisy"}) {
      check_adam(name + form, torch::kDouble, 1e-9, 1e-11);
      check_adam(name + form, torch::kFloat, 1e-4, 1e-5);
    }
  }
}

TEST_CASE("Ladder calibrates and infers as the reference does", "[nn]") {
  const DenseFixture fixture("evaluation", torch::kDouble);
  auto net = fixture.build();
  fixture.require_evaluation(net);
}
