#include "apps/support/recipe_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/models/network.h>
#include <ladder/runs/run_config.h>

namespace ladder::apps {
namespace {

// "784-1000-10", or the number of levels of a convolutional network.
std::string kind(const models::Recipe& recipe) {
  const auto& network = recipe.network;
  if (const auto units = models::dense_units(network)) {
    return fmt::format("{}-{}", network.input_shape.at(0), fmt::join(*units, "-"));
  }
  return fmt::format("{} levels over {}", network.layers.size(),
                     fmt::join(network.input_shape, "x"));
}

}  // namespace

std::string recipe_table(const std::vector<models::Recipe>& recipes) {
  constexpr const char* kRow = "{:<30}  {:<31}  {:<18}  {:>6}  {:<32}  {:>5}  {}\n";
  auto text = fmt::format(kRow, "name", "network", "combinator", "labels", "lambda (level 0 up)",
                          "noise", "published error, %");
  for (const auto& recipe : recipes) {
    const auto& lambda = recipe.network.lambda;
    text += fmt::format(
        kRow, recipe.name, kind(recipe), lambda.empty() ? "-" : recipe.combinator,
        runs::labels_text(recipe.labels),
        lambda.empty() ? "none" : fmt::format("{}", fmt::join(lambda, ",")),
        recipe.network.noise_std,
        recipe.published ? models::to_string(*recipe.published) : "- (" + recipe.source + ")");
  }
  return text;
}

}  // namespace ladder::apps
