#include "apps/support/report/repeat_command.h"

#include <fmt/format.h>
#include <ladder/models/recipes.h>
#include <ladder/runs/run_config.h>
#include <ladder/train/scaled_objective.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "apps/support/command_line.h"
#include "apps/support/program.h"
#include "apps/support/training_settings.h"

namespace ladder::apps {
namespace {

using nlohmann::ordered_json;

// What --lambda takes; none for weights of scaled costs that it cannot give.
std::optional<std::string> lambda_text(const runs::RunConfig& config,
                                       const models::Recipe& recipe) {
  const auto& lambda = config.network.lambda;
  if (!config.scaled_lambda.value_or(false)) return lambda.empty() ? "none" : join(lambda);
  if (lambda.empty()) return std::nullopt;
  auto weights = train::scaled_weights(lambda.size() - 1, lambda.front());
  const auto& usual = recipe.network.lambda;
  for (size_t level = 0; level < weights.size() && usual.size() == weights.size(); ++level) {
    if (usual[level] == 0) weights[level] = 0;
  }
  return weights == lambda ? std::optional(fmt::format("auto:{}", lambda.front())) : std::nullopt;
}

std::optional<std::string> layers_text(const runs::RunConfig& config) {
  const auto units = models::dense_units(config.network);
  return units ? std::optional(join(*units)) : std::nullopt;
}

// A flag and its value, "--epochs 20"; none where no flag gives the setting its value.
std::optional<std::string> flag_text(const runs::Difference& difference,
                                     const runs::RunConfig& config, const models::Recipe& recipe) {
  const auto& name = difference.name;
  const auto named = [](std::string flag) {
    std::replace(flag.begin(), flag.end(), '_', '-');
    return "--" + flag;
  };
  const auto with = [&](const std::optional<std::string>& value) {
    return value ? std::optional(named(name) + " " + *value) : std::nullopt;
  };
  if (name == "input_shape" || name == "top_gamma" || name == "leaky_slope") return std::nullopt;
  if (name == "taught") return "--taught-by RUNS";
  if (name == "lambda" || name == "scaled_lambda") {
    const auto value = lambda_text(config, recipe);
    return value ? std::optional("--lambda " + *value) : std::nullopt;
  }
  if (name == "layers") return with(layers_text(config));
  const auto value = ordered_json::parse(difference.there);
  if (value.is_string()) return with(shell_word(value.get<std::string>()));
  if (value.is_number_float()) return with(fmt::format("{}", value.get<double>()));
  if (!value.is_boolean()) return with(value.dump());
  if (name == "balanced") return value.get<bool>() ? std::nullopt : std::optional("--unbalanced");
  return value.get<bool>() ? std::optional(named(name)) : std::nullopt;  // flags turn on only
}

std::vector<runs::Difference> changed_settings(const runs::RunConfig& config,
                                               const models::Recipe& recipe) {
  auto changed = runs::diff(config, runs::unchanged(recipe, config), runs::Compare::kExperiment);
  const auto is = [](const char* name) {
    return [name](const runs::Difference& one) { return one.name == name; };
  };
  // Weights and what they are multiplied by are one flag.
  if (std::any_of(changed.begin(), changed.end(), is("lambda"))) {
    std::erase_if(changed, is("scaled_lambda"));
  }
  // A batch is cut to the labels without a flag.
  if (config.labeled_batch == std::min(recipe.schedule.labeled_batch, config.labels)) {
    std::erase_if(changed, is("labeled_batch"));
  }
  return changed;
}

}  // namespace

std::optional<std::string> repeat_command(const runs::RunConfig& config) {
  const auto* recipe = models::known_recipe(config.recipe);
  if (recipe == nullptr || !config.seed) return std::nullopt;
  const auto changed = changed_settings(config, *recipe);
  const auto ranks = runs::trained_ranks(config);
  std::string flags, missing;
  for (const auto& difference : changed) {
    if (const auto flag = flag_text(difference, config, *recipe)) {
      flags += " " + *flag;
    } else {
      missing +=
          fmt::format("{}{} {}", missing.empty() ? "" : ", ", difference.name, difference.there);
    }
  }
  if (ranks > 1 && config.statistics && *config.statistics != train::RankStatistics::kLocal) {
    flags += " --statistics " + train::to_string(*config.statistics);
  }
  if (!config.device.is_cpu()) {  // each rank takes a GPU of its own
    const auto type = c10::Device(config.device.type());
    flags += " --device " + (ranks > 1 ? type : config.device).str();
  }
  const auto folder = runs_folder(config.recipe, !changed.empty() || ranks > 1);
  const auto line =
      fmt::format("{0}{1} --recipe {2}{3} --seed {4} --out {5}/seed-{4}",
                  ranks > 1 ? fmt::format("ladder launch -n {} -- ", ranks) : "", config.program,
                  config.recipe, flags, *config.seed, folder.string());
  return missing.empty() ? line : fmt::format("# no flag gives {}; else: {}", missing, line);
}

}  // namespace ladder::apps
