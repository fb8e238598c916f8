#include "apps/support/seed_run.h"

#include <fmt/format.h>
#include <ladder/data/spread_labels.h>
#include <ladder/io/text_file.h>
#include <ladder/nn/random_init.h>
#include <ladder/runs/run_folder.h>
#include <ladder/train/pieces/cluster_repair.h>
#include <ladder/train/pieces/feature_labels.h>
#include <ladder/train/pieces/neighbour_agreement.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "apps/support/cached_tensors.h"
#include "apps/support/moves_text.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/ranks.h"
#include "apps/support/training_settings.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

// Return rows on the device and in the type of the network. A GPU keeps bytes and scales each
// batch.
torch::Tensor rows_for_network(const torch::Tensor& inputs, const runs::RunConfig& config) {
  const auto type = models::dtype(config.precision);
  const bool bytes = inputs.scalar_type() == torch::kUInt8;
  if (bytes && config.device.is_cuda() && type == torch::kFloat32) {
    return in_shape(inputs, config).to(config.device);
  }
  return in_shape(bytes ? data::to_unit_float(inputs, type) : inputs, config)
      .to(config.device, type);
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
  if (there.gpu && here.gpu) note_change("gpu", quoted(*there.gpu), quoted(*here.gpu), line);
  note_change("threads", std::to_string(there.threads), std::to_string(here.threads), line);
  note_change("ranks", std::to_string(there.ranks.value_or(1)),
              std::to_string(here.ranks.value_or(1)), line);
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
                    "got others ({}): {}.",
                    folder.string(),
                    runs::holds_only_config(folder)
                        ? "it saved nothing, so without --resume this run takes its place"
                        : "repeat the flags that started it",
                    to_string(differences)));
  }
}

// Let a baseline take as many steps as a ladder of the same settings. One that an earlier version
// started goes on as it began: by its labeled batch. The first rank, which knows it, decides.
void settle_epoch_batch(runs::RunConfig& config, const std::optional<runs::RunConfig>& continued,
                        const std::shared_ptr<train::Communicator>& ranks) {
  config.epoch_batch.reset();
  if (!runs::is_baseline(config)) return;
  const bool older = continued && runs::is_baseline(*continued) && !continued->epoch_batch;
  if (train::value_of_first_rank(ranks, static_cast<int64_t>(older)) == 0) {
    config.epoch_batch = config.unlabeled_batch;
  }
}

// Settings of a run, their JSON in its folder, and its plan of products.
struct SettledRun {
  runs::RunConfig config;
  std::string json;
  ops::ProductPlan products;
  /// Where it goes on, if not where it was started or had gone on before.
  std::optional<runs::Environment> elsewhere = {};
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
  config.candidate = place.start;
  const bool replaces = place.first_rank() && !flags.resume && runs::holds_only_config(folder);
  if (replaces) {
    line.print(
        fmt::format("note: {} holds the settings of a run that saved nothing; this one takes "
                    "its place",
                    folder.string()));
  }
  const auto stored = place.first_rank() && !replaces ? runs::read_config(folder)
                                                      : std::optional<runs::RunConfig>();
  settle_epoch_batch(config, flags.resume ? stored : std::nullopt, place.ranks);
  if (place.teaches) {
    config.teacher_confidence = stored.value_or(runs::RunConfig()).teacher_confidence;
  }
  if (place.only_result && stored) {  // what the labels of its teachers made of these
    config.taught = stored->taught;
    config.labeled_batch = stored->labeled_batch;
  } else if (place.taught.defined() && config.teachers == 0) {
    config.taught = fingerprint(place.taught);
  }
  runs::settle_statistics(config, flags.resume ? stored : std::nullopt, place.ranks);
  if (!place.first_rank()) return run;  // the first hands on what it continues
  const auto environment_here = [&] {
    auto here = environment(config.device, run.products, experiment.data_dir);
    if (place.ranks) here.ranks = place.ranks->size();
    return here;
  };
  if (stored && !flags.resume) {
    refuse_run_there(folder);
  }
  if (!stored) {
    config.environment = environment_here();
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
    note_changes(*stored->environment, environment_here(), told);
  }
  const auto here_and_now = environment_here();
  if (runs::is_elsewhere(*stored, here_and_now)) run.elsewhere = here_and_now;
  return run;
}

