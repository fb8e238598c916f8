#include "apps/support/experiment.h"

#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/models/network.h>
#include <ladder/runs/run_folder.h>
#include <ladder/runs/seed_summary.h>
#include <ladder/train/checkpoint.h>
#include <ladder/train/evaluate.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "apps/support/checked_clusters.h"
#include "apps/support/compared_seeds.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/progress.h"
#include "apps/support/ranks.h"
#include "apps/support/run_model.h"
#include "apps/support/seed_run.h"
#include "apps/support/starts.h"
#include "apps/support/test_predictions.h"
#include "apps/support/training_settings.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

fs::path seed_folder(const TrainingFlags& flags, uint64_t seed) {
  return flags.seeds.empty() ? flags.out : flags.out / fmt::format("seed-{}", seed);
}

void announce(const TrainingFlags& flags, uint64_t seed) {
  if (!flags.quiet) {
    const auto changes = changes_text(flags);
    print(fmt::format("{}{}, seed {}, in {}\n", flags.config.recipe,
                      changes.empty() ? "" : " with " + changes, seed,
                      seed_folder(flags, seed).string()));
  }
}

// Say why a seed has no result. The others go on.
void report_failure(const TrainingFlags& flags, uint64_t seed, const std::string& sentence) {
  std::fputs(fmt::format("{}: seed {}: {}\n", flags.config.program, seed, sentence).c_str(),
             stderr);
}

// Several ranks train one network.
void check_ranks(const Rank& rank, const TrainingFlags& flags) {
  if (rank.size == 1) return;
  const std::string several = !flags.seeds.empty()           ? "--seeds"
                              : flags.config.candidates > 1  ? "--candidates"
                              : flags.config.teachers > 0    ? "--teachers"
                              : !flags.taught_by.empty()     ? "--taught-by"
                              : !flags.config.taught.empty() ? "a run with --taught-by"
                              : !flags.teacher.empty()       ? "--recipe " + flags.config.recipe
                                                             : "";
  if (several.empty()) return;
  throw UsageError(
      fmt::format("expected one run for the {} ranks of the launcher, which train it together, but "
                  "got {} (`ladder reproduce` divides seeds among ranks).",
                  rank.size, several));
}

// Do one thing for one of several seeds, of which none keeps the others from running.
void or_say_why(const TrainingFlags& flags, uint64_t seed, const std::function<void()>& work) {
  try {
    work();
  } catch (const c10::Error& error) {
    report_failure(flags, seed, error_sentence(error));
  }
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
  if (run.config.epochs < kMinCheckedEpochs) return;
  if (!clusters_tell(experiment, net, rows.size(0))) return;
  const auto labeled = split_rows(experiment, run.config, run.config.seed.value()).labeled;
  const auto labels = data::known_labels(
      {.labels = placed.train_labels, .labeled = labeled.to(placed.train_labels.device())});
  run.clusters = check_clusters(train::clean_features(net, rows), placed.near->get(), labels);
  if (run.clusters) write_checked_clusters(folder, *run.clusters);
}

// Write what the network of a run that has ended is kept for: the model, and the predictions where
// they are asked for. Compare it with other seeds.
void use_network(const Experiment& experiment, const PlacedData& placed, const TrainingFlags& flags,
                 SeedRun& there, SeedResult& run) {
  if (!there.ended || !fs::exists(run.folder / kModelFile)) {
    write_run_model(run, flags, there.net, experiment, placed.train_inputs);
  }
  if (flags.predictions) {
    const ops::ProductScope products(there.products);
    write_test_predictions(run.folder, there.net, placed.test_inputs, placed.test_labels);
  }
  if (flags.seeds.size() < 3) return;
  const auto& rows = placed.train_inputs;  // the first of them are compared with other runs'
  run.classes =
      train::predict(there.net, rows.narrow(0, 0, std::min(kComparedRows, rows.size(0)))).cpu();
}

// What a run that has ended says of the training rows, without labels, and of the test rows.
void look_back(const Experiment& experiment, const PlacedData& placed, const TrainingFlags& flags,
               const RunPlace& place, SeedRun& there, SeedResult& run) {
  if (run.result.status == train::TrainStatus::kInterrupted || !place.first_rank()) return;
  add_clusters(experiment, placed, there.net, place.folder, there.ended, run);
  use_network(experiment, placed, flags, there, run);
}

