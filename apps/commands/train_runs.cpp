#include "apps/commands/train_runs.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/runs/run_config.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "apps/commands/data_flags.h"
#include "apps/commands/metrics_text.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/progress.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kProgressLines = 10;

torch::Tensor wrong_rows(const torch::Tensor& probabilities, const torch::Tensor& labels) {
  return probabilities.argmax(1).ne(labels).logical_and(labels.ge(0));
}

void measure(Trained& run, const std::optional<data::Samples>& test) {
  const auto& rows = run.fit.held_back;
  if (rows.labels.defined() && rows.labels.numel() > 0) {
    run.held_back = held_back_metrics(rows);
    if (rows.probabilities.defined()) {
      run.held_back_wrong = wrong_rows(rows.probabilities, rows.labels);
    }
  }
  if (test) {
    const auto probabilities = run.classifier.predict_proba(*test);
    const auto labels = labels_for(run.classifier, *test, run.classifier.label());
    run.test = train::classification_metrics(probabilities, labels);
    run.test_wrong = wrong_rows(probabilities, labels);
  }
}

std::string start_text(const runs::RunConfig& config) {
  std::vector<std::string> layers;
  for (const auto& layer : config.network.layers) layers.push_back(models::to_string(layer));
  // Of shards. What --shuffle auto chose depends on the disk: the flag repeats it.
  const auto order =
      !config.block_rows ? std::string()
      : *config.block_rows > 0
          ? fmt::format("; shuffled by blocks of {} rows (--shuffle blocks)", *config.block_rows)
          : std::string("; shuffled row by row (--shuffle rows)");
  return fmt::format(
      "{} rows, {} labeled, {} held back, {} classes; {} input{}, layers {}; {} epoch{}, seed {}{}",
      *config.train_rows - config.validation, config.labels, config.validation, config.classes,
      fmt::join(config.network.input_shape, " x "),
      config.network.input_shape == std::vector<int64_t>{1} ? "" : "s", fmt::join(layers, ", "),
      config.epochs, config.epochs == 1 ? "" : "s", *config.seed, order);
}

// Steps of the networks of `folds`, each of which lacks the labeled rows of its fold.
int64_t steps_of_folds(int64_t folds, const runs::RunConfig& config, int64_t steps) {
  if (folds == 0) return 0;
  const double labeled_share =
      static_cast<double>(config.labels) / static_cast<double>(*config.train_rows);
  return std::llround(static_cast<double>(steps) * (static_cast<double>(folds) - labeled_share));
}

// `name`: begins each line of progress; none: no progress.
Trained train_one(const TrainFlags& flags, ClassifierOptions options, const data::Samples& rows,
                  const std::optional<data::Samples>& test,
                  const std::optional<std::string>& name) {
  std::optional<ProgressLine> line;
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  int64_t steps = 0;
  int64_t tenths = 0;
  if (name) {
    options.on_start = [&](const runs::RunConfig& config, int64_t all) {
      steps = all;
      line.emplace(config.epochs, flags.quiet, *name, steps_of_folds(options.folds, config, all));
      line->print(start_text(config));
    };
    options.callbacks.on_exchange = [&](const train::ExchangeTimes& times) {
      line->print(exchange_text(times));
    };
    options.callbacks.on_progress = [&](const train::Progress& at) { line->progress(at); };
    options.callbacks.on_evaluation = [&](const train::Evaluation& at) {
      // A log gets ten lines.
      const int64_t tenth = at.step * kProgressLines / std::max<int64_t>(steps, 1);
      if (tenth > tenths || terminal) line->evaluation(at, steps);
      tenths = std::max(tenths, tenth);
    };
    options.on_fold = [&](const FoldProgress& at) { line->fold(at); };
  }
  options.callbacks.stop_requested = stop_requested;
  Trained run{.seed = options.seed, .folder = options.folder, .classifier = Classifier(options)};
  run.fit = run.classifier.fit(rows, flags.label, flags.ignore);
  line.reset();
  if (run.fit.training.status == train::TrainStatus::kInterrupted) return run;
  measure(run, test);
  if (run.test) {  // the error that is printed stands first in the model, too
    run.classifier.put_fact("test error", error_text(*run.test));
    const bool writes = !options.ranks || options.ranks->rank() == 0;
    if (writes && !options.folder.empty()) run.classifier.save(options.folder / kModelFile);
  }
  return run;
}

// Options of a network that learns from the labels alone, to be set beside `run`.
ClassifierOptions alone_options(ClassifierOptions options, const Trained& run) {
  options.seed = run.seed;
  options.labels_alone = true;
  options.ranks = {};
  options.lambda.clear();
  options.folder.clear();
  options.resume = false;
  if (options.minutes > 0 || options.epochs > 0) {  // in the same time it would take more steps
    const auto& config = run.fit.config;
    const auto steps = config.epochs * (run.fit.rows / config.unlabeled_batch);
    const auto steps_per_epoch = run.fit.rows / config.labeled_batch;
    options.minutes = 0;
    options.epochs = (steps + steps_per_epoch - 1) / steps_per_epoch;
  }
  return options;
}

// True if the run in the folder has ended and its model is written, which knows its error where it
// is that of folds.
bool has_ended(const fs::path& folder, bool folds) {
  std::error_code none;
  if (!fs::exists(folder / "result.json", none) || !fs::exists(folder / kModelFile, none)) {
    return false;
  }
  return !folds || fact_of(Classifier::load(folder), "error") != nullptr;
}

}  // namespace

const train::ClassificationMetrics* outcome_of(const Trained& run) {
  return run.test ? &*run.test : run.held_back ? &*run.held_back : nullptr;
}

std::string measured_on(const Trained& run) {
  return run.test ? "test rows" : run.fit.held_back.method;
}

