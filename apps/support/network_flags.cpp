#include "apps/support/network_flags.h"

#include <fmt/format.h>
#include <ladder/models/combinators.h>
#include <ladder/train/scaled_objective.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/support/piece_flags.h"

namespace ladder::apps {
namespace {

constexpr int64_t kMaxUnits = 10'000'000;
constexpr double kPixelWeight = 30;  // of the input in --lambda auto, see docs/choosing-lambda.md

void set_layers(runs::RunConfig& config, const std::string& flag, const std::string& text) {
  if (!models::dense_units(config.network)) {
    throw UsageError(
        fmt::format("expected a recipe of dense layers for {} but got {} (in C++, edit its "
                    "models::NetworkOptions).",
                    flag, config.recipe));
  }
  config.network.layers.clear();
  for (const auto units : parse_integers(flag, text, 1, kMaxUnits)) {
    config.network.layers.emplace_back(models::Dense{units});
  }
}

// The weight of the input in "auto" or "auto:W"; none for another text.
std::optional<double> automatic_weight(const std::string& flag, const std::string& text) {
  const std::string name = "auto";
  if (text == name) return kPixelWeight;
  if (!text.starts_with(name + ":")) return std::nullopt;
  return parse_number(flag, text.substr(name.size() + 1), 0);
}

void set_lambda(runs::RunConfig& config, const std::string& flag, const std::string& text) {
  auto& lambda = config.network.lambda;
  const auto words = parse_words(text);
  config.scaled_lambda.reset();
  const auto input = words.size() == 1 ? automatic_weight(flag, words.front()) : std::nullopt;
  if (input) {
    auto weights = train::scaled_weights(config.network.layers.size(), *input);
    if (lambda.size() == weights.size()) {
      for (size_t level = 0; level < weights.size(); ++level) {
        if (lambda[level] == 0) weights[level] = 0;
      }
    }
    lambda = std::move(weights);
    config.scaled_lambda = true;
  } else if (words == std::vector<std::string>{"none"}) {
    lambda.clear();
  } else {
    lambda = parse_numbers(flag, text, 0, "auto, auto:W or none");
  }
}

void set_combinator(runs::RunConfig& config, const std::string& name) {
  std::vector<std::string> names;
  for (const auto& combinator : models::combinators()) {
    names.push_back(combinator.name);
  }
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    throw UsageError(fmt::format("expected a combinator but got '{}'{}.", name,
                                 did_you_mean(name, names, "--list shows all")));
  }
  config.combinator = name;
}

}  // namespace

void add_layers_flag(CommandLine& line, TrainingFlags& flags) {
  line.flag("layers", "N,N,...", "units per layer, from the first hidden layer to the classes",
            [&flags](const std::string& flag, const std::string& text) {
              set_layers(flags.config, flag, text);
            });
}

void add_network_flags(CommandLine& line, TrainingFlags& flags) {
  auto& config = flags.config;
  auto& network = config.network;
  line.flag(
      "lambda", "X,X,...|auto[:W]|none",
      "weight of the denoising cost at the input and after each layer; auto: adapt the recipe's "
      "weights to the size of the costs, with W at the input (30); none: a baseline without a "
      "decoder",
      [&](const std::string& flag, const std::string& text) { set_lambda(config, flag, text); });
  line.number("noise,noise-std", "STD", "noise standard deviation in the layers",
              network.noise_std);
  line.number("input-noise", "STD", "noise standard deviation on the input", network.input_noise);
  line.toggle("detach-targets", "no gradient flows into the clean targets", network.detach_targets);
  line.flag("combinator", "NAME", "denoising function (gaussian, or the recipe's)",
            [&](const std::string&, const std::string& name) { set_combinator(config, name); });
  line.flag("activation", "relu|leaky-relu|tanh|gelu", "activation of the hidden layers",
            [&](const std::string& flag, const std::string& text) {
              network.activation = activation_from_string(
                  parse_choice(flag, text, {"relu", "leaky-relu", "tanh", "gelu"}));
            });
}

std::string combinator_table() {
  auto text = fmt::format("{:<18}  {}\n", "combinator", "what it is");
  for (const auto& combinator : models::combinators()) {
    text += fmt::format("{:<18}  {}\n", combinator.name, combinator.summary);
  }
  return text;
}

void check_network(const runs::RunConfig& config, int64_t classes, bool combinator_given) {
  const auto& network = config.network;
  const auto units = models::dense_units(network);
  if (units && units->back() != classes) {
    throw UsageError(
        fmt::format("expected {} units in the last of --layers, one for each class, but got {} "
                    "({}).",
                    classes, units->back(), join(*units)));
  }
  const auto levels = network.layers.size() + 1;
  if (!network.lambda.empty() && network.lambda.size() != levels) {
    throw UsageError(
        fmt::format("expected {} weights in --lambda, for the input and each of {} layers, but got "
                    "{} ({}).",
                    levels, levels - 1, network.lambda.size(), join(network.lambda)));
  }
  const bool decoder = has_cost_from(network, 0);
  if (config.candidates > 1 && !decoder) {
    throw UsageError(
        "expected a weight above 0 in --lambda for --candidates but got none (their predictions of "
        "unlabeled rows are compared).");
  }
  check_pieces(config);
  if (network.detach_targets && !has_cost_from(network, 1)) {
    throw UsageError(
        "expected a weight above 0 in --lambda after a layer for --detach-targets but got none (no "
        "cost has clean targets).");
  }
  if (combinator_given && !decoder) {
    throw UsageError(
        fmt::format("expected a weight above 0 in --lambda for --combinator {} but got none (a "
                    "baseline has no decoder).",
                    config.combinator));
  }
}

}  // namespace ladder::apps
