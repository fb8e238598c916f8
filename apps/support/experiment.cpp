#include "apps/support/experiment.h"

#include <fmt/format.h>
#include <ladder/data/split.h>
#include <ladder/nn/random_init.h>
#include <ladder/ops/product.h>
#include <ladder/runs/run_folder.h>
#include <ladder/runs/seed_summary.h>
#include <ladder/train/trainer.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "apps/support/program.h"
#include "apps/support/progress.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr const char* kEnvironment = "environment";
constexpr const char* kDevice = "device";

std::string beside_published(const models::Recipe& recipe) {
  return recipe.published ? fmt::format(" (published {} % for {})",
                                        models::to_string(*recipe.published), recipe.name)
                          : std::string();
}

ordered_json configuration(const Experiment& experiment, const TrainingFlags& flags, uint64_t seed,
                           int64_t labeled_batch) {
  auto config = settings(experiment.program, experiment.network, flags,
                         {.rows = experiment.train_inputs.size(0),
                          .classes = experiment.classes,
                          .test_rows = experiment.test_inputs.size(0)});
  config.update({{"train_rows", experiment.train_inputs.size(0)},
                 {"test_rows", experiment.test_inputs.size(0)},
                 {"labeled_batch", labeled_batch},
                 {"seed", seed}});
  return config;
}

std::optional<ordered_json> stored_configuration(const fs::path& folder) {
  std::ifstream file(folder / "config.json");
  if (!file) {
    return std::nullopt;
  }
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  auto config = ordered_json::parse(text, nullptr, false);
  TORCH_CHECK(config.is_object(), "expected the configuration of a run in ",
              (folder / "config.json").string(), " but got something else than a JSON object.");
  return config;
}

void note_change(const char* key, const ordered_json& there, const ordered_json& here,
                 ProgressLine* line) {
  if (line != nullptr && there != here) {
    line->print(
        fmt::format("note: started with {} {}, continued with {}: the numbers may differ "
                    "from those of an uninterrupted run",
                    key, there.dump(), here.dump()));
  }
}

// A run may go on elsewhere: its environment is that of its start, and changes are only told, to
// `line` where there is one.
void adopt_environment(ordered_json& config, const ordered_json& stored, ProgressLine* line) {
  const auto here = config[kEnvironment];
  config[kEnvironment] = stored.value(kEnvironment, here);
  for (const char* key : {"cpu", "threads", "kernels", "libtorch", "commit"}) {
    note_change(key, config[kEnvironment].value(key, ordered_json()), here[key], line);
  }
}

// The same of the device, which is one of the settings: a checkpoint fits any.
void adopt_device(ordered_json& config, const ordered_json& stored, ProgressLine* line) {
  if (stored.contains(kDevice)) {
    note_change(kDevice, stored.at(kDevice), config[kDevice], line);
    config[kDevice] = stored.at(kDevice);
  }
}

// The configuration of a run, whose products go on by the route that it was started with.
ordered_json settled_configuration(const Experiment& experiment, const TrainingFlags& flags,
                                   const fs::path& folder, uint64_t seed, int64_t labeled_batch,
                                   ops::ProductPlan& products, ProgressLine& line) {
  auto config = configuration(experiment, flags, seed, labeled_batch);
  const auto stored = stored_configuration(folder);
  if (stored && !flags.resume) {
    throw UsageError(
        fmt::format("expected an empty folder but got a run in {} (--resume continues "
                    "it, --out takes another folder).",
                    folder.string()));
  }
  auto* const told = fs::exists(folder / "result.json") ? nullptr : &line;
  if (stored) {
    adopt_device(config, *stored, told);
    auto settings = *stored;
    settings.erase(kEnvironment);
    const auto differences = runs::config_differences(settings.dump(), config.dump());
    if (!differences.empty()) {
      throw UsageError(
          fmt::format("expected the settings that the run in {} was started with but "
                      "got others (give the flags of its start again): {}.",
                      folder.string(), differences));
    }
    const auto route =
        stored->value(ordered_json::json_pointer("/environment/product_route"), std::string());
    for (const auto known : ops::available_product_routes()) {
      if (ops::to_string(known) == route) {
        products.route = known;
      }
    }
  }
  config[kEnvironment] = environment(products);
  config[kEnvironment]["data_dir"] = experiment.data_dir;
  if (stored) {
    adopt_environment(config, *stored, told);
  }
  return config;
}

data::Split split_rows(const Experiment& experiment, const TrainingFlags& flags, uint64_t seed) {
  try {
    return data::make_split(
        experiment.train_labels, experiment.classes,
        {.labels = flags.recipe.labels,
         .validation = flags.validation,
         .seed = seed,
         .balance = flags.unbalanced ? data::Balance::kUnbalanced : data::Balance::kBalanced});
  } catch (const c10::Error& error) {
    throw UsageError(error.what_without_backtrace());
  }
}

