#include "apps/support/experiment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/data/split.h>
#include <ladder/io/text_file.h>
#include <ladder/nn/random_init.h>
#include <ladder/runs/run_folder.h>
#include <ladder/runs/seed_summary.h>
#include <ladder/train/run_signs.h>
#include <ladder/train/trainer.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/progress.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRunThere =
    "expected an empty folder but got a run in {} (--resume continues it, --out takes another "
    "folder).";

// Return rows on the device and in the type of the network. A GPU keeps bytes and scales each
// batch.
torch::Tensor rows_for_network(const torch::Tensor& inputs, const runs::RunConfig& config) {
  std::vector<int64_t> shape = {inputs.size(0)};
  shape.insert(shape.end(), config.network.input_shape.begin(), config.network.input_shape.end());
  const auto type = models::dtype(config.precision);
  const bool bytes = inputs.scalar_type() == torch::kUInt8;
  if (bytes && config.device.is_cuda() && type == torch::kFloat32) {
    return inputs.reshape(shape).to(config.device);
  }
  return (bytes ? data::to_unit_float(inputs, type) : inputs)
      .reshape(shape)
      .to(config.device, type);
}

// Data on the device, shared by all seeds.
struct PlacedData {
  torch::Tensor train_inputs, train_labels, test_inputs, test_labels;
};

PlacedData place(const data::TrainTest& data, const runs::RunConfig& config) {
  return {rows_for_network(data.train.inputs, config), data.train.labels.to(config.device),
          rows_for_network(data.test.inputs, config), data.test.labels.to(config.device)};
}

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

void note_change(const char* key, const std::string& there, const std::string& here,
                 ProgressLine* line) {
  if (line != nullptr && there != here) {
    line->print(
        fmt::format("note: started with {} {}, continued with {}: the numbers may differ "
                    "from those of an uninterrupted run",
                    key, there, here));
  }
}

// Report differences from the environment that the run was started in, which is kept.
void note_changes(const runs::Environment& there, const runs::Environment& here,
                  ProgressLine* line) {
  note_change("cpu", quoted(there.cpu), quoted(here.cpu), line);
  note_change("threads", std::to_string(there.threads), std::to_string(here.threads), line);
  note_change("kernels", quoted(there.kernels), quoted(here.kernels), line);
  note_change("libtorch", quoted(there.libtorch), quoted(here.libtorch), line);
  note_change("commit", quoted(there.commit), quoted(here.commit), line);
}

void check_same_settings(const runs::RunConfig& there, const runs::RunConfig& here,
                         const Experiment& experiment, const fs::path& folder) {
  const auto differences = runs::diff(there, here);
  if (differences.size() == 1 && differences[0].name == "data") {
    throw UsageError(fmt::format(
        "expected the data that the run in {} was started with but got others in {} "
        "(fingerprint {} there, {} here).",
        folder.string(), experiment.data_dir.string(), differences[0].there, differences[0].here));
  }
  if (!differences.empty()) {
    throw UsageError(
        fmt::format("expected the settings that the run in {} was started with but "
                    "got others (give the flags of its start again): {}.",
                    folder.string(), to_string(differences)));
  }
}

// Where a run is recorded, and which of several starts it is.
struct RunPlace {
  fs::path folder;
  int64_t candidate = 1;
};

// Settings of a run, their JSON in its folder, and its plan of products.
struct SettledRun {
  runs::RunConfig config;
  std::string json;
  ops::ProductPlan products;
};

