#include "apps/support/training_flags.h"

#include <fmt/format.h>
#include <ladder/version.h>
#include <torch/version.h>

#include <algorithm>
#include <iterator>
#include <system_error>

#include "apps/support/network_flags.h"
#include "apps/support/output.h"
#include "apps/support/piece_flags.h"
#include "apps/support/program.h"
#include "apps/support/ranks.h"
#include "apps/support/recipe_table.h"
#include "apps/support/training_settings.h"

namespace ladder::apps {
namespace {

constexpr int64_t kMaxThreads = 4096;

std::optional<torch::Device> parse_device(const std::string& flag, const std::string& text) {
  const auto digits = text.starts_with("cuda:") ? text.substr(5) : std::string();
  const bool indexed = !digits.empty() && digits.size() <= 2 &&
                       digits.find_first_not_of("0123456789") == std::string::npos;
  if (text != "auto" && text != "cpu" && text != "cuda" && !indexed) {
    throw UsageError(
        fmt::format("expected auto, cpu, cuda or cuda:N for {} but got '{}'.", flag, text));
  }
  return text == "auto" ? std::nullopt : std::optional(torch::Device(text));
}

void set_recipe(TrainingFlags& flags, const std::string& name) {
  const auto* recipe = models::known_recipe(name);
  if (recipe == nullptr) {
    throw UsageError(fmt::format("expected a recipe but got '{}'{}.", name,
                                 did_you_mean(name, models::recipe_names(), "--list shows all")));
  }
  runs::apply(*recipe, flags.config);
  flags.teacher = recipe->taught_by;
}

void add_data_flags(CommandLine& line, TrainingFlags& flags) {
  auto& config = flags.config;
  line.heading("Data");
  line.flag("data-dir", "DIR", "folder of the data ($LADDER_DATA and the usual places)",
            [&](const std::string& flag, const std::string& text) {
              flags.data_dir = parse_folder(flag, text);
            });
  line.flag("labels", "N|all", "labeled training rows, the same number of each class",
            [&](const std::string& flag, const std::string& text) {
              config.labels = parse_words(text) == std::vector<std::string>{"all"}
                                  ? data::kAllLabels
                                  : parse_integer(flag + " N|all", text, 1);
            });
  line.flag("unbalanced", "", "draw labeled rows without regard to their class",
            [&](const std::string&, const std::string&) { config.balanced = false; });
  line.integer("validation", "training rows set aside for validation (0)", config.validation, 0);
}

void add_schedule_flags(CommandLine& line, TrainingFlags& flags) {
  auto& config = flags.config;
  line.heading("Training");
  line.integer("epochs", "passes over the unlabeled rows", config.epochs, 1);
  line.flag("batch-size", "N", "set both batches, unlabeled and labeled",
            [&](const std::string& flag, const std::string& text) {
              config.unlabeled_batch = config.labeled_batch = parse_integer(flag, text, 2);
              flags.batch_flag = flag;
            });
  line.flag("unlabeled-batch", "N",
            "unlabeled rows in a step; a baseline reads none, but takes as many steps",
            [&](const std::string& flag, const std::string& text) {
              config.unlabeled_batch = parse_integer(flag, text, 2);
              flags.batch_flag = flag;
            });
  line.integer("labeled-batch", "labeled rows per step, at most the number of labels",
               config.labeled_batch, 2);
  line.positive_number("lr,learning-rate", "RATE", "learning rate of Adam", config.learning_rate);
  line.number("decay-from", "FRACTION",
              "fraction of the epochs after which the learning rate falls linearly to 0",
              config.decay_from, 0, 1);
  line.number("warm-up", "EPOCHS", "time over which the learning rate rises from 0",
              config.warm_up);
  add_piece_flags(line, config.pieces);
  line.flag("seed", "N", "seed for initial weights, choice of labels, row order and noise (1)",
            [&](const std::string& flag, const std::string& text) {
              flags.seed = static_cast<uint64_t>(parse_integer(flag, text, 0));
            });
  line.flag("seeds", "1..10",
            "several runs (also 1,2,5), each in DIR/seed-N, then a table, also in DIR/summary.json",
            [&](const std::string& flag, const std::string& text) {
              flags.seeds = parse_seeds(flag, text);
            });
  line.integer("candidates",
               "train N short starts, then continue the one that agrees most with the others (1)",
               config.candidates, 1, 100);
  line.integer("candidate-epochs", "epochs of each start (4)", config.candidate_epochs, 1);
  line.integer("teachers",
               "self-training: train N runs, then one more on the labels that these agree on (0)",
               config.teachers, 0, 100);
  line.flag(
      "taught-by", "RUN,...",
      "self-training: train on the labels that these finished runs agree on; they must know the "
      "same labels. A folder of --seeds stands for its run with the same seed",
      [&](const std::string& flag, const std::string& text) {
        flags.taught_by.clear();
        for (const auto& word : parse_words(text)) {
          flags.taught_by.push_back(parse_folder(flag, word));
        }
      });
  line.number("teacher-confidence", "P",
              "lowest probability at which --teachers or --taught-by label a row (0.95)",
              config.teacher_confidence, 0, 1);
  line.integer("eval-every",
               "epochs between evaluations; 0: only after the last epoch (the recipe's)",
               config.eval_every, 0);
  line.flag("calibration", "training|labeled",
            "rows to measure the normalisation statistics for evaluation on (training)",
            [&](const std::string& flag, const std::string& text) {
              config.calibration =
                  runs::calibration_from_string(parse_choice(flag, text, {"training", "labeled"}));
            });
  line.integer("patience",
               "stop after N epochs without a better validation error, with the weights and the "
               "result of the last epoch, not of the best; 0: never (0)",
               config.patience, 0);
}

void add_machine_flags(CommandLine& line, TrainingFlags& flags) {
  auto& config = flags.config;
  line.heading("Machine");
  line.flag("device", "auto|cpu|cuda[:N]", "where to train (auto: a GPU if there is one)",
            [&](const std::string& flag, const std::string& text) {
              flags.device = parse_device(flag, text);
            });
  line.integer("threads", "CPU threads (all cores)", flags.threads, 1, kMaxThreads);
  line.flag("precision", "float32|bfloat16|tf32|float64",
            "precision (float32, or the recipe's); bfloat16 and tf32 (CUDA only) apply to matrix "
            "products only",
            [&](const std::string& flag, const std::string& text) {
              config.precision =
                  models::precision_from_string(parse_choice(flag, text, kPrecisions));
            });
  line.flag("product-route", "auto|aten|onednn|ladder",
            "library for matrix products on the CPU (auto: by its instruction sets)",
            [&](const std::string& flag, const std::string& text) {
              const auto name = parse_choice(flag, text, {"auto", "aten", "onednn", "ladder"});
              config.product_route = name == "auto"
                                         ? std::nullopt
                                         : std::optional(ops::product_route_from_string(name));
            });
  line.toggle("no-graph", "on CUDA, launch each kernel instead of replaying a CUDA graph",
              flags.no_graph);
  add_rank_flags(line, config.statistics, flags.rank_timeout);
  line.toggle("parallel-seeds", "train the runs of --seeds at the same time on one GPU",
              flags.parallel_seeds);
}

void add_output_flags(CommandLine& line, TrainingFlags& flags) {
  line.heading("Output");
  line.flag("out", "DIR",
            "folder of the run (runs/RECIPE/seed-N; runs/RECIPE-changed/seed-N if flags change the "
            "recipe)",
            [&](const std::string& flag, const std::string& text) {
              flags.out = parse_folder(flag, text);
            });
  line.number("checkpoint-every", "SECONDS", "time between checkpoints (60)",
              flags.checkpoint_seconds);
  line.toggle("resume", "continue the run in DIR, which knows its settings", flags.resume);
  line.toggle("predictions", "write predictions.csv, the answer to each test image",
              flags.predictions);
  line.toggle("quiet", "print only the result", flags.quiet);
  line.toggle("settings", "print the settings as JSON and exit", flags.settings);
  line.toggle("find-data", "print the folder of the data and exit", flags.find_data);
  line.toggle("version", "print version and kernels and exit", flags.version);
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "Defaults are in parentheses; settings without one are the recipe's. If a flag is given "
      "twice, the last value counts. Exit status: 0 done, 1 failed, 2 usage error, 130 interrupted "
      "by a signal (--resume continues).");
}

void check_dataset(const TrainingFlags& flags, const std::string& dataset) {
  const auto& of_recipe = models::find_recipe(flags.config.recipe).dataset;
  if (of_recipe != dataset) {
    throw UsageError(fmt::format("expected a recipe for {} but got {} (ladder-{} trains it).",
                                 dataset, flags.config.recipe, of_recipe));
  }
}

// Answer flags that need no others. Return true if one was given.
bool answer(const CommandLine& line, const std::string& program, const std::string& dataset) {
  if (line.given("help")) {
    print(line.help());
  } else if (line.given("version")) {
    print(version_text(program));
  } else if (line.given("list")) {
    std::vector<models::Recipe> own;
    std::copy_if(models::recipes().begin(), models::recipes().end(), std::back_inserter(own),
                 [&](const models::Recipe& recipe) { return recipe.dataset == dataset; });
    print(recipe_table(own) + "\n" + combinator_table());
  } else {
    return false;
  }
  return true;
}

}  // namespace

