#include "apps/support/experiment.h"

#include <fmt/format.h>
#include <ladder/models/network.h>
#include <ladder/runs/seed_summary.h>
#include <ladder/train/evaluate.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "apps/support/checked_clusters.h"
#include "apps/support/compared_seeds.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/progress.h"
#include "apps/support/ranks.h"
#include "apps/support/seed_run.h"
#include "apps/support/starts.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

fs::path seed_folder(const TrainingFlags& flags, uint64_t seed) {
  return flags.seeds.empty() ? flags.out : flags.out / fmt::format("seed-{}", seed);
}

void announce(const TrainingFlags& flags, uint64_t seed) {
  if (!flags.quiet) {
    print(fmt::format("{}, seed {}, in {}\n", flags.config.recipe, seed,
                      seed_folder(flags, seed).string()));
  }
}

// Several ranks train one network.
void check_ranks(const Rank& rank, const TrainingFlags& flags) {
  if (rank.size == 1) return;
  const std::string several = !flags.seeds.empty()          ? "--seeds"
                              : flags.config.candidates > 1 ? "--candidates"
                              : flags.config.teachers > 0   ? "--teachers"
                              : !flags.taught_by.empty()    ? "--taught-by"
                              : !flags.teacher.empty()      ? "--recipe " + flags.config.recipe
                                                            : "";
  if (several.empty()) return;
  throw UsageError(
      fmt::format("expected one run for the {} ranks of the launcher, which train it together, but "
                  "got {} (`ladder reproduce` divides seeds among ranks).",
                  rank.size, several));
}

// Check the clusters of a run that has ended; keep what is found in its folder. One that had ended
// before was checked then.
void add_clusters(const Experiment& experiment, const PlacedData& placed, Ladder& net,
                  const fs::path& folder, bool ended_before, SeedResult& run) {
  try {
    if (ended_before) run.clusters = read_checked_clusters(folder);
  } catch (const std::runtime_error&) {
    // A damaged file is written anew.
  }
  if (run.clusters) return;
  const auto& rows = placed.train_inputs;
  if (run.config.epochs < kLeastCheckedEpochs) return;
  if (!clusters_tell(experiment, net, rows.size(0))) return;
  const auto labeled = split_rows(experiment, run.config, run.config.seed.value()).labeled;
  const auto labels = data::known_labels(
      {.labels = placed.train_labels, .labeled = labeled.to(placed.train_labels.device())});
  run.clusters = check_clusters(train::clean_features(net, rows), placed.near->get(), labels);
  if (run.clusters) write_checked_clusters(folder, *run.clusters);
}

// What a run that has ended says of the training rows, without labels.
void look_back(const Experiment& experiment, const PlacedData& placed, const TrainingFlags& flags,
               const RunPlace& place, SeedRun& there, SeedResult& run) {
  if (run.result.status == train::TrainStatus::kInterrupted || !place.first_rank()) return;
  add_clusters(experiment, placed, there.net, place.folder, there.ended, run);
  if (flags.seeds.size() < 3) return;
  const auto& rows = placed.train_inputs;  // the first of them are compared with other runs'
  run.classes =
      train::predict(there.net, rows.narrow(0, 0, std::min(kComparedRows, rows.size(0)))).cpu();
}

// The result of a run that had ended before and is not loaded again.
SeedResult result_there(SeedRun& run, const fs::path& folder) {
  return {.config = run.config,
          .result = std::move(*run.result),
          .clusters = read_checked_clusters(folder),
          .folder = folder};
}

// Train all seeds side by side; return their results in order.
std::vector<SeedResult> run_at_once(const Experiment& experiment, const PlacedData& placed,
                                    const TrainingFlags& flags) {
  std::vector<SeedRun> seed_runs;
  std::vector<train::Trainer> trainers;
  bool shown = false;  // the progress of a run that has not ended
  for (const auto seed : flags.seeds) {
    announce(flags, seed);
    seed_runs.push_back(seed_run(experiment, placed, flags, seed,
                                 {.folder = seed_folder(flags, seed),
                                  .name = fmt::format("seed {}", seed),
                                  .shows_progress = !shown}));
    shown = shown || !seed_runs.back().ended;
    if (seed_runs.back().trainer) {
      trainers.push_back(std::move(*seed_runs.back().trainer));
    }
  }
  auto results = train::run_together(trainers);
  std::vector<SeedResult> all;
  auto next = results.begin();
  for (size_t i = 0; i < seed_runs.size(); ++i) {
    auto& run = seed_runs[i];
    const RunPlace place{.folder = seed_folder(flags, flags.seeds[i])};
    if (!run.trainer) {
      all.push_back(result_there(run, place.folder));
      continue;
    }
    all.push_back({.config = run.config, .result = std::move(*next++), .folder = place.folder});
    look_back(experiment, placed, flags, place, run, all.back());
  }
  return all;
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
  text += "\n";
  const auto clusters =
      run.clusters
          ? clusters_sentence(*run.clusters, fmt::format("seed {}", run.config.seed.value()))
          : std::string();
  return clusters.empty() ? text : text + clusters + " (docs/runs-left-behind.md)\n";
}

SeedResult run_alone(const Experiment& experiment, const PlacedData& placed,
                     const TrainingFlags& flags, uint64_t seed,
                     const std::shared_ptr<train::Communicator>& ranks);