SettledRun settle_run(const Experiment& experiment, const TrainingFlags& flags,
                      const RunPlace& place, uint64_t seed, int64_t labeled_rows,
                      ProgressLine& line) {
  const auto& folder = place.folder;
  SettledRun run{flags.config, "", flags.products};
  auto& config = run.config;
  config.train_rows = experiment.data.train.inputs.size(0);
  config.test_rows = experiment.data.test.inputs.size(0);
  config.data = experiment.fingerprint;
  config.labeled_batch = std::min(config.labeled_batch, labeled_rows);
  config.seed = seed;
  if (config.candidates > 1) config.candidate = place.candidate;
  const auto stored = runs::read_config(folder);
  if (stored && !flags.resume) {
    throw UsageError(fmt::format(kRunThere, folder.string()));
  }
  if (!stored) {
    config.environment = environment(run.products, experiment.data_dir);
    run.json = runs::to_json(config);
    return run;
  }
  // Keep the text of config.json as the version that started the run wrote it.
  run.json = io::read_text(folder / "config.json");
  auto* const told = fs::exists(folder / "result.json") ? nullptr : &line;
  note_change("device", quoted(stored->device.str()), quoted(config.device.str()), told);
  auto here = config;
  here.device = stored->device;
  check_same_settings(*stored, here, experiment, folder);
  if (stored->environment) {
    for (const auto route : ops::available_product_routes()) {
      if (ops::to_string(route) == stored->environment->product_route) {
        run.products.route = route;
      }
    }
    note_changes(*stored->environment, environment(run.products, experiment.data_dir), told);
  }
  return run;
}

data::Split split_rows(const Experiment& experiment, const runs::RunConfig& config, uint64_t seed) {
  try {
    return data::make_split(
        experiment.data.train.labels, experiment.data.train.classes,
        {.labels = config.labels,
         .validation = config.validation,
         .seed = seed,
         .balance = config.balanced ? data::Balance::kBalanced : data::Balance::kUnbalanced});
  } catch (const c10::Error& error) {
    throw UsageError(error.what_without_backtrace());
  }
}

train::TrainOptions train_options(const TrainingFlags& flags, const SettledRun& run, bool decoder) {
  const auto& config = run.config;
  return {.epochs = config.epochs,
          .learning_rate = config.learning_rate,
          .decay_from = config.decay_from,
          .warm_up = config.warm_up,
          .labeled_batch = config.labeled_batch,
          .unlabeled_batch = decoder ? config.unlabeled_batch : 0,
          .seed = config.seed.value(),
          .start = config.candidate.value_or(1),
          .eval_every = config.eval_every,
          .calibration = config.calibration,
          .patience = config.patience,
          .products = run.products,
          .graph = flags.no_graph ? std::optional(false) : std::nullopt,
          .checkpoint_every_seconds = flags.checkpoint_seconds};
}

// Describe the machine, on which speed and the last digits depend.
std::string machine_text(const runs::RunConfig& config, const ops::ProductPlan& products) {
  const auto here = environment(products, {});
  return fmt::format("on {}, {} thread{}, {} kernels, {}", config.device.str(), here.threads,
                     here.threads == 1 ? "" : "s", here.instruction_set, ops::to_string(products));
}

// A run that is ready to start, with its progress line; or the result of a run that has ended and
// whose checkpoint was deleted.
struct SeedRun {
  runs::RunConfig config = {};
  Ladder net{nullptr};
  std::unique_ptr<ProgressLine> line = {};
  std::optional<train::Trainer> trainer = {};
  std::optional<train::TrainResult> result = {};
};

SeedRun seed_run(const Experiment& experiment, const PlacedData& placed, const TrainingFlags& flags,
                 uint64_t seed, const RunPlace& place, const std::string& name,
                 bool shows_progress) {
  const auto& folder = place.folder;
  auto told = std::make_unique<ProgressLine>(flags.config.epochs, flags.quiet, name);
  auto& line = *told;
  const auto split = split_rows(experiment, flags.config, seed);
  check_batch_size(flags.config.unlabeled_batch, split.unlabeled.numel());
  const auto run = settle_run(experiment, flags, place, seed, split.labeled.numel(), line);
  if (flags.seeds.empty() || seed == flags.seeds.front()) {
    ProgressLine(0, flags.quiet).print(machine_text(run.config, run.products));
  }
  make_folder(folder);
  if (!fs::exists(folder / "checkpoint.pt") && fs::exists(folder / "result.json")) {
    std::fputs(fmt::format("note: the run in {} has finished; its checkpoint.pt is gone\n",
                           folder.string())
                   .c_str(),
               stderr);
    return {.config = run.config,
            .line = std::move(told),
            .result = runs::RunFolder(folder, run.json, flags.resume).result()};
  }

  auto net = experiment.build();
  reset_parameters(*net, stream_seed(train::start_seed(seed, place.candidate), "init"));
  const auto device = flags.config.device;
  net->to(device, models::dtype(flags.config.precision));
  train::TrainData rows{.training = {.inputs = placed.train_inputs,
                                     .labels = placed.train_labels,
                                     .labeled = split.labeled.to(device),
                                     .unlabeled = split.unlabeled.to(device)},
                        .test_inputs = placed.test_inputs,
                        .test_labels = placed.test_labels};
  if (flags.config.validation > 0) {
    rows.validation = split.validation.to(device);
  }
  auto options = train_options(flags, run, net->has_decoder());
  options.record = runs::in_folder(folder, {.config = run.json, .resume = flags.resume});
  train::Trainer trainer(runs::objective_of(run.config, net), std::move(rows), options);
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
  return {.config = run.config, .net = net, .line = std::move(told), .trainer = std::move(trainer)};
}

