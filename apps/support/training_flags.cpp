#include "apps/support/training_flags.h"

#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/models/nearest_name.h>
#include <ladder/version.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <algorithm>
#include <iterator>

#include "apps/support/network_flags.h"

namespace ladder::apps {
namespace {

constexpr int64_t kMostThreads = 4096;

std::string parse_device(const std::string& text) {
  const auto digits = text.starts_with("cuda:") ? text.substr(5) : std::string();
  const bool indexed = !digits.empty() && digits.size() <= 2 &&
                       digits.find_first_not_of("0123456789") == std::string::npos;
  if (text != "auto" && text != "cpu" && text != "cuda" && !indexed) {
    throw UsageError(
        fmt::format("expected auto, cpu, cuda or cuda:N for --device but got '{}'.", text));
  }
  return text;
}

void check_labels(const TrainingFlags& flags, const DatasetFacts& facts) {
  const auto labels = flags.recipe.labels;
  // Files of the user's own, in a folder given, may hold more rows or fewer.
  if (!flags.data_dir) {
    if (flags.validation >= facts.rows) {
      throw UsageError(
          fmt::format("expected --validation below the {} training rows of {} but got {}.",
                      facts.rows, flags.recipe.dataset, flags.validation));
    }
    const auto rows = facts.rows - flags.validation;
    check_batch_size(flags, rows);
    if (labels != data::kAllLabels && labels > rows) {
      throw UsageError(
          fmt::format("expected at most {} labels, as many as training rows of {}{}, "
                      "but got --labels {}.",
                      rows, flags.recipe.dataset,
                      flags.validation > 0 ? " besides those for validation" : "", labels));
    }
  }
  if (labels != data::kAllLabels && !flags.unbalanced && labels % facts.classes != 0) {
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

void settle_device(TrainingFlags& flags) {
  if (flags.device == "auto") {
    flags.device = torch::cuda::is_available() ? "cuda" : "cpu";
  }
  if (flags.device == "cpu") {
    if (flags.recipe.precision == models::Precision::kTensorFloat32) {
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
                    flags.device));
  }
  const auto index = torch::Device(flags.device).index();
  const auto count = static_cast<int64_t>(torch::cuda::device_count());
  if (index >= count) {
    throw UsageError(fmt::format("expected a CUDA device from 0 to {} but got --device {}.",
                                 count - 1, flags.device));
  }
}

void settle_products(TrainingFlags& flags) {
  flags.products = ops::default_product_plan(models::product_precision(flags.recipe.precision));
  if (flags.product_route == "auto") {
    return;
  }
  for (const auto route : ops::available_product_routes()) {
    if (ops::to_string(route) == flags.product_route) {
      flags.products.route = route;
      return;
    }
  }
  throw UsageError(
      fmt::format("expected a product route that this LibTorch has but got "
                  "--product-route {} (try auto).",
                  flags.product_route));
}

std::string kind(const models::Recipe& recipe) {
  const auto& network = recipe.network;
  if (const auto units = dense_units(network)) {
    return fmt::format("{}-{}", network.input_shape.at(0), fmt::join(*units, "-"));
  }
  return fmt::format("{} levels over {}", network.layers.size(),
                     fmt::join(network.input_shape, "x"));
}

}  // namespace

torch::Device TrainingFlags::torch_device() const { return torch::Device(device); }

torch::Dtype TrainingFlags::dtype() const { return models::dtype(recipe.precision); }

void add_recipe_flag(CommandLine& line, TrainingFlags& flags) {
  line.heading("Recipe");
  line.flag("recipe", "NAME", fmt::format("published experiment ({})", flags.recipe.name),
            [&flags](const std::string& name) {
              std::vector<std::string> names;
              for (const auto& recipe : models::recipes()) {
                names.push_back(recipe.name);
                if (recipe.name == name) {
                  flags.recipe = recipe;
                  return;
                }
              }
              throw UsageError(
                  fmt::format("expected a recipe but got '{}' (did you mean {}? --list shows all).",
                              name, models::nearest_name(name, names)));
            });
  line.toggle("list", "list recipes and combinators and leave", flags.list);
}

void add_training_flags(CommandLine& line, TrainingFlags& flags) {
  auto& recipe = flags.recipe;
  auto& schedule = recipe.schedule;
  line.heading("Data");
  line.flag("data-dir", "DIR", "folder of the data ($LADDER_DATA and the usual places)",
            [&](const std::string& text) { flags.data_dir = parse_folder("--data-dir", text); });
  line.flag("labels", "N|all", "labeled training rows, as many of each class",
            [&](const std::string& text) {
              recipe.labels =
                  text == "all" ? data::kAllLabels : parse_integer("--labels N|all", text, 1);
            });
  line.toggle("unbalanced", "draw labeled rows without regard to their class", flags.unbalanced);
  line.integer("validation", "training rows set aside for validation (0)", flags.validation, 0);

  line.heading("Training");
  line.integer("epochs", "passes over the unlabeled rows", schedule.epochs, 1);
  line.flag("batch-size", "N", "unlabeled rows a step, and labeled ones where there are as many",
            [&](const std::string& text) {
              schedule.unlabeled_batch = parse_integer("--batch-size", text, 2);
              schedule.labeled_batch = schedule.unlabeled_batch;
            });
  line.integer("labeled-batch", "labeled rows a step, at most those there are (as --batch-size)",
               schedule.labeled_batch, 2);
  line.number("lr", "RATE", "learning rate of Adam", schedule.learning_rate);
  line.number("decay-from", "FRACTION", "part of the epochs after which the rate falls to 0",
              schedule.decay_from, 0, 1);
  line.flag("seed", "N", "of the initial weights, labels, order and noise (1)",
            [&](const std::string& text) {
              flags.seed = static_cast<uint64_t>(parse_integer("--seed", text, 0));
            });
  line.flag("seeds", "1..10", "several runs (also 1,2,5), then a table; each in DIR/seed-N",
            [&](const std::string& text) { flags.seeds = parse_seeds("--seeds", text); });
  line.integer("eval-every", "epochs between evaluations; 0: only the last (1)", flags.eval_every,
               0);
  line.choice("calibration", "rows that the statistics of evaluation are measured on",
              flags.calibration, {"training", "labeled"});
  line.integer("patience", "stop after N epochs without a better validation error; 0: never (0)",
               flags.patience, 0);

  line.heading("Machine");
  line.flag("device", "auto|cpu|cuda[:N]", "where to train (auto: a GPU where there is one)",
            [&](const std::string& text) { flags.device = parse_device(text); });
  line.integer("threads", "threads of the CPU", flags.threads, 1, kMostThreads);
  line.flag("precision", "float32|bfloat16|tf32|float64",
            "of the numbers; bfloat16 and tf32 (CUDA): of products alone (float32)",
            [&](const std::string& text) {
              recipe.precision =
                  models::precision_from_string(parse_choice("--precision", text, kPrecisions));
            });
  line.toggle("no-graph", "on CUDA, queue each step anew instead of replaying a recorded one",
              flags.no_graph);
  line.toggle("parallel-seeds", "train those of --seeds at once, side by side on a GPU",
              flags.parallel_seeds);
  line.choice("product-route",
              "library for matrix products on the CPU; auto: by its instruction sets",
              flags.product_route, {"auto", "aten", "onednn", "ladder"});

  line.heading("Output");
  line.flag("out", "DIR", "folder of the run (runs/RECIPE/seed-N)",
            [&](const std::string& text) { flags.out = parse_folder("--out", text); });
  line.number("checkpoint-every", "SECONDS", "between files to resume from (60)",
              flags.checkpoint_seconds);
  line.toggle("resume", "continue the run in DIR", flags.resume);
  line.toggle("quiet", "print the result alone", flags.quiet);
  line.toggle("settings", "print the settings of the run as JSON and leave", flags.settings);
  line.toggle("help", "print this and leave", flags.help);
  line.toggle("version", "print the version and leave", flags.version);
}

bool answer(const CommandLine& line, const std::string& program, const std::string& dataset) {
  if (line.given("help")) {
    fmt::print("{}", line.help());
  } else if (line.given("version")) {
    fmt::print("{} {} ({}), LibTorch {}\n", program, version(), git_commit(), TORCH_VERSION);
  } else if (line.given("list")) {
    std::vector<models::Recipe> own;
    std::copy_if(models::recipes().begin(), models::recipes().end(), std::back_inserter(own),
                 [&](const models::Recipe& recipe) { return recipe.dataset == dataset; });
    fmt::print("{}\n{}", recipe_table(own), combinator_table());
  } else {
    return false;
  }
  return true;
}

void check_dataset(const TrainingFlags& flags, const std::string& dataset) {
  const auto& of_recipe = models::find_recipe(flags.recipe.name).dataset;
  if (of_recipe != dataset) {
    throw UsageError(fmt::format("expected a recipe for {} but got {} (ladder-{} trains it).",
                                 dataset, flags.recipe.name, of_recipe));
  }
}

void settle(TrainingFlags& flags, const DatasetFacts& facts) {
  if (flags.seed && !flags.seeds.empty()) {
    throw UsageError("expected --seed or --seeds but got both.");
  }
  if (flags.parallel_seeds && flags.seeds.empty()) {
    throw UsageError("expected --seeds with --parallel-seeds but got none (--seeds 1..10).");
  }
  if (flags.patience > 0 && flags.validation == 0) {
    throw UsageError(
        fmt::format("expected --validation with --patience {} but got none (the "
                    "validation error decides when to stop).",
                    flags.patience));
  }
  check_labels(flags, facts);
  const auto& published = models::find_recipe(flags.recipe.name);
  if (flags.recipe.labels != published.labels || flags.recipe.dataset != published.dataset) {
    flags.recipe.published.reset();
  }
  settle_device(flags);
  settle_products(flags);
  if (flags.threads > 0) {
    at::set_num_threads(static_cast<int>(flags.threads));
  }
  if (flags.out.empty()) {
    flags.out = std::filesystem::path("runs") / flags.recipe.name;
    if (flags.seeds.empty()) {
      flags.out /= fmt::format("seed-{}", flags.seed.value_or(1));
    }
  }
}

void check_batch_size(const TrainingFlags& flags, int64_t rows) {
  if (flags.recipe.schedule.unlabeled_batch > rows) {
    throw UsageError(
        fmt::format("expected --batch-size of at most {}, the rows to train on, but "
                    "got {}.",
                    rows, flags.recipe.schedule.unlabeled_batch));
  }
}

std::optional<std::vector<int64_t>> dense_units(const models::NetworkOptions& network) {
  std::vector<int64_t> units;
  for (const auto& layer : network.layers) {
    const auto* dense = std::get_if<models::Dense>(&layer);
    if (dense == nullptr || network.input_shape.size() != 1) {
      return std::nullopt;
    }
    units.push_back(dense->units);
  }
  return units;
}

std::string labels_text(int64_t labels) {
  return labels == data::kAllLabels ? "all" : std::to_string(labels);
}

std::string recipe_table(const std::vector<models::Recipe>& recipes) {
  constexpr const char* kRow = "{:<30}  {:<31}  {:<18}  {:>6}  {:<32}  {:>5}  {}\n";
  auto text = fmt::format(kRow, "name", "network", "combinator", "labels", "lambda (level 0 up)",
                          "noise", "published error, %");
  for (const auto& recipe : recipes) {
    const auto& lambda = recipe.network.lambda;
    text += fmt::format(
        kRow, recipe.name, kind(recipe), lambda.empty() ? "-" : recipe.combinator,
        labels_text(recipe.labels),
        lambda.empty() ? "none" : fmt::format("{}", fmt::join(lambda, ",")),
        recipe.network.noise_std,
        recipe.published ? models::to_string(*recipe.published) : "- (" + recipe.source + ")");
  }
  return text;
}

}  // namespace ladder::apps