void add_recipe_flag(CommandLine& line, TrainingFlags& flags) {
  line.heading("Recipe");
  line.flag("recipe", "NAME", fmt::format("published experiment ({})", flags.config.recipe),
            [&flags](const std::string&, const std::string& name) { set_recipe(flags, name); });
  line.toggle("list", "list recipes and combinators and exit", flags.list);
}

void add_training_flags(CommandLine& line, TrainingFlags& flags) {
  add_data_flags(line, flags);
  add_schedule_flags(line, flags);
  add_machine_flags(line, flags);
  add_output_flags(line, flags);
}

// A run that goes on knows its settings: without --recipe, flags need not be repeated. Those that
// are given are compared with the run's as always.
void take_settings_of_run(const CommandLine& line, TrainingFlags& flags) {
  if (!line.given("resume") || line.given("recipe") || line.given("seeds")) return;
  std::filesystem::path folder;
  for (const auto& [name, value] : line.given_flags()) {
    if (name == "out") folder = value;
  }
  auto stored = folder.empty() ? std::nullopt : runs::read_config(folder);
  if (!stored || models::known_recipe(stored->recipe) == nullptr) return;
  set_recipe(flags, stored->recipe);
  flags.seed = stored->seed;
  const auto data = stored->environment.value_or(runs::Environment()).data_dir;
  if (std::error_code none; std::filesystem::is_directory(data, none)) flags.data_dir = data;
  flags.config = std::move(*stored);
  flags.config.environment.reset();
  flags.config.resumed.clear();
}

bool read_command_line(CommandLine& line, int argc, const char* const* argv,
                       const std::string& program, const DatasetFacts& facts,
                       TrainingFlags& flags) {
  line.parse(argc, argv);
  if (answer(line, program, facts.dataset)) {
    return false;
  }
  take_settings_of_run(line, flags);
  line.apply();
  flags.config.program = program;
  check_dataset(flags, facts.dataset);
  check_network(flags.config, facts.classes, line.given("combinator"));
  settle(flags, facts, line.given("labeled-batch"));
  if (flags.settings) {
    print(runs::to_json(flags.config) + "\n");
  }
  return !flags.settings;
}

}  // namespace ladder::apps