train::TrainOptions train_options(const TrainingFlags& flags, int64_t labeled_batch, bool decoder,
                                  uint64_t seed) {
  const auto& schedule = flags.recipe.schedule;
  return {.epochs = schedule.epochs,
          .learning_rate = schedule.learning_rate,
          .decay_from = schedule.decay_from,
          .labeled_batch = labeled_batch,
          .unlabeled_batch = decoder ? schedule.unlabeled_batch : 0,
          .seed = seed,
          .eval_every = flags.eval_every,
          .calibration = flags.calibration == "labeled" ? train::Calibration::kLabeledRows
                                                        : train::Calibration::kTrainingRows,
          .patience = flags.patience,
          .graph = flags.no_graph ? std::optional(false) : std::nullopt,
          .checkpoint_every_seconds = flags.checkpoint_seconds};
}

// A run ready to start, and the line that tells of it: `shows_progress` between evaluations, too.
struct SeedRun {
  std::unique_ptr<ProgressLine> line;
  train::Trainer trainer;
};

SeedRun seed_run(const Experiment& experiment, const TrainingFlags& flags, uint64_t seed,
                 const fs::path& folder, const std::string& name, bool shows_progress) {
  auto told = std::make_unique<ProgressLine>(flags.recipe.schedule.epochs, flags.quiet, name);
  auto& line = *told;
  const auto split = split_rows(experiment, flags, seed);
  check_batch_size(flags, split.unlabeled.numel());
  const auto labeled_batch = std::min(flags.recipe.schedule.labeled_batch, split.labeled.numel());
  auto products = flags.products;
  const auto config =
      settled_configuration(experiment, flags, folder, seed, labeled_batch, products, line);

  auto net = experiment.build();
  reset_parameters(*net, stream_seed(seed, "init"));
  net->to(flags.torch_device(), flags.dtype());

  const auto device = flags.torch_device();
  train::TrainData rows{.training = {.inputs = experiment.train_inputs,
                                     .labels = experiment.train_labels.to(device),
                                     .labeled = split.labeled.to(device),
                                     .unlabeled = split.unlabeled.to(device)},
                        .test_inputs = experiment.test_inputs,
                        .test_labels = experiment.test_labels.to(device)};
  if (flags.validation > 0) {
    rows.validation = split.validation.to(device);
  }
  auto options = train_options(flags, labeled_batch, net->has_decoder(), seed);
  options.products = products;
  options.record = runs::in_folder(folder, {.config = config.dump(2), .resume = flags.resume});
  train::Trainer trainer(net, std::move(rows), options);
  const auto steps = trainer.steps();
  if (trainer.step() > 0) {
    line.print(fmt::format("continuing at step {} of {}", trainer.step(), steps));
  }
  if (shows_progress) {
    trainer.callbacks.on_progress = [&line](const train::Progress& at) { line.progress(at); };
  }
  trainer.callbacks.on_evaluation = [&line, steps](const train::Evaluation& at) {
    line.evaluation(at, steps);
  };
  trainer.callbacks.stop_requested = stop_requested;
  return {std::move(told), std::move(trainer)};
}

fs::path seed_folder(const TrainingFlags& flags, uint64_t seed) {
  return flags.seeds.empty() ? flags.out : flags.out / fmt::format("seed-{}", seed);
}

void announce(const TrainingFlags& flags, uint64_t seed) {
  if (!flags.quiet) {
    fmt::print("{}, seed {}, in {}\n", flags.recipe.name, seed, seed_folder(flags, seed).string());
    std::fflush(stdout);
  }
}

// The results of all seeds, in their order.
std::vector<train::TrainResult> run_at_once(const Experiment& experiment,
                                            const TrainingFlags& flags) {
  std::vector<std::unique_ptr<ProgressLine>> lines;
  std::vector<train::Trainer> trainers;
  for (const auto seed : flags.seeds) {
    announce(flags, seed);
    auto run = seed_run(experiment, flags, seed, seed_folder(flags, seed),
                        fmt::format("seed {}", seed), trainers.empty());
    lines.push_back(std::move(run.line));
    trainers.push_back(std::move(run.trainer));
  }
  return train::run_together(trainers);
}

std::string outcome(const train::TrainResult& result, const models::Recipe& recipe) {
  const auto& last = *result.last;
  std::string text;
  if (last.validation_error) {
    text = "validation error " + percent_text(*last.validation_error) + ", ";
  }
  text += "test error " + percent_text(last.test_error.value()) + beside_published(recipe);
  if (result.status == train::TrainStatus::kStoppedEarly) {
    text += fmt::format(", stopped early after epoch {}", last.epoch);
  }
  return text;
}

