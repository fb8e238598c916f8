#include "apps/support/training_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/version.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <algorithm>
#include <iterator>
#include <system_error>

#include "apps/support/network_flags.h"
#include "apps/support/output.h"
#include "apps/support/piece_flags.h"
#include "apps/support/program.h"
#include "apps/support/ranks.h"

namespace ladder::apps {
namespace {

constexpr int64_t kMaxThreads = 4096;
constexpr int64_t kMaxEpochs = 1'000'000'000;

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

void check_labels(const TrainingFlags& flags, const DatasetFacts& facts) {
  const auto& config = flags.config;
  const auto labels = config.labels;
  // With --data-dir the files may hold another number of rows.
  if (!flags.data_dir) {
    if (config.validation >= facts.rows) {
      throw UsageError(
          fmt::format("expected --validation below the {} training rows of {} but got {}.",
                      facts.rows, config.dataset, config.validation));
    }
    const auto rows = facts.rows - config.validation;
    check_batch_size(flags, rows);
    if (labels != data::kAllLabels && labels > rows) {
      throw UsageError(
          fmt::format("expected at most {} labels, as many as training rows of {}{}, "
                      "but got --labels {}.",
                      rows, config.dataset,
                      config.validation > 0 ? " besides those for validation" : "", labels));
    }
  }
  if (labels != data::kAllLabels && config.balanced && labels % facts.classes != 0) {
    const auto below = labels / facts.classes * facts.classes;
    const auto nearest =
        below == 0 ? fmt::format("the nearest is {}", facts.classes)
                   : fmt::format("the nearest are {} and {}", below, below + facts.classes);
    throw UsageError(
        fmt::format("expected a number of labels divisible by the {} classes but got "
                    "--labels {} ({}; --unbalanced takes any).",
                    facts.classes, labels, nearest));
  }
}

// True if finished runs label rows for the one of `flags`.
bool is_taught(const TrainingFlags& flags) {
  return !flags.taught_by.empty() || !flags.teacher.empty();
}

void check_combinations(const TrainingFlags& flags) {
  const auto& config = flags.config;
  if (flags.seed && !flags.seeds.empty()) {
    throw UsageError("expected --seed or --seeds but got both.");
  }
  if (flags.parallel_seeds && flags.seeds.empty()) {
    throw UsageError("expected --seeds with --parallel-seeds but got none (--seeds 1..10).");
  }
  if (config.epochs > kMaxEpochs) {
    throw UsageError(
        fmt::format("expected --epochs of at most {} but got {}.", kMaxEpochs, config.epochs));
  }
  if (config.candidates == 2) {
    throw UsageError(
        "expected --candidates 1, or at least 3, but got 2 (if two disagree, nothing tells which "
        "is right).");
  }
  if (config.candidates > 1 && config.patience > 0) {
    throw UsageError(
        "expected --candidates or --patience but got both (a start that ends early cannot be "
        "compared with the others).");
  }
  if (config.candidates > 1 && flags.parallel_seeds) {
    throw UsageError("expected --candidates or --parallel-seeds but got both.");
  }
  if (config.teachers > 0 && (config.candidates > 1 || flags.parallel_seeds)) {
    throw UsageError(fmt::format("expected --teachers or {} but got both.",
                                 flags.parallel_seeds ? "--parallel-seeds" : "--candidates"));
  }
  if (is_taught(flags)) {
    const std::string other = config.teachers > 0     ? "--teachers"
                              : config.candidates > 1 ? "--candidates"
                              : flags.parallel_seeds  ? "--parallel-seeds"
                                                      : "";
    if (!other.empty()) {
      const auto taught =
          flags.teacher.empty() ? std::string("--taught-by") : "--recipe " + config.recipe;
      throw UsageError(fmt::format("expected {} or {} but got both.", taught, other));
    }
  }
  const runs::RunConfig usual;
  if (config.candidates == 1 && config.candidate_epochs != usual.candidate_epochs) {
    throw UsageError(fmt::format("expected --candidates for --candidate-epochs {} but got none.",
                                 config.candidate_epochs));
  }
  if (!learns_from_runs(flags) && config.teacher_confidence != usual.teacher_confidence) {
    throw UsageError(
        fmt::format("expected --teachers or --taught-by for --teacher-confidence {} but got none.",
                    config.teacher_confidence));
  }
  if (config.teacher_confidence >= 1) {
    throw UsageError(
        fmt::format("expected --teacher-confidence below 1 but got {} (a probability above it is "
                    "asked for).",
                    config.teacher_confidence));
  }
  if (config.candidates > 1 && config.candidate_epochs >= config.epochs) {
    throw UsageError(fmt::format("expected --candidate-epochs below the {} epochs but got {}.",
                                 config.epochs, config.candidate_epochs));
  }
  if (config.warm_up > static_cast<double>(config.epochs)) {
    throw UsageError(fmt::format("expected --warm-up of at most the {} epochs but got {}.",
                                 config.epochs, config.warm_up));
  }
  if (config.patience > 0 && config.validation == 0) {
    throw UsageError(
        fmt::format("expected --validation with --patience {} but got none (the "
                    "validation error decides when to stop).",
                    config.patience));
  }
  if (config.patience > 0 && config.eval_every == 0) {
    throw UsageError(
        fmt::format("expected --eval-every of at least 1 with --patience {} but got 0 (the "
                    "validation error decides when to stop).",
                    config.patience));
  }
}

void settle_device(TrainingFlags& flags) {
  auto& config = flags.config;
  config.device = flags.device.value_or(torch::cuda::is_available() ? torch::Device(torch::kCUDA)
                                                                    : torch::Device(torch::kCPU));
  if (config.device.is_cpu()) {
    if (config.precision == models::Precision::kTensorFloat32) {
      throw UsageError(
          "expected a CUDA device for --precision tf32 but got the CPU (bfloat16 is the fast "
          "precision there).");
    }
    return;
  }
  if (!torch::cuda::is_available()) {
    throw UsageError(
        fmt::format("expected a CUDA device for --device {} but got none (is there a GPU with its "
                    "driver, and a LibTorch built for CUDA? --device cpu needs neither).",
                    config.device.str()));
  }
  const auto count = static_cast<int64_t>(torch::cuda::device_count());
  if (config.device.index() >= count) {
    throw UsageError(fmt::format("expected a CUDA device from 0 to {} but got --device {}.",
                                 count - 1, config.device.str()));
  }
  // Ranks of a machine take a GPU each, where there are enough.
  const auto rank = rank_of_environment();
  if (!config.device.has_index() && rank.size > 1) config.device = gpu_of(rank, count);
}

void settle_products(TrainingFlags& flags) {
  flags.products = ops::default_product_plan(models::product_precision(flags.config.precision));
  const auto route = flags.config.product_route;
  if (flags.config.precision == models::Precision::kFloat64) {
    flags.products.route = ops::ProductRoute::kAten;  // the only one that multiplies them
    if (route.value_or(ops::ProductRoute::kAten) != ops::ProductRoute::kAten) {
      flags.notes.push_back(fmt::format("--product-route {} has no effect on float64 products",
                                        ops::to_string(*route)));
    }
    return;
  }
  if (!route) {
    return;
  }
  const auto routes = ops::available_product_routes();
  if (std::find(routes.begin(), routes.end(), *route) == routes.end()) {
    throw UsageError(
        fmt::format("expected a product route that this LibTorch has but got "
                    "--product-route {} (try auto).",
                    ops::to_string(*route)));
  }
  flags.products.route = *route;
}

// The same folder by its name: ".candidates" behind "runs/a/" or "." would lie inside of it. A path
// that has a name keeps what the user typed.
std::filesystem::path named_folder(const std::filesystem::path& given) {
  auto folder = given;
  while (folder.has_relative_path() && (!folder.has_filename() || folder.filename() == ".")) {
    folder = folder.parent_path();
  }
  if (!folder.empty() && folder.filename() != "..") return folder;
  std::error_code error;
  const auto whole = std::filesystem::canonical(given, error);
  return error ? given : whole;
}

// The value of a setting as a flag takes it: "500,250,10", "none", "0.4".
std::string value_text(const runs::Difference& change, const runs::RunConfig& config) {
  const auto& network = config.network;
  const auto units = models::dense_units(network);
  if (change.name == "layers" && units) return join(*units);
  if (change.name == "lambda") return network.lambda.empty() ? "none" : join(network.lambda);
  auto text = change.here;
  std::erase(text, '"');
  return text;
}

// True if `folder` holds a run of these settings, from this seed if they name one.
bool holds_same(const std::filesystem::path& folder, const runs::RunConfig& config) {
  try {
    const auto there = runs::read_config(folder);
    return there && runs::diff(*there, config, runs::Compare::kExperiment).empty();
  } catch (const c10::Error&) {
    return false;  // a damaged one
  }
}

// The folder of runs for which no flag names one. Earlier versions did not keep changed experiments
// apart: a run of theirs goes on where it is.
std::filesystem::path folder_by_default(const TrainingFlags& flags) {
  const auto first = flags.seeds.empty() ? flags.seed.value_or(1) : flags.seeds.front();
  const auto seed = fmt::format("seed-{}", first);
  const auto of_recipe = runs_folder(flags.config.recipe, /*changed=*/false);
  const auto changed = runs_folder(flags.config.recipe, /*changed=*/true);
  const bool apart = !changes_text(flags).empty() &&
                     !(flags.resume && !std::filesystem::exists(changed / seed / "config.json") &&
                       holds_same(of_recipe / seed, flags.config));
  const auto& folder = apart ? changed : of_recipe;
  return flags.seeds.empty() ? folder / seed : folder;
}

void note_no_effects(TrainingFlags& flags) {
  const auto ramp = flags.config.pieces.lambda_ramp;
  if (ramp > static_cast<double>(flags.config.epochs)) {
    flags.notes.push_back(fmt::format(
        "--lambda-ramp {} is longer than --epochs {}: the upper weights of --lambda end at {:.0f} "
        "% of their values",
        ramp, flags.config.epochs, 100 * static_cast<double>(flags.config.epochs) / ramp));
  }
}

// `labeled_batch_given`: by its own flag.
void settle(TrainingFlags& flags, const DatasetFacts& facts, bool labeled_batch_given) {
  auto& config = flags.config;
  if (!flags.taught_by.empty()) flags.teacher.clear();  // it is there already
  check_combinations(flags);
  check_labels(flags, facts);
  settle_device(flags);
  settle_products(flags);
  config.classes = facts.classes;
  if (!flags.data_dir) {
    config.train_rows = facts.rows;
    config.test_rows = facts.test_rows;
  }
  if (config.labels != data::kAllLabels && !learns_from_runs(flags)) {
    if (config.labeled_batch > config.labels && labeled_batch_given) {
      flags.notes.push_back(fmt::format("--labeled-batch {} takes all {} labeled rows",
                                        config.labeled_batch, config.labels));
    }
    config.labeled_batch = std::min(config.labeled_batch, config.labels);
  }
  note_no_effects(flags);
  if (runs::is_baseline(config)) config.epoch_batch = config.unlabeled_batch;
  set_threads(flags.threads);
  if (flags.out.empty()) flags.out = folder_by_default(flags);
  flags.out = named_folder(flags.out);
}

std::string kind(const models::Recipe& recipe) {
  const auto& network = recipe.network;
  if (const auto units = models::dense_units(network)) {
    return fmt::format("{}-{}", network.input_shape.at(0), fmt::join(*units, "-"));
  }
  return fmt::format("{} levels over {}", network.layers.size(),
                     fmt::join(network.input_shape, "x"));
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

bool learns_from_runs(const TrainingFlags& flags) {
  return flags.config.teachers > 0 || is_taught(flags);
}

TrainingFlags teacher_flags(const TrainingFlags& flags) {
  const auto& here = flags.config;
  TrainingFlags teacher(flags.teacher);
  auto& config = teacher.config;
  config.program = here.program;
  config.dataset = here.dataset;
  config.train_rows = here.train_rows;
  config.test_rows = here.test_rows;
  config.classes = here.classes;
  config.labels = here.labels;
  if (here.labels != data::kAllLabels) {
    config.labeled_batch = std::min(config.labeled_batch, here.labels);
  }
  config.balanced = here.balanced;
  config.validation = here.validation;
  config.device = here.device;
  config.product_route = here.product_route;
  settle_products(teacher);
  teacher.no_graph = flags.no_graph;
  teacher.checkpoint_seconds = flags.checkpoint_seconds;
  teacher.resume = flags.resume;
  teacher.quiet = flags.quiet;
  return teacher;
}

std::string changes_text(const TrainingFlags& flags) {
  const auto& config = flags.config;
  const auto& recipe = models::find_recipe(config.recipe);
  std::vector<std::string> texts;
  for (const auto& change :
       runs::diff(runs::unchanged(recipe, config), config, runs::Compare::kExperiment)) {
    auto name = change.name;
    std::replace(name.begin(), name.end(), '_', ' ');
    texts.push_back(name + " " + value_text(change, config));
  }
  if (!flags.taught_by.empty() && recipe.taught_by.empty()) {
    texts.push_back("taught by " + flags.taught_by.front().string() +
                    (flags.taught_by.size() > 1 ? " and others" : ""));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

void check_batch_size(const TrainingFlags& flags, int64_t rows) {
  const auto& config = flags.config;
  const auto batch = config.unlabeled_batch;
  if (batch <= rows) return;
  if (!flags.batch_flag.empty()) {
    throw UsageError(fmt::format("expected {} of at most {}, the rows to train on, but got {}.",
                                 flags.batch_flag, rows, batch));
  }
  if (config.validation > 0) {
    throw UsageError(
        fmt::format("expected --validation to leave at least {} rows to train on, one batch, but "
                    "got {}, which leaves {}.",
                    batch, config.validation, rows));
  }
  throw UsageError(
      fmt::format("expected at least {} rows to train on, one batch of {}, but got {} "
                  "(--batch-size takes fewer).",
                  batch, config.recipe, rows));
}

std::filesystem::path runs_folder(const std::string& recipe, bool changed) {
  return std::filesystem::path("runs") / (recipe + (changed ? "-changed" : ""));
}

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
