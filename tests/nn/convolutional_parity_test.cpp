// The library against tests/reference/conv_reference.py, a plain PyTorch implementation on
// [B, C, H, W] that shares no code with it: costs, gradients, calibration and inference of networks
// of every kind of stage, and of the published ones narrowed.
#include <torch/torch.h>

#include <string>

#include "ladder/nn/combinators/vanilla_combinator.h"
#include "ladder/nn/ladder.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/nn/stages/noisy_conv.h"
#include "ladder/nn/stages/noisy_global_mean_pool.h"
#include "ladder/nn/stages/noisy_max_pool.h"
#include "ladder/nn/stages/noisy_mean_pool.h"
#include "tests/support/catch.h"
#include "tests/support/fixture.h"
#include "tests/support/products.h"

using namespace ladder;  // NOLINT
using ladder::testing::Fixture;
using ladder::testing::on_every_route;

namespace {

struct ConvFixture : Fixture {
  using Fixture::Fixture;

  // A row of config.layers.
  struct Layer {
    int64_t kind, size, kernel, place;
  };

  AnyStage stage(const Layer& layer, at::IntArrayRef below, double noise_std, bool top) const {
    const auto activation = static_cast<Activation>(integer("config.activation"));
    const bool gamma = integer("config.top_gamma") == 1;
    switch (layer.kind) {
      case 0:
        return NoisyBatchNormLinear(
            NoisyBatchNormLinearOptions{.in_features = c10::multiply_integers(below),
                                        .out_features = layer.size,
                                        .noise_std = noise_std,
                                        .activation = activation,
                                        .softmax_top = top,
                                        .gamma = gamma});
      case 1:
        return NoisyConv(NoisyConvOptions{.in_channels = below[0],
                                          .out_channels = layer.size,
                                          .kernel = layer.kernel,
                                          .border = static_cast<Border>(layer.place % 3),
                                          .stride = layer.place / 3,
                                          .noise_std = noise_std,
                                          .activation = activation});
      case 2:
        return NoisyMaxPool(
            NoisyMaxPoolOptions{.channels = below[0], .size = layer.size, .noise_std = noise_std});
      case 3:
        return NoisyMeanPool(
            NoisyMeanPoolOptions{.channels = below[0], .size = layer.size, .noise_std = noise_std});
      default:
        return NoisyGlobalMeanPool(NoisyGlobalMeanPoolOptions{
            .channels = below[0], .noise_std = noise_std, .softmax_top = top, .gamma = gamma});
    }
  }

  Ladder build() const {
    const auto layers = (*this)["config.layers"];
    const auto noise = numbers("config.noise");
    const auto input_shape = (*this)["config.input_shape"];
    const std::vector<int64_t> row(input_shape.const_data_ptr<int64_t>(),
                                   input_shape.const_data_ptr<int64_t>() + input_shape.numel());
    auto sizes = row;
    sizes.insert(sizes.begin(), 2);
    auto h = torch::zeros(sizes);
    Stages stages;
    for (int64_t l = 0; l < layers.size(0); ++l) {
      const auto* row_of = layers[l].const_data_ptr<int64_t>();
      stages.push_back(stage({row_of[0], row_of[1], row_of[2], row_of[3]}, h.sizes().slice(1),
                             noise[static_cast<size_t>(l) + 1], l + 1 == layers.size(0)));
      h = stages.back()->forward(h, Pass::clean(2, Statistics::kBatch)).h.detach();
    }
    CombinatorFactory vanilla = [](int64_t channels) {
      return VanillaCombinator(VanillaCombinatorOptions{channels});
    };
    return with_parameters(
        Ladder(LadderOptions{.input_shape = row,
                             .lambda = numbers("config.lambda"),
                             .input_noise = noise[0],
                             .combinator =
                                 integer("config.combinator") == 1 ? vanilla : CombinatorFactory()},
               std::move(stages)));
  }

  NoiseSource noise() const {
    std::vector<torch::Tensor> draws;
    for (int l = 0; has("noise." + std::to_string(l)); ++l) {
      draws.push_back((*this)["noise." + std::to_string(l)]);
    }
    return NoiseSource::replay(draws);
  }
};

const std::vector<std::string> kNetworks = {
    "conv-borders",     "conv-strides",    "conv-pools",          "conv-fc",
    "conv-small-gamma", "conv-small-full", "conv-small-baseline", "conv-large-gamma"};

void check_maps(const std::string& name, torch::Dtype dtype) {
  INFO(name << " " << dtype);
  ConvFixture(name, dtype).require_costs_and_gradients(ConvFixture(name, torch::kDouble));
}

}  // namespace

TEST_CASE("Ladder on maps agrees with the reference in float64", "[nn][grad]") {
  for (const auto& name : kNetworks) {
    check_maps(name, torch::kDouble);
  }
}

TEST_CASE("Ladder on maps agrees with the reference in float32", "[nn][grad]") {
  on_every_route([](ops::ProductRoute) {
    for (const auto& name : kNetworks) {
      check_maps(name, torch::kFloat);
    }
  });
}

TEST_CASE("Ladder on maps calibrates and infers as the reference does", "[nn]") {
  const ConvFixture fixture("conv-evaluation", torch::kDouble);
  auto net = fixture.build();
  fixture.require_evaluation(net);
}