int interrupted(const Experiment& experiment, const TrainingFlags& flags, const fs::path& folder,
                int64_t step) {
  const auto command = flags.resume ? experiment.command : experiment.command + " --resume";
  fmt::print("interrupted at step {}, saved in {}; to go on:\n  {}\n", step, folder.string(),
             command);
  std::fflush(stdout);
  return kInterrupted;
}

void print_table(const TrainingFlags& flags, const std::vector<double>& values) {
  const auto summary = runs::summarize(values);
  if (!flags.quiet) {
    fmt::print("\n{:>6}  test error, %\n", "seed");
    for (size_t i = 0; i < values.size(); ++i) {
      fmt::print("{:>6}  {:.2f}\n", flags.seeds[i], values[i]);
    }
  }
  fmt::print("mean {:.3f}  std {}  median {:.3f}  over {} seed{}{}\n", summary.mean,
             values.size() > 1 ? fmt::format("{:.3f}", summary.std) : "-", summary.median,
             values.size(), values.size() > 1 ? "s" : "", beside_published(flags.recipe));
}

}  // namespace

ordered_json settings(const std::string& program, const ordered_json& network,
                      const TrainingFlags& flags, const DatasetFacts& facts) {
  const auto& recipe = flags.recipe;
  const auto& schedule = recipe.schedule;
  const bool all = recipe.labels == data::kAllLabels;
  ordered_json object = {
      {"program", program}, {"recipe", recipe.name}, {"dataset", recipe.dataset}};
  if (!flags.data_dir) {
    object.update({{"train_rows", facts.rows}, {"test_rows", facts.test_rows}});
  }
  object["classes"] = facts.classes;
  object["labels"] = all ? ordered_json("all") : ordered_json(recipe.labels);
  object["balanced"] = !flags.unbalanced;
  object["validation"] = flags.validation;
  object.update(network);
  object.update({{"epochs", schedule.epochs},
                 {"learning_rate", schedule.learning_rate},
                 {"decay_from", schedule.decay_from},
                 {"batch_size", schedule.unlabeled_batch},
                 {"labeled_batch",
                  all ? schedule.labeled_batch : std::min(schedule.labeled_batch, recipe.labels)},
                 {"eval_every", flags.eval_every},
                 {"calibration", flags.calibration},
                 {"patience", flags.patience},
                 {"device", flags.device},
                 {"precision", models::to_string(flags.recipe.precision)},
                 {"product_route", flags.product_route}});
  return object;
}

bool print_settings(const std::string& program, const ordered_json& network,
                    const TrainingFlags& flags, const DatasetFacts& facts) {
  if (flags.settings) {
    fmt::print("{}\n", settings(program, network, flags, facts).dump(2));
  }
  return flags.settings;
}

ordered_json network_settings(const models::NetworkOptions& network,
                              const std::string& combinator) {
  ordered_json settings;
  if (const auto units = dense_units(network)) {
    settings = {{"in_features", network.input_shape.at(0)}, {"layers", *units}};
  } else {
    settings["input_shape"] = network.input_shape;
    for (const auto& layer : network.layers) {
      settings["layers"].push_back(models::to_string(layer));
    }
    settings["top_gamma"] = network.top_gamma;
  }
  settings.update({{"lambda", network.lambda},
                   {"input_noise", network.input_noise},
                   {"noise", network.noise_std},
                   {"combinator", combinator},
                   {"activation", to_string(network.activation)},
                   {"leaky_slope", network.leaky_slope}});
  return settings;
}

int run_experiment(const Experiment& experiment, const TrainingFlags& flags) {
  const bool several = !flags.seeds.empty();
  const auto seeds = several ? flags.seeds : std::vector<uint64_t>{flags.seed.value_or(1)};
  std::vector<train::TrainResult> at_once;
  if (flags.parallel_seeds) {
    at_once = run_at_once(experiment, flags);
  }
  std::vector<double> values;
  for (size_t i = 0; i < seeds.size(); ++i) {
    const auto folder = seed_folder(flags, seeds[i]);
    if (!flags.parallel_seeds) {
      announce(flags, seeds[i]);
    }
    const auto result = flags.parallel_seeds
                            ? at_once[i]
                            : seed_run(experiment, flags, seeds[i], folder, "", true).trainer.run();
    if (result.status == train::TrainStatus::kInterrupted) {
      return interrupted(experiment, flags, folder, result.steps);
    }
    values.push_back(result.last->test_error.value());
    if (!several || !flags.quiet) {
      fmt::print("{}\n", outcome(result, flags.recipe));
      std::fflush(stdout);
    }
  }
  if (several) {
    print_table(flags, values);
  }
  return 0;
}

}  // namespace ladder::apps