const std::string* fact_of(const Classifier& classifier, const std::string& name) {
  for (const auto& fact : classifier.model().facts) {
    if (fact.first == name) return &fact.second;
  }
  return nullptr;
}

Trained train_alone(const TrainFlags& flags, const ClassifierOptions& options, const Trained& run,
                    const data::Samples& rows, const std::optional<data::Samples>& test) {
  auto alone = alone_options(options, run);
  std::optional<ProgressLine> line;
  if (!flags.quiet) {
    alone.on_start = [&](const runs::RunConfig& config, int64_t steps) {
      print(fmt::format("training from the labels alone, {} step{}{}\n", steps,
                        steps == 1 ? "" : "s",
                        alone.folds > 0 ? fmt::format(", and {} folds", alone.folds) : ""));
      line.emplace(config.epochs, flags.quiet, "labels alone",
                   steps_of_folds(alone.folds, config, steps));
    };
    alone.callbacks.on_progress = [&](const train::Progress& at) { line->progress(at); };
    alone.on_fold = [&](const FoldProgress& at) { line->fold(at); };
  }
  return train_one(flags, alone, rows, test, {});
}

int interrupted(const TrainFlags& flags, const std::string& command, const fs::path& folder,
                int64_t folds_left) {
  if (folds_left > 0) {
    print(fmt::format("model     {} (its error is missing: {} of {} folds are left)\n",
                      (folder / kModelFile).string(), folds_left, flags.options.folds));
  }
  const auto signal = stop_signal();
  print(fmt::format("interrupted{}, saved in {}; to go on:\n  {}{}\n",
                    signal.empty() ? "" : " by " + signal, folder.string(), command,
                    flags.options.resume ? "" : " --resume"));
  return kInterrupted;
}

SeedRuns::SeedRuns(const TrainFlags& flags, ClassifierOptions options, const data::Samples& rows,
                   const std::optional<data::Samples>& test, const Rank& rank, fs::path out,
                   std::string command)
    : flags_(flags),
      options_(std::move(options)),
      rows_(rows),
      test_(test),
      rank_(rank),
      out_(std::move(out)),
      command_(std::move(command)),
      several_(!flags.seeds.empty()),
      seeds_(several_ ? flags.seeds : std::vector<uint64_t>{options_.seed}),
      divided_(several_ ? rank : Rank()),
      group_(divided_, out_) {}

int SeedRuns::train_all() {
  const int status =
      several_ ? share_of_rank(rank_, [this] { return train_share(); }) : train_share();
  return status == 0 && rank_.first() && divided_.size > 1 ? take_up_others() : status;
}

fs::path SeedRuns::folder_of(uint64_t seed) const {
  return several_ ? out_ / fmt::format("seed-{}", seed) : out_;
}

// `name` as train_one takes it. Return false where training was interrupted.
bool SeedRuns::train_seed(uint64_t seed, const std::optional<std::string>& name) {
  options_.seed = seed;
  options_.folder = folder_of(seed);
  if (rank_.first() || several_) make_folder(options_.folder);
  runs_.push_back(train_one(flags_, options_, rows_, test_, name));
  return runs_.back().fit.training.status != train::TrainStatus::kInterrupted;
}

int SeedRuns::train_share() {
  for (size_t i = 0; i < seeds_.size(); ++i) {
    if (!divided_.takes(i)) continue;
    if (!train_seed(seeds_[i], !rank_.first() ? std::optional<std::string>()
                               : several_     ? fmt::format("seed {}", seeds_[i])
                                              : std::string())) {
      return rank_.first() || several_
                 ? interrupted(flags_, command_, options_.folder, runs_.back().fit.folds_left)
                 : kInterrupted;
    }
    if (!divided_.first() && !flags_.quiet) {
      const auto* metrics = outcome_of(runs_.back());
      print(fmt::format("seed {}: {}, by rank {}\n", seeds_[i],
                        metrics != nullptr ? fmt::format("{:.2f} %", metrics->error) : "trained",
                        rank_.rank));
    }
  }
  return 0;
}

int SeedRuns::take_up_others() {
  const bool has_folds = options_.folds > 0;
  const auto pending = [&](int64_t one) {
    for (size_t i = 0; i < seeds_.size(); ++i) {
      if (rank_.owner(i) == one && !has_ended(folder_of(seeds_[i]), has_folds)) {
        return true;
      }
    }
    return false;
  };
  const auto lost = group_.wait(pending, stop_requested);
  if (stop_requested()) return interrupted(flags_, command_, out_);
  std::vector<std::string> missing;
  options_.resume = true;  // a run that has ended gives its recorded result
  for (size_t i = 0; i < seeds_.size(); ++i) {
    if (rank_.takes(i)) continue;
    if (!has_ended(folder_of(seeds_[i]), has_folds)) {
      missing.push_back(std::to_string(seeds_[i]));
    } else if (!train_seed(seeds_[i], {})) {
      return interrupted(flags_, command_, options_.folder, runs_.back().fit.folds_left);
    }
  }
  if (!missing.empty()) {
    throw std::runtime_error(fmt::format(
        "expected the runs of all ranks but {} ended before seed{} {} {} trained (the same "
        "command with --resume goes on).",
        ranks_text(lost), missing.size() > 1 ? "s" : "", fmt::join(missing, ", "),
        missing.size() > 1 ? "were" : "was"));
  }
  std::sort(runs_.begin(), runs_.end(), [&](const Trained& a, const Trained& b) {
    const auto place = [&](const Trained& run) {
      return std::find(seeds_.begin(), seeds_.end(), run.seed);
    };
    return place(a) < place(b);
  });
  return 0;
}

}  // namespace ladder::apps