// The result of a run that had ended before and has no trainer: its checkpoint is gone, or it
// learnt from runs that it needs no more.
SeedResult result_there(const Experiment& experiment, const PlacedData& placed,
                        const TrainingFlags& flags, const fs::path& folder, SeedRun& there) {
  SeedResult run{.config = there.config,
                 .result = std::move(*there.result),
                 .clusters = read_checked_clusters(folder),
                 .folder = folder};
  const auto checkpoint = folder / "checkpoint.pt";
  if (fs::exists(checkpoint)) {
    there.net = experiment.build();
    there.net->to(flags.config.device, models::dtype(flags.config.precision));
    train::load_network(checkpoint, *there.net);
    use_network(experiment, placed, flags, there, run);
  } else if (flags.predictions) {
    std::fputs(
        fmt::format("note: no predictions.csv for {}: its checkpoint.pt is gone\n", folder.string())
            .c_str(),
        stderr);
  }
  return run;
}

// A run that is there is continued only where that was asked for. One that saved nothing but its
// settings is replaced, if only those are: one of several starts replaces the whole folder.
void check_folder(const TrainingFlags& flags, const fs::path& folder) {
  if (flags.resume || !fs::exists(folder / "config.json")) return;
  if (flags.config.candidates > 1 || !runs::holds_only_config(folder)) refuse_run_there(folder);
}

// The results of the trainers of `seeds` in order; none for one that failed.
std::vector<std::optional<train::TrainResult>> train_together(
    const TrainingFlags& flags, const std::vector<uint64_t>& seeds,
    std::vector<train::Trainer>& trainers) {
  std::vector<std::optional<train::TrainResult>> results;
  try {
    for (auto& result : train::run_together(trainers)) results.emplace_back(std::move(result));
  } catch (const c10::Error& error) {
    if (stop_requested()) throw;
    // It is that of the first one that failed. The others have ended and know their results.
    auto sentence = error_sentence(error);
    for (size_t i = 0; i < trainers.size(); ++i) {
      if (fs::exists(seed_folder(flags, seeds[i]) / "result.json")) {
        results.emplace_back(trainers[i].run());
        continue;
      }
      report_failure(flags, seeds[i], sentence);
      sentence = "expected a result but got none (train this seed alone to see why).";
      results.emplace_back();
    }
  }
  return results;
}

