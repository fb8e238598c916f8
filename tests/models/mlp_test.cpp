#include "ladder/models/mlp.h"

#include <torch/torch.h>

#include "ladder/nn/combinators/vanilla_combinator.h"
#include "tests/support/catch.h"
#include "tests/support/networks.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::parameter_count;
using ladder::testing::require_close;

TEST_CASE("models build the published MNIST network by default", "[models]") {
  const auto net = models::mlp({});
  CHECK(net->shapes ==
        std::vector<std::vector<int64_t>>{{784}, {1000}, {500}, {250}, {250}, {250}, {10}});
  const int64_t weights = 784 * 1000 + 1000 * 500 + 500 * 250 + 250 * 250 * 2 + 250 * 10;
  const int64_t units = 1000 + 500 + 250 * 3 + 10;
  // Encoder weights, beta everywhere, gamma at the top; decoder weights and ten numbers a unit.
  CHECK(parameter_count(net) == 2 * weights + units + 10 + 10 * (784 + units));
}

TEST_CASE("models differ in their lambda alone", "[models]") {
  using Lambda = std::vector<double>;
  CHECK(models::full_ladder({})->options.lambda == Lambda{1000, 10, .1, .1, .1, .1, .1});
  CHECK(models::gamma_model({})->options.lambda == Lambda{0, 0, 0, 0, 0, 0, .5});
  CHECK(models::bottom_ladder({})->options.lambda == Lambda{5000, 0, 0, 0, 0, 0, 0});
  CHECK_FALSE(models::baseline({})->has_decoder());
}

TEST_CASE("models take any widths, classes, combinator and activation", "[models]") {
  torch::manual_seed(1);
  for (const auto activation :
       {Activation::kRelu, Activation::kLeakyRelu, Activation::kTanh, Activation::kGelu}) {
    for (const std::vector<int64_t>& layers :
         {std::vector<int64_t>{2}, {1, 2}, {7, 3}, {16, 9, 4, 5}}) {
      for (const bool vanilla : {false, true}) {
        INFO(to_string(activation) << ", " << layers.size() << " layers");
        models::MlpOptions options{.in_features = 11, .layers = layers, .activation = activation};
        if (vanilla) {
          options.combinator = [](int64_t channels) {
            return VanillaCombinator(VanillaCombinatorOptions{channels});
          };
        }
        const SemiBatch batch{torch::rand({6, 11}), torch::randint(layers.back(), {6}),
                              torch::rand({8, 11})};
        for (auto net : {models::full_ladder(options), models::gamma_model(options),
                         models::bottom_ladder(options), models::baseline(options)}) {
          NoiseSource noise(1);
          const auto loss = net->loss(batch, noise);
          loss.total.backward();
          CHECK(std::isfinite(loss.total.item<double>()));
          for (const auto& p : net->named_parameters()) {
            INFO(p.key());
            CHECK(p.value().grad().defined());
          }
          net->calibrate(batch.x_unlabeled, 4);
          net->eval();
          CHECK(net->forward(batch.x_labeled).sizes() == at::IntArrayRef({6, layers.back()}));
        }
      }
    }
  }
}

TEST_CASE("models name what does not fit", "[models]") {
  CHECK_THROWS_WITH(models::mlp({.layers = {}}), Catch::Contains("expected at least one layer"));
  CHECK_THROWS_WITH(models::mlp({.layers = {5, 1}}),
                    Catch::Contains("expected at least 2 classes"));
  CHECK_THROWS_WITH(models::mlp({.layers = {5, 3}, .lambda = {1}}),
                    Catch::Contains("expected 3 values of lambda for 2 stages"));
  CHECK_THROWS_WITH(models::mlp({.layers = {0, 3}, .lambda = {}}),
                    Catch::Contains("expected sizes of at least 1 but got [0] from dense 0"));
}
