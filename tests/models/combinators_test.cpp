#include "ladder/models/combinators.h"

#include <ladder/models/mlp.h>
#include <ladder/nn/combinators/vanilla_combinator.h>
#include <torch/torch.h>

#include <atomic>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"

using namespace ladder;  // NOLINT
using ladder::models::find_combinator;
using ladder::testing::error_text;

namespace {

// Every combinator as it prints itself with 5 channels: a new one is one line here.
const std::map<std::string, std::string>& texts_of_combinators() {
  static const std::map<std::string, std::string> kTexts = {
      {"gaussian", "ladder::GaussianCombinator(5)"},
      {"gaussian-sigmoid", "ladder::GaussianCombinator(5, sigmoid_v)"},
      {"vanilla", "ladder::VanillaCombinator(5)"},
      {"vanilla-random", "ladder::VanillaCombinator(5, random)"},
      {"vanilla-reversed", "ladder::VanillaCombinator(5, reversed)"},
      {"vanilla-no-lateral", "ladder::VanillaCombinator(5, no lateral)"},
      {"no-sigmoid", "ladder::VanillaCombinator(5, no sigmoid)"},
      {"no-cross", "ladder::VanillaCombinator(5, no cross term)"},
      {"linear", "ladder::VanillaCombinator(5, no sigmoid, no cross term)"},
      {"mlp-4", "ladder::MlpCombinator(5, [4])"},
      {"mlp-2-2", "ladder::MlpCombinator(5, [2, 2])"},
      {"mlp-2-2-2", "ladder::MlpCombinator(5, [2, 2, 2])"},
      {"amlp-4", "ladder::MlpCombinator(5, [4], augmented)"},
      {"amlp-2-2", "ladder::MlpCombinator(5, [2, 2], augmented)"},
      {"amlp-2-2-2", "ladder::MlpCombinator(5, [2, 2, 2], augmented)"},
  };
  return kTexts;
}

}  // namespace

TEST_CASE("Combinators: names are unique and each is found", "[models]") {
  std::set<std::string> names;
  for (const auto& combinator : models::combinators()) {
    INFO(combinator.name);
    CHECK(names.insert(combinator.name).second);
    CHECK(&find_combinator(combinator.name) == &combinator);
    CHECK_FALSE(combinator.summary.empty());
  }
}

TEST_CASE("Combinators: each is what its name says", "[models]") {
  const auto& texts = texts_of_combinators();
  for (const auto& combinator : models::combinators()) {
    INFO(combinator.name);
    std::ostringstream stream;
    combinator.make(5).module()->pretty_print(stream);
    REQUIRE(texts.contains(combinator.name));
    CHECK(stream.str() == texts.at(combinator.name));
  }
  CHECK(models::combinators().size() == texts.size());
}

TEST_CASE("Combinators: two threads make one of each size at once", "[models][threads]") {
  constexpr int kTimes = 2000;
  const auto& make = find_combinator("gaussian").make;
  std::atomic<int> ready = 0, wrong = 0;
  const auto work = [&](int64_t channels) {
    ++ready;
    while (ready < 2) std::this_thread::yield();
    for (int i = 0; i < kTimes; ++i) {
      wrong += make(channels).module()->parameters()[0].size(1) == channels ? 0 : 1;
    }
  };
  std::thread other([&] { work(3); });
  work(5);
  other.join();
  CHECK(wrong == 0);
}

TEST_CASE("Combinators: an option of a network, as a factory or by name", "[models]") {
  models::MlpOptions options{.layers = {40, 10}, .lambda = {100, 1, 0.1}};
  options.combinator = [](int64_t channels) {
    return VanillaCombinator(VanillaCombinatorOptions{.channels = channels, .cross_term = false});
  };
  auto ablated = models::mlp(options);
  options.combinator = models::find_combinator("amlp-2-2-2").make;  // or by name
  auto perceptrons = models::mlp(options);
  const auto weight = [](const Ladder& net) {
    return net->named_parameters()["decoder.combinators.1.weight"].sizes().vec();
  };
  CHECK(weight(ablated) == std::vector<int64_t>{7, 40});
  CHECK(weight(perceptrons) == std::vector<int64_t>{23, 40});
}

TEST_CASE("Combinators: with each a network learns", "[models]") {
  torch::manual_seed(1);
  const SemiBatch batch{torch::rand({6, 11}), torch::randint(3, {6}), torch::rand({8, 11})};
  for (const auto& combinator : models::combinators()) {
    INFO(combinator.name);
    auto net = models::full_ladder(
        {.in_features = 11, .layers = {7, 3}, .combinator = combinator.make}, 10, 1, 0.1);
    reset_parameters(*net, 1);
    torch::optim::Adam adam(net->parameters(), 0.01);
    double first = 0;
    double last = 0;
    for (int step = 0; step < 60; ++step) {
      NoiseSource noise(2);
      adam.zero_grad();
      const auto loss = net->loss(batch, noise);
      loss.total.backward();
      for (const auto& p : net->named_parameters()) {
        INFO(p.key());
        REQUIRE(p.value().grad().defined());
      }
      adam.step();
      last = loss.total.item<double>();
      first = step == 0 ? last : first;
    }
    CHECK(last < 0.8 * first);
  }
}

TEST_CASE("Combinators: an unknown name is answered with the nearest", "[models]") {
  CHECK(error_text([] { find_combinator("gausian"); }) ==
        "find_combinator: expected the name of a combinator but got 'gausian' (did you mean "
        "gaussian?).");
  CHECK(error_text([] { find_combinator("amlp-22"); }) ==
        "find_combinator: expected the name of a combinator but got 'amlp-22' (did you mean "
        "amlp-2-2?).");
}