fs::path seed_folder(const TrainingFlags& flags, uint64_t seed) {
  return flags.seeds.empty() ? flags.out : flags.out / fmt::format("seed-{}", seed);
}

void announce(const TrainingFlags& flags, uint64_t seed) {
  if (!flags.quiet) {
    print(fmt::format("{}, seed {}, in {}\n", flags.config.recipe, seed,
                      seed_folder(flags, seed).string()));
  }
}

struct SeedResult {
  runs::RunConfig config;
  train::TrainResult result;
};

// Train all seeds side by side; return their results in order.
std::vector<SeedResult> run_at_once(const Experiment& experiment, const PlacedData& placed,
                                    const TrainingFlags& flags) {
  std::vector<SeedRun> seed_runs;
  std::vector<train::Trainer> trainers;
  for (const auto seed : flags.seeds) {
    announce(flags, seed);
    seed_runs.push_back(seed_run(experiment, placed, flags, seed, {seed_folder(flags, seed)},
                                 fmt::format("seed {}", seed), trainers.empty()));
    if (seed_runs.back().trainer) {
      trainers.push_back(std::move(*seed_runs.back().trainer));
    }
  }
  auto results = train::run_together(trainers);
  std::vector<SeedResult> all;
  auto next = results.begin();
  for (auto& run : seed_runs) {
    all.push_back({run.config, run.trainer ? std::move(*next++) : std::move(*run.result)});
  }
  return all;
}

// Train the starts of a seed for a few epochs, and let the one that agrees most with the others
// become the run. Return the result of a start that was interrupted.
//
// The starts are recorded beside the folder of the run, which one of them then becomes: by a single
// rename, so that an interruption leaves either the starts or the run.
std::optional<SeedResult> choose_candidate(const Experiment& experiment, const PlacedData& placed,
                                           const TrainingFlags& flags, uint64_t seed) {
  constexpr int64_t kComparedRows = 10'000;
  const auto folder = seed_folder(flags, seed);
  if (fs::exists(folder / "config.json")) return std::nullopt;
  auto starts = folder;
  starts += ".candidates";
  const auto unlabeled = split_rows(experiment, flags.config, seed).unlabeled;
  const auto rows = placed.train_inputs.index_select(
      0, unlabeled.slice(0, 0, kComparedRows).to(placed.train_inputs.device()));
  std::vector<torch::Tensor> classes;
  for (int64_t candidate = 1; candidate <= flags.config.candidates; ++candidate) {
    const auto name = fmt::format("candidate {}", candidate);
    auto run = seed_run(experiment, placed, flags, seed,
                        {starts / std::to_string(candidate), candidate}, name, true);
    auto& trainer = *run.trainer;
    const auto steps = flags.config.candidate_epochs * trainer.steps_per_epoch();
    trainer.callbacks.stop_requested = [&] { return stop_requested() || trainer.step() >= steps; };
    if (trainer.step() < steps) {
      auto result = trainer.run();
      if (trainer.step() < steps) return SeedResult{run.config, std::move(result)};
    }
    classes.push_back(train::run_signs(run.net, rows).classes);
  }
  const auto others = train::disagreements(classes);
  const auto chosen = std::min_element(others.begin(), others.end()) - others.begin() + 1;
  const auto best = starts / std::to_string(chosen);
  write_text(
      best / "candidates.json",
      nlohmann::ordered_json(
          {{"epochs", flags.config.candidate_epochs}, {"disagreement", others}, {"chosen", chosen}})
              .dump(2) +
          "\n");
  fs::rename(best, folder);
  remove_folder(starts);
  std::vector<std::string> shares;
  for (const auto share : others) shares.push_back(fmt::format("{:.2f}", share));
  ProgressLine(0, flags.quiet)
      .print(
          fmt::format("the others disagree with candidates 1 to {} on {} % of the rows; candidate "
                      "{} goes on",
                      others.size(), fmt::join(shares, ", "), chosen));
  return std::nullopt;
}