// Train all seeds side by side; return their results in order, none for one that failed.
std::vector<std::optional<SeedResult>> run_at_once(const Experiment& experiment,
                                                   const PlacedData& placed,
                                                   const TrainingFlags& flags) {
  std::vector<std::optional<SeedRun>> seed_runs;
  std::vector<train::Trainer> trainers;
  std::vector<uint64_t> trained;  // their seeds
  bool shown = false;             // the progress of a run that has not ended
  for (const auto seed : flags.seeds) {
    announce(flags, seed);
    auto& there = seed_runs.emplace_back();
    or_say_why(flags, seed, [&] {
      there = seed_run(experiment, placed, flags, seed,
                       {.folder = seed_folder(flags, seed),
                        .name = fmt::format("seed {}", seed),
                        .shows_progress = !shown});
    });
    if (!there) continue;
    shown = shown || !there->ended;
    if (there->trainer) {
      trainers.push_back(std::move(*there->trainer));
      trained.push_back(seed);
    }
  }
  auto results = train_together(flags, trained, trainers);
  std::vector<std::optional<SeedResult>> all;
  auto next = results.begin();
  for (size_t i = 0; i < seed_runs.size(); ++i) {
    auto& ended = all.emplace_back();
    if (!seed_runs[i]) continue;
    auto& run = *seed_runs[i];
    auto* const result = run.trainer ? &*next++ : nullptr;
    if (result != nullptr && !*result) continue;
    or_say_why(flags, flags.seeds[i], [&] {
      const RunPlace place{.folder = seed_folder(flags, flags.seeds[i])};
      if (result == nullptr) {
        ended = result_there(experiment, placed, flags, place.folder, run);
        return;
      }
      SeedResult trained_now{
          .config = run.config, .result = std::move(**result), .folder = place.folder};
      look_back(experiment, placed, flags, place, run, trained_now);
      ended = std::move(trained_now);
    });
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
  auto teacher = place.folder;
  teacher += ".teacher";
  if (!flags.config.taught.empty() && flags.taught_by.empty()) {  // settings of a run that goes on
    place.taught = kept_labels(place.folder, flags.config.taught);
    if (place.taught.defined()) return std::nullopt;
    if (flags.teacher.empty() || !fs::exists(teacher)) {
      throw UsageError(
          fmt::format("expected the labels that the run in {} began with but got no file of them "
                      "there (repeat --taught-by).",
                      place.folder.string()));
    }
  }
  if (flags.config.teachers > 0) {
    auto taught = teach(experiment, placed, flags, seed, place.folder);
    place.taught = taught.labels;
    return taught.stopped;
  }
  if (!flags.teacher.empty()) {
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
  const bool chooses = flags.config.candidates > 1;
  if (place.first_rank()) check_folder(flags, place.folder);
  if (chooses) {
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
  if (!run.trainer) return result_there(experiment, placed, flags, place.folder, run);
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

// Run one of several seeds: the result, or none for one that failed.
std::optional<SeedResult> run_one_of(const Experiment& experiment, const PlacedData& placed,
                                     const TrainingFlags& flags, uint64_t seed) {
  std::optional<SeedResult> result;
  or_say_why(flags, seed, [&] { result = run_alone(experiment, placed, flags, seed, {}); });
  return result;
}

// "seed 3 looks left behind ..."; empty where none does. Writes seeds.json.
std::string left_behind_text(const TrainingFlags& flags,
                             const std::vector<std::optional<SeedResult>>& runs) {
  std::vector<torch::Tensor> classes;
  for (const auto& run : runs) classes.push_back(run ? run->classes : torch::Tensor());
  const auto compared = compare_seeds(flags.seeds, classes);
  write_compared_seeds(flags.out, compared);
  std::string text;
  for (const auto& sentence : left_behind_sentences(compared)) {
    text += sentence + " (docs/runs-left-behind.md)\n";
  }
  return text;
}

// Write the table of several seeds into summary.json of their folder.
void write_summary(const TrainingFlags& flags, const std::vector<std::optional<SeedResult>>& runs,
                   const std::vector<double>& values, const runs::SeedSummary& summary) {
  using nlohmann::ordered_json;
  auto seeds = ordered_json::array(), failed = ordered_json::array();
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i]) {
      failed.push_back(flags.seeds[i]);
      continue;
    }
    const auto& last = *runs[i]->result.last;
    auto one = ordered_json::object();
    one["seed"] = flags.seeds[i];
    one["test_error"] = last.test_error.value();
    if (last.validation_error) one["validation_error"] = *last.validation_error;
    seeds.push_back(std::move(one));
  }
  auto object = ordered_json::object();
  object["recipe"] = flags.config.recipe;
  object["seeds"] = std::move(seeds);
  object["failed"] = std::move(failed);
  auto& errors = object["test_error"] = ordered_json::object();
  errors["mean"] = summary.mean;
  errors["std"] = values.size() > 1 ? ordered_json(summary.std) : ordered_json();
  errors["median"] = summary.median;
  write_text(flags.out / "summary.json", object.dump(2) + "\n");
}

void print_table(const TrainingFlags& flags, const std::vector<std::optional<SeedResult>>& runs) {
  std::vector<double> values;
  auto text = fmt::format("\n{:>6}  test error, %\n", "seed");
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i]) values.push_back(runs[i]->result.last->test_error.value());
    text += fmt::format("{:>6}  {}\n", flags.seeds[i],
                        runs[i] ? fmt::format("{:.2f}", values.back()) : "failed");
  }
  if (values.empty()) return;  // each has said why
  const auto summary = runs::summarize(values);
  write_summary(flags, runs, values, summary);
  const auto failed = runs.size() - values.size();
  const auto first =
      std::find_if(runs.begin(), runs.end(), [](const auto& run) { return run.has_value(); });
  print((flags.quiet ? "" : text) +
        fmt::format("mean {:.3f}  std {}  median {:.3f}  over {} seed{}{}{}\n", summary.mean,
                    values.size() > 1 ? fmt::format("{:.3f}", summary.std) : "-", summary.median,
                    values.size(), values.size() > 1 ? "s" : "",
                    failed > 0 ? fmt::format(", {} failed", failed) : "",
                    beside_published((*first)->config)) +
        left_behind_text(flags, runs));
}

}  // namespace

int run_experiment(const Experiment& experiment, const TrainingFlags& flags) {
  const auto rank = rank_of_environment();
  check_ranks(rank, flags);
  const auto ranks = connect_ranks(rank, flags.rank_timeout);
  const bool several = !flags.seeds.empty();
  const auto seeds = several ? flags.seeds : std::vector<uint64_t>{flags.seed.value_or(1)};
  for (const auto& note : flags.notes) {
    if (rank.first() && !flags.quiet) print("note: " + note + "\n");
  }
  if (several) {  // before the first of them takes its hours
    for (const auto seed : seeds) check_folder(flags, seed_folder(flags, seed));
  }
  const auto placed = place(experiment.data, flags.config);
  std::vector<std::optional<SeedResult>> results;
  if (flags.parallel_seeds) {
    results = run_at_once(experiment, placed, flags);
  }
  bool any_failed = false;
  for (size_t i = 0; i < seeds.size(); ++i) {
    if (!flags.parallel_seeds) {
      results.push_back(several ? run_one_of(experiment, placed, flags, seeds[i])
                                : run_alone(experiment, placed, flags, seeds[i], ranks));
    }
    if (!results[i]) {
      any_failed = true;
      continue;
    }
    const auto& run = *results[i];
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
  return any_failed ? 1 : 0;
}

}  // namespace ladder::apps
