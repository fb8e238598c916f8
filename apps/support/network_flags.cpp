#include "apps/support/network_flags.h"

#include <fmt/format.h>
#include <ladder/models/combinators.h>
#include <ladder/models/nearest_name.h>

#include <vector>

namespace ladder::apps {

namespace {

void add_combinator_flag(CommandLine& line, models::Recipe& recipe) {
  line.flag("combinator", "NAME", "denoising function (gaussian, or the recipe's)",
            [&recipe](const std::string& name) {
              std::vector<std::string> names;
              for (const auto& combinator : models::combinators()) {
                names.push_back(combinator.name);
                if (combinator.name == name) {
                  recipe.combinator = name;
                  recipe.network.combinator = combinator.make;
                  return;
                }
              }
              throw UsageError(fmt::format(
                  "expected a combinator but got '{}' (did you mean {}? --list shows all).", name,
                  models::nearest_name(name, names)));
            });
}

}  // namespace

void add_network_flags(CommandLine& line, models::Recipe& recipe) {
  auto& network = recipe.network;
  line.flag("lambda", "X,X,...|none", "weights of the denoising costs of levels 0 up",
            [&](const std::string& text) {
              network.lambda =
                  text == "none" ? std::vector<double>() : parse_numbers("--lambda", text, 0);
            });
  line.number("noise", "STD", "of the noise at levels 1 up", network.noise_std);
  line.number("input-noise", "STD", "of the noise on the input", network.input_noise);
  add_combinator_flag(line, recipe);
  line.flag("activation", "relu|leaky-relu|tanh|gelu", "of the hidden levels (the recipe's)",
            [&](const std::string& text) {
              network.activation = activation_from_string(
                  parse_choice("--activation", text, {"relu", "leaky-relu", "tanh", "gelu"}));
            });
}

std::string combinator_table() {
  auto text = fmt::format("{:<18}  {}\n", "combinator", "what it is");
  for (const auto& combinator : models::combinators()) {
    text += fmt::format("{:<18}  {}\n", combinator.name, combinator.summary);
  }
  return text;
}

void check_lambda(const models::NetworkOptions& network) {
  const auto levels = network.layers.size() + 1;
  if (!network.lambda.empty() && network.lambda.size() != levels) {
    throw UsageError(
        fmt::format("expected {} weights in --lambda, for the input and each of {} layers, but got "
                    "{} ({}).",
                    levels, levels - 1, network.lambda.size(), join(network.lambda)));
  }
}

}  // namespace ladder::apps