train::TrainOptions train_options(const TrainingFlags& flags, const SettledRun& run, bool decoder) {
  const auto& config = run.config;
  return {.epochs = config.epochs,
          .learning_rate = config.learning_rate,
          .decay_from = config.decay_from,
          .warm_up = config.warm_up,
          .labeled_batch = config.labeled_batch,
          .unlabeled_batch = decoder ? config.unlabeled_batch : 0,
          .epoch_batch = decoder ? std::nullopt : config.epoch_batch,
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
  const auto here = environment(config.device, products, {});
  const bool wide = config.precision == models::Precision::kFloat64;  // by ATen, whatever the plan
  const auto numbers = wide ? "float64" : ops::to_string(products.precision);
  if (config.device.is_cuda()) {
    return fmt::format("on {} ({}), {} products", config.device.str(), here.gpu.value_or("CUDA"),
                       numbers);
  }
  return fmt::format("on {}, {} thread{}, {} kernels, {} products by {}", config.device.str(),
                     here.threads, here.threads == 1 ? "" : "s", here.instruction_set, numbers,
                     ops::to_string(wide ? ops::ProductRoute::kAten : products.route));
}

// Label the rows that teachers agree on as they say; rows of the draw and of the validation keep
// their own labels.
void take_taught_labels(const torch::Tensor& taught, torch::Tensor& labels, data::Split& split) {
  const auto own = labels.cpu();
  auto all = taught.clone();
  all.index_copy_(0, split.labeled, own.index_select(0, split.labeled));
  split.labeled = all.ge(0).nonzero().flatten();
  if (split.validation.defined()) {
    all.index_copy_(0, split.validation, own.index_select(0, split.validation));
  }
  labels = all.to(labels.device());
}

// Let the sampler pair rows with neighbours where the run has a cost that compares them.
void pair_neighbours(const runs::RunConfig& config, uint64_t seed, data::SemiData& rows,
                     ProgressLine& line) {
  const train::NeighbourAgreementOptions epochs;
  if (config.pieces.neighbours == 0) return;
  if (config.epochs <= epochs.from) {
    line.print(
        fmt::format("--neighbours has no effect: its cost starts in epoch {}", epochs.from + 1));
    return;
  }
  line.print(fmt::format("finding the nearest neighbours of {} rows", rows.unlabeled.numel()));
  rows.neighbours =
      data::nearest_neighbours(rows.inputs.index_select(0, rows.unlabeled),
                               {.k = 5, .pool = 10000, .seed = stream_seed(seed, "neighbours")});
  rows.paired_from = epochs.from;
  rows.paired_until = epochs.until;
}

// Guess the class of each unlabeled row by its neighbours; -1 for the other rows.
torch::Tensor guess_classes(const data::SemiData& rows, data::SharedNeighbours& near,
                            int64_t classes, ProgressLine& line) {
  line.print(fmt::format("spreading {} labels along a graph of {} rows", rows.labeled.numel(),
                         rows.unlabeled.numel()));
  auto labels = data::known_labels(rows);
  const auto guess =
      data::spread_labels(rows.inputs.index_select(0, rows.unlabeled), near.get(),
                          labels.index_select(0, rows.unlabeled), {.classes = classes});
  return labels.index_copy_(0, rows.unlabeled, guess);
}

// "moving clusters after epoch 16: 185 rows from 2 to 1".
std::string look_text(const train::ClusterLook& look) {
  const auto moves = moves_text(train::cluster_moves(look.classes, look.lost));
  return moves.empty() ? fmt::format("no cluster moves after epoch {}", look.epoch)
                       : fmt::format("moving clusters after epoch {}: {}", look.epoch, moves);
}

// "after epoch 90, 336 of 60000 rows take the class of the rows near them in features".
std::string feature_look_text(const train::FeatureLook& look) {
  return fmt::format(
      "after epoch {}, {} of {} rows take the class of the rows near them in features", look.epoch,
      look.moved, look.rows);
}

// A run that has ended, of which nothing but its result is asked for. `gone`: its checkpoint is not
// there.
SeedRun recorded_result(const SettledRun& run, const TrainingFlags& flags, const RunPlace& place,
                        bool gone, std::unique_ptr<ProgressLine> line) {
  SeedRun ended{.config = run.config,
                .products = run.products,
                .line = std::move(line),
                .result = train::TrainResult(),
                .ended = true};
  if (!place.first_rank()) return ended;
  if (gone) {
    std::fputs(fmt::format("note: the run in {} has finished; its checkpoint.pt is gone\n",
                           place.folder.string())
                   .c_str(),
               stderr);
  }
  ended.result = runs::RunFolder(place.folder, run.json, flags.resume).result();
  return ended;
}

// Say where training goes on, and let it tell `line` how it comes forward.
void report_progress(train::Trainer& trainer, ProgressLine& line, bool shows_progress) {
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
  trainer.callbacks.on_exchange = [&line](const train::ExchangeTimes& times) {
    line.print(exchange_text(times));
  };
  trainer.callbacks.stop_requested = stop_requested;
}

}  // namespace

torch::Tensor in_shape(const torch::Tensor& rows, const runs::RunConfig& config) {
  std::vector<int64_t> shape = {rows.size(0)};
  const auto& row = config.network.input_shape;
  shape.insert(shape.end(), row.begin(), row.end());
  return rows.reshape(shape);
}

PlacedData place(const data::TrainTest& data, const runs::RunConfig& config) {
  const auto train = rows_for_network(data.train.inputs, config);
  return {.train_inputs = train,
          .train_labels = data.train.labels.to(config.device),
          .test_inputs = rows_for_network(data.test.inputs, config),
          .test_labels = data.test.labels.to(config.device),
          .near = std::make_shared<data::SharedNeighbours>(train)};
}