// Train the run of the teaching recipe into `folder`, or what is missing of it. Return its result
// where it was interrupted.
std::optional<SeedResult> train_teacher(const Experiment& experiment, const PlacedData& placed,
                                        const TrainingFlags& flags, uint64_t seed,
                                        const fs::path& folder) {
  if (flags.resume && fs::exists(folder / "result.json")) return std::nullopt;
  auto teacher = teacher_flags(flags);
  teacher.out = folder;
  auto one = experiment;
  one.build = [network = runs::network_of(teacher.config)] { return models::network(network); };
  auto ended = run_alone(one, place_again(placed, one.data, teacher.config), teacher, seed, {});
  if (ended.result.status == train::TrainStatus::kInterrupted) return ended;
  if (!flags.quiet) print(outcome(ended));
  return std::nullopt;
}

// Put the labels that other runs give into `place`; train these runs where they are not there yet,
// and name their folders in `flags`. Return the result of one that was interrupted.
std::optional<SeedResult> learn_from_runs(const Experiment& experiment, const PlacedData& placed,
                                          uint64_t seed, TrainingFlags& flags, RunPlace& place) {
  if (flags.config.teachers > 0) {
    auto taught = teach(experiment, placed, flags, seed, place.folder);
    place.taught = taught.labels;
    return taught.stopped;
  }
  if (!flags.teacher.empty()) {
    auto teacher = place.folder;
    teacher += ".teacher";
    if (auto stopped = train_teacher(experiment, placed, flags, seed, teacher)) return stopped;
    flags.taught_by = {teacher};
  }
  place.taught = taught_labels(experiment, placed, flags, seed, place.folder);
  return std::nullopt;
}

SeedResult run_alone(const Experiment& experiment, const PlacedData& placed,
                     const TrainingFlags& flags, uint64_t seed,
                     const std::shared_ptr<train::Communicator>& ranks) {
  RunPlace place{.folder = seed_folder(flags, seed), .ranks = ranks};
  if (place.first_rank()) announce(flags, seed);
  auto here = flags;
  const bool several = flags.config.candidates > 1 || learns_from_runs(flags);
  if (several && fs::exists(place.folder / "config.json") && !flags.resume) {
    refuse_run_there(place.folder);
  }
  if (flags.config.candidates > 1) {
    if (auto stopped = choose_candidate(experiment, placed, flags, seed, place.folder)) {
      return *stopped;
    }
    place.start = runs::read_config(place.folder).value().candidate.value_or(1);
    here.resume = true;
  }
  if (learns_from_runs(flags)) {
    // A run that has ended needs its teachers no more.
    place.only_result = flags.resume && fs::exists(place.folder / "result.json");
    if (!place.only_result) {
      if (auto stopped = learn_from_runs(experiment, placed, seed, here, place)) return *stopped;
    }
  }
  auto run = seed_run(experiment, placed, here, seed, place);
  if (!run.trainer) return result_there(run, place.folder);
  SeedResult ended{.config = run.config, .result = run.trainer->run(), .folder = place.folder};
  look_back(experiment, placed, flags, place, run, ended);
  return ended;
}

int interrupted(const Experiment& experiment, const TrainingFlags& flags, const SeedResult& run) {
  const auto command = flags.resume ? experiment.command : experiment.command + " --resume";
  const auto signal = stop_signal();
  print(fmt::format("interrupted at step {}, saved in {}{}; to go on:\n  {}\n", run.result.steps,
                    run.folder.string(), signal.empty() ? "" : " after " + signal, command));
  return kInterrupted;
}

// "seed 3 looks left behind ..."; empty where none does. Writes seeds.json.
std::string left_behind_text(const TrainingFlags& flags, const std::vector<SeedResult>& runs) {
  std::vector<torch::Tensor> classes;
  for (const auto& run : runs) classes.push_back(run.classes);
  const auto compared = compare_seeds(flags.seeds, classes);
  write_compared_seeds(flags.out, compared);
  std::string text;
  for (const auto& sentence : left_behind_sentences(compared)) {
    text += sentence + " (docs/runs-left-behind.md)\n";
  }
  return text;
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
  print(text +
        fmt::format("mean {:.3f}  std {}  median {:.3f}  over {} seed{}{}\n", summary.mean,
                    values.size() > 1 ? fmt::format("{:.3f}", summary.std) : "-", summary.median,
                    values.size(), values.size() > 1 ? "s" : "",
                    beside_published(runs.front().config)) +
        left_behind_text(flags, runs));
}

}  // namespace

int run_experiment(const Experiment& experiment, const TrainingFlags& flags) {
  const auto rank = rank_of_environment();
  check_ranks(rank, flags);
  const auto ranks = connect_ranks(rank, flags.rank_timeout);
  const bool several = !flags.seeds.empty();
  const auto seeds = several ? flags.seeds : std::vector<uint64_t>{flags.seed.value_or(1)};
  const auto placed = place(experiment.data, flags.config);
  std::vector<SeedResult> results;
  if (flags.parallel_seeds) {
    results = run_at_once(experiment, placed, flags);
  }
  for (size_t i = 0; i < seeds.size(); ++i) {
    if (!flags.parallel_seeds) {
      results.push_back(run_alone(experiment, placed, flags, seeds[i], ranks));
    }
    const auto& run = results[i];
    if (run.result.status == train::TrainStatus::kInterrupted) {
      if (!rank.first()) return kInterrupted;
      return interrupted(experiment, flags, run);
    }
    if (rank.first() && (!several || !flags.quiet)) {
      print(outcome(run));
    }
  }
  if (several) {
    print_table(flags, results);
  }
  return 0;
}

}  // namespace ladder::apps
