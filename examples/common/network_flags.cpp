#include "examples/common/network_flags.h"

#include <fmt/format.h>
#include <ladder/nn/vanilla_combinator.h>

#include <vector>

namespace ladder::examples {

void add_network_flags(CommandLine& line, models::NetworkOptions& network,
                       std::string& combinator) {
  line.flag("lambda", "X,X,...|none", "weights of the denoising costs of levels 0 up",
            [&](const std::string& text) {
              network.lambda =
                  text == "none" ? std::vector<double>() : parse_numbers("--lambda", text, 0);
            });
  line.number("noise", "STD", "of the noise at levels 1 up", network.noise);
  line.number("input-noise", "STD", "of the noise on the input", network.input_noise);
  line.flag("combinator", "gaussian|vanilla", "denoising function (gaussian)",
            [&](const std::string& text) {
              combinator = parse_choice("--combinator", text, {"gaussian", "vanilla"});
              network.combinator = nullptr;
              if (combinator == "vanilla") {
                network.combinator = [](int64_t channels) {
                  return VanillaCombinator(VanillaCombinatorOptions{.channels = channels});
                };
              }
            });
  line.flag("activation", "relu|leaky-relu|tanh|gelu", "of the hidden levels (the recipe's)",
            [&](const std::string& text) {
              network.activation = activation_from_string(
                  parse_choice("--activation", text, {"relu", "leaky-relu", "tanh", "gelu"}));
            });
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

}  // namespace ladder::examples