PlacedData place_again(const PlacedData& placed, const data::TrainTest& data,
                       const runs::RunConfig& config) {
  const auto there = placed.train_inputs.scalar_type();
  const auto type = models::dtype(config.precision);
  const bool bytes = there == torch::kUInt8 && type == torch::kFloat32;
  if (there != type && !bytes) return place(data, config);
  auto again = placed;
  again.train_inputs = in_shape(placed.train_inputs, config);
  again.test_inputs = in_shape(placed.test_inputs, config);
  return again;
}

data::SplitOptions split_options(const runs::RunConfig& config, uint64_t seed) {
  return {.labels = config.labels,
          .validation = config.validation,
          .seed = seed,
          .balance = config.balanced ? data::Balance::kBalanced : data::Balance::kUnbalanced};
}

data::Split split_rows(const Experiment& experiment, const runs::RunConfig& config, uint64_t seed) {
  try {
    return data::make_split(experiment.data.train.labels, experiment.data.train.classes,
                            split_options(config, seed));
  } catch (const c10::Error& error) {
    throw UsageError(error.what_without_backtrace());
  }
}

std::shared_ptr<data::SharedNeighbours> near_unlabeled(const PlacedData& placed,
                                                       const runs::RunConfig& config,
                                                       const torch::Tensor& unlabeled) {
  if (config.validation == 0) return placed.near;
  return std::make_shared<data::SharedNeighbours>(placed.train_inputs,
                                                  unlabeled.to(placed.train_inputs.device()));
}

bool clusters_tell(const Experiment& experiment, const Ladder& net, int64_t rows) {
  return experiment.near_rows_share_class && net->has_decoder() && rows >= kMinCheckedRows;
}

void refuse_run_there(const fs::path& folder) {
  throw UsageError(fmt::format(
      "expected an empty folder but got a run in {} (--resume continues it, --out takes "
      "another folder).",
      folder.string()));
}

SeedRun seed_run(const Experiment& experiment, const PlacedData& placed, const TrainingFlags& flags,
                 uint64_t seed, const RunPlace& place) {
  const auto& folder = place.folder;
  const bool quiet = flags.quiet || !place.first_rank();
  auto told = std::make_unique<ProgressLine>(flags.config.epochs, quiet, place.name);
  auto& line = *told;
  auto split = split_rows(experiment, flags.config, seed);
  auto labels = placed.train_labels;
  if (place.taught.defined()) take_taught_labels(place.taught, labels, split);
  check_batch_size(flags, split.unlabeled.numel());
  const auto run = settle_run(experiment, flags, place, seed, split.labeled.numel(), line);
  if (flags.seeds.empty() || seed == flags.seeds.front()) {
    ProgressLine(0, quiet).print(machine_text(run.config, run.products));
  }
  if (place.first_rank()) make_folder(folder);
  const bool ended_here = fs::exists(folder / "result.json");
  const bool gone = !fs::exists(folder / "checkpoint.pt") && ended_here;
  if (train::value_of_first_rank(place.ranks, static_cast<int64_t>(gone || place.only_result)) !=
      0) {
    return recorded_result(run, flags, place, gone, std::move(told));
  }
  const bool has_ended =
      train::value_of_first_rank(place.ranks, static_cast<int64_t>(ended_here)) != 0;

  auto net = experiment.build();
  reset_parameters(*net, stream_seed(train::start_seed(seed, place.start.value_or(1)), "init"));
  const auto device = flags.config.device;
  net->to(device, models::dtype(flags.config.precision));
  train::TrainData rows{.training = {.inputs = placed.train_inputs,
                                     .labels = labels,
                                     .labeled = split.labeled.to(device),
                                     .unlabeled = split.unlabeled.to(device)},
                        .test_inputs = placed.test_inputs,
                        .test_labels = placed.test_labels};
  if (!has_ended) pair_neighbours(flags.config, seed, rows.training, line);
  if (flags.config.validation > 0) {
    rows.validation = split.validation.to(device);
  }
  auto options = train_options(flags, run, net->has_decoder());
  options.ranks = place.ranks;
  options.statistics = run.config.statistics.value_or(train::RankStatistics::kLocal);
  options.record = runs::in_folder(folder, {.config = run.json, .resume = flags.resume});
  const auto near = near_unlabeled(placed, flags.config, rows.training.unlabeled);
  const auto classes = net->classes();
  auto objective = runs::objective_of(
      run.config, net, rows.training,
      {.near = near,
       .guess = [training = rows.training, near, classes,
                 &line] { return guess_classes(training, *near, classes, line); },
       .on_look = [&line](const train::ClusterLook& look) { line.print(look_text(look)); },
       .on_feature_look =
           [&line](const train::FeatureLook& look) { line.print(feature_look_text(look)); }});
  train::Trainer trainer(std::move(objective), std::move(rows), options);
  if (run.elsewhere && !has_ended) {
    runs::add_resumed(folder, {.step = trainer.step(), .environment = *run.elsewhere});
  }
  report_progress(trainer, line, place.shows_progress);
  return {.config = run.config,
          .net = net,
          .products = run.products,
          .line = std::move(told),
          .trainer = std::move(trainer),
          .ended = has_ended};
}

}  // namespace ladder::apps