SeedResult run_alone(const Experiment& experiment, const PlacedData& placed,
                     const TrainingFlags& flags, uint64_t seed) {
  announce(flags, seed);
  RunPlace place{seed_folder(flags, seed)};
  auto here = flags;
  if (flags.config.candidates > 1) {
    if (fs::exists(place.folder / "config.json") && !flags.resume) {
      throw UsageError(fmt::format(kRunThere, place.folder.string()));
    }
    if (auto stopped = choose_candidate(experiment, placed, flags, seed)) return *stopped;
    place.candidate = runs::read_config(place.folder).value().candidate.value_or(1);
    here.resume = true;
  }
  auto run = seed_run(experiment, placed, here, seed, place, "", true);
  return {run.config, run.trainer ? run.trainer->run() : std::move(*run.result)};
}

std::string beside_published(const runs::RunConfig& config) {
  const auto published = runs::published_error(config);
  return published
             ? fmt::format(" (published {} % for {})", models::to_string(*published), config.recipe)
             : std::string();
}

std::string outcome(const SeedResult& run) {
  const auto& last = *run.result.last;
  std::string text;
  if (last.validation_error) {
    text = "validation error " + percent_text(*last.validation_error) + ", ";
  }
  text += "test error " + percent_text(last.test_error.value()) + beside_published(run.config);
  if (run.result.status == train::TrainStatus::kStoppedEarly) {
    text += fmt::format(", stopped early after epoch {}", last.epoch);
  }
  return text + "\n";
}

int interrupted(const Experiment& experiment, const TrainingFlags& flags, const fs::path& folder,
                int64_t step) {
  const auto command = flags.resume ? experiment.command : experiment.command + " --resume";
  const auto signal = stop_signal();
  print(fmt::format("interrupted at step {}, saved in {}{}; to go on:\n  {}\n", step,
                    folder.string(), signal.empty() ? "" : " after " + signal, command));
  return kInterrupted;
}

void print_table(const TrainingFlags& flags, const std::vector<SeedResult>& runs) {
  std::vector<double> values;
  for (const auto& run : runs) {
    values.push_back(run.result.last->test_error.value());
  }
  const auto summary = runs::summarize(values);
  std::string text;
  if (!flags.quiet) {
    text = fmt::format("\n{:>6}  test error, %\n", "seed");
    for (size_t i = 0; i < values.size(); ++i) {
      text += fmt::format("{:>6}  {:.2f}\n", flags.seeds[i], values[i]);
    }
  }
  print(text + fmt::format("mean {:.3f}  std {}  median {:.3f}  over {} seed{}{}\n", summary.mean,
                           values.size() > 1 ? fmt::format("{:.3f}", summary.std) : "-",
                           summary.median, values.size(), values.size() > 1 ? "s" : "",
                           beside_published(runs.front().config)));
}

}  // namespace

int run_experiment(const Experiment& experiment, const TrainingFlags& flags) {
  const bool several = !flags.seeds.empty();
  const auto seeds = several ? flags.seeds : std::vector<uint64_t>{flags.seed.value_or(1)};
  const auto placed = place(experiment.data, flags.config);
  std::vector<SeedResult> results;
  if (flags.parallel_seeds) {
    results = run_at_once(experiment, placed, flags);
  }
  for (size_t i = 0; i < seeds.size(); ++i) {
    if (!flags.parallel_seeds) {
      results.push_back(run_alone(experiment, placed, flags, seeds[i]));
    }
    const auto& run = results[i];
    if (run.result.status == train::TrainStatus::kInterrupted) {
      return interrupted(experiment, flags, seed_folder(flags, seeds[i]), run.result.steps);
    }
    if (!several || !flags.quiet) {
      print(outcome(run));
    }
  }
  if (several) {
    print_table(flags, results);
  }
  return 0;
}

}  // namespace ladder::apps
