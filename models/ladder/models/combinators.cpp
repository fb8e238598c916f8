#include "ladder/models/combinators.h"

#include <c10/util/Exception.h>
#include <ladder/nn/combinators/gaussian_combinator.h>
#include <ladder/nn/combinators/mlp_combinator.h>
#include <ladder/nn/combinators/vanilla_combinator.h>

#include <algorithm>

#include "ladder/core/nearest_name.h"

namespace ladder::models {
namespace {

CombinatorFactory gaussian(GaussianCombinatorOptions options) {
  return [options](int64_t channels) {
    auto of_level = options;
    of_level.channels = channels;
    return GaussianCombinator(of_level);
  };
}

CombinatorFactory vanilla(VanillaCombinatorOptions options) {
  return [options](int64_t channels) {
    auto of_level = options;
    of_level.channels = channels;
    return VanillaCombinator(of_level);
  };
}

CombinatorFactory perceptron(std::vector<int64_t> hidden, bool augmented) {
  return [hidden = std::move(hidden), augmented](int64_t channels) {
    return MlpCombinator(
        MlpCombinatorOptions{.channels = channels, .hidden = hidden, .augmented = augmented});
  };
}

// clang-format off
std::vector<NamedCombinator> combinator_table() {
  return {
      {"gaussian", "affine in z~, with mean and share as functions of u [Rasmus2015]",
       gaussian({})},
      {"gaussian-sigmoid", "gaussian with the share through a sigmoid",
       gaussian({.sigmoid_v = true})},
      {"vanilla", "linear and sigmoid terms of z~, u and z~ u [Pezeshki2016]",
       vanilla({})},
      {"vanilla-random", "vanilla from random parameters",
       vanilla({.init = VanillaInit::kRandom})},
      {"vanilla-reversed", "vanilla that trusts u at first, not z~",
       vanilla({.init = VanillaInit::kReversed})},
      {"vanilla-no-lateral", "vanilla without z~",
       vanilla({.lateral = false})},
      {"no-sigmoid", "vanilla without its sigmoid",
       vanilla({.sigmoid = false})},
      {"no-cross", "vanilla without z~ u",
       vanilla({.cross_term = false})},
      {"linear", "vanilla without either: b + w z~ + w' u",
       vanilla({.sigmoid = false, .cross_term = false})},
      {"mlp-4", "a perceptron a unit on [u, z~], hidden units 4", perceptron({4}, false)},
      {"mlp-2-2", "the same, hidden units 2, 2", perceptron({2, 2}, false)},
      {"mlp-2-2-2", "the same, hidden units 2, 2, 2", perceptron({2, 2, 2}, false)},
      {"amlp-4", "a perceptron a unit on [u, z~, u z~], hidden units 4", perceptron({4}, true)},
      {"amlp-2-2", "the same, hidden units 2, 2", perceptron({2, 2}, true)},
      {"amlp-2-2-2", "the same, hidden units 2, 2, 2 [Pezeshki2016]", perceptron({2, 2, 2}, true)},
  };
}
// clang-format on

}  // namespace

const std::vector<NamedCombinator>& combinators() {
  static const std::vector<NamedCombinator> all = combinator_table();
  return all;
}

const NamedCombinator& find_combinator(const std::string& name) {
  const auto& all = combinators();
  const auto found = std::find_if(all.begin(), all.end(), [&](const NamedCombinator& combinator) {
    return combinator.name == name;
  });
  if (found == all.end()) {
    std::vector<std::string> names;
    for (const auto& combinator : all) {
      names.push_back(combinator.name);
    }
    TORCH_CHECK(false, "find_combinator: expected the name of a combinator but got '", name, "'",
                name_hint(name, names, ""), ".");
  }
  return *found;
}

}  // namespace ladder::models
