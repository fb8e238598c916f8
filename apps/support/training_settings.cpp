#include "apps/support/training_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/cuda.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <vector>

#include "apps/support/program.h"
#include "apps/support/ranks.h"

namespace ladder::apps {
namespace {

constexpr int64_t kMaxEpochs = 1'000'000'000;

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

// True if finished runs label rows for the one of `flags`, or did so when it began.
bool is_taught(const TrainingFlags& flags) {
  return !flags.taught_by.empty() || !flags.teacher.empty() || !flags.config.taught.empty();
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

}  // namespace

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

}  // namespace ladder::apps
