#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/runs/run_folder.h>
#include <ladder/runs/seed_summary.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string_view>
#include <system_error>

#include "apps/commands/commands.h"
#include "apps/commands/data_flags.h"
#include "apps/commands/train_request.h"
#include "apps/commands/tune_outcome.h"
#include "apps/commands/tune_record.h"
#include "apps/commands/tune_trials.h"
#include "apps/support/child_process.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/ranks.h"
#include "apps/support/run_queue.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Each rung keeps a third of the trials and gives them three times the epochs.
constexpr int64_t kFactor = 3;
constexpr int64_t kMaxTrials = 729;

struct TuneFlags {
  int64_t trials = 9;
  int64_t draws = 3;
  int64_t jobs = 1;
  fs::path out = {};
  bool help = false;
};

// Flags of `ladder train` that tune sets, and those about a run that stands alone.
const std::vector<std::string> kSetHere = {"resume", "quiet", "no-report", "no-baseline"};
const std::vector<std::string> kOfOneRun = {"test", "seeds", "folds", "minutes"};

CommandLine tune_line(TuneFlags& flags) {
  CommandLine line("ladder tune",
                   "Search for good settings: train many networks for a short time, keep the best "
                   "third, train those for longer, and so on. Settings are compared by their error "
                   "on labeled rows that each run holds back.");
  line.word("DATA", "as for `ladder train`, with --label and its other flags", true,
            [](const auto&, const auto&) {});
  line.integer("trials", "settings to try, the defaults among them (9)", flags.trials, 2,
               kMaxTrials);
  line.integer("draws", "runs per setting, each holding back other rows (3)", flags.draws, 1, 100);
  line.integer("jobs", "runs at the same time (1)", flags.jobs, 1, 1024);
  line.flag("out", "DIR", "folder of all runs (tune/NAME of DATA)",
            [&](const auto& flag, const auto& text) { flags.out = parse_folder(flag, text); });
  line.toggle("help", "print this and exit", flags.help);
  line.footer(fmt::format(
      "Other flags are passed to `ladder train` (see ladder train --help), except --{} and --{}. "
      "--epochs sets the length of the longest runs, --seed the choice of settings. A setting that "
      "is given as a "
      "flag, such as --noise, is not varied. After an interruption, the same command continues. "
      "The results are a table, DIR/tune.svg, DIR/tune.json, and DIR/best.json for `ladder train "
      "--config`. Under a launcher (ladder launch), each rank takes a share of the runs. Exit "
      "status: 0 done, 1 failed, 2 usage error, 130 interrupted by a signal.",
      fmt::join(kOfOneRun, ", --"), fmt::join(kSetHere, ", --")));
  return line;
}

// Arguments divided into those of this command and those of `ladder train`, each behind a name.
struct Arguments {
  std::vector<std::string> own, training;
};

Arguments divided(int argc, const char* const* argv) {
  // Only the flags of `ladder train` tell which word is DATA, so its command line refuses none.
  Arguments all{{"ladder tune", "DATA"}, {"ladder tune"}};
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto name = word.substr(0, word.find('='));
    if (name == "--help" || name == "-h") {
      all.own.emplace_back("--help");
    } else if (name == "--trials" || name == "--draws" || name == "--jobs" || name == "--out") {
      all.own.emplace_back(word);
      if (name == word && i + 1 < argc) all.own.emplace_back(argv[++i]);
    } else {
      all.training.emplace_back(word);
    }
  }
  return all;
}

std::vector<const char*> pointers(const std::vector<std::string>& words) {
  std::vector<const char*> all;
  for (const auto& word : words) all.push_back(word.c_str());
  return all;
}

bool is_there(const fs::path& file) {
  std::error_code none;
  return fs::exists(file, none);
}

struct Rung {
  int64_t number;
  int64_t epochs;
  std::vector<size_t> trials;  // places in the list of all
};

class Tuner {
 public:
  Tuner(TuneFlags flags, std::vector<std::string> training, const TrainRequest& request)
      : flags_(std::move(flags)),
        training_(std::move(training)),
        given_(request.flags),
        seed_(request.options.seed) {
    const auto config = settled(request);
    if (config.validation == 0) {
      throw UsageError(
          "expected labeled rows that each run holds back, to compare settings by, but got none "
          "(--validation 0.3 takes such a share; a class keeps its last labeled row).");
    }
    epochs_ = config.epochs;
    data_ = config.data.value_or("");
    trials_ = trials_of(request, config, flags_.trials);
  }

  int run() {
    for (auto count = static_cast<int64_t>(trials_.size()); count > 1; count /= kFactor) ++rungs_;
    ordered_json asked = {{"trials", flags_.trials},
                          {"draws", flags_.draws},
                          {"epochs", epochs_},
                          {"data", data_},
                          {"arguments", std::vector(training_.begin() + 1, training_.end())}};
    // The file may be another one by now.
    if (given(given_, "config")) asked["settings"] = given_;
    asked = ordered_json::parse(record_text(asked));  // as the file has it
    check_same_command(flags_.out / "tune.json", asked);
    make_folder(flags_.out);
    const auto rank = rank_of_environment();
    std::optional<runs::FolderLock> lock;  // two calls would end each other's runs
    if (rank.first()) lock.emplace(flags_.out);
    ranks_ = std::make_unique<RankGroup>(rank, flags_.out);
    asked_ = std::move(asked);
    write_record();
    std::vector<size_t> left(trials_.size());
    std::iota(left.begin(), left.end(), size_t{0});
    if (rank.first()) {
      print(fmt::format("{} settings, {} run{} each, up to {} epochs\n", trials_.size(),
                        flags_.draws, flags_.draws == 1 ? "" : "s", epochs_));
    }
    for (int64_t number = 1; number <= rungs_; ++number) {
      const auto shorter = std::pow(static_cast<double>(kFactor), rungs_ - number);
      const auto epochs = static_cast<double>(epochs_) / shorter;
      const Rung rung{number, std::max<int64_t>(std::llround(epochs), 1), left};
      if (run_rung(rung) == QueueEnd::kStopped) {
        if (rank.first()) print("interrupted; the same command goes on\n");
        return kInterrupted;
      }
      std::stable_sort(left.begin(), left.end(),
                       [&](size_t a, size_t b) { return is_better(trials_[a], trials_[b]); });
      best_ = left.front();
      left.resize(std::max<size_t>(1, left.size() / kFactor));
      // The defaults stay, to be compared with at every length.
      if (std::find(left.begin(), left.end(), size_t{0}) == left.end()) left.push_back(0);
    }
    if (rank.first()) finish();
    return 0;
  }

 private:
  fs::path folder_of(const Rung& rung, const Trial& trial) const {
    return flags_.out / fmt::format("rung-{}", rung.number) / fmt::format("trial-{}", trial.number);
  }

  fs::path evaluation_of(const Rung& rung, const Trial& trial, int64_t draw) const {
    const auto seed = seed_ + static_cast<uint64_t>(draw);
    return folder_of(rung, trial) / fmt::format("draw-{}", seed) / "evaluation.json";
  }

  QueueEnd run_rung(const Rung& rung) {
    std::vector<PlannedRun> plan;
    std::vector<std::vector<fs::path>> evaluations(static_cast<size_t>(ranks_->rank().size));
    size_t count = 0;  // with the runs of other ranks
    for (const auto place : rung.trials) {
      const auto& trial = trials_[place];
      for (int64_t draw = 0; draw < flags_.draws; ++draw) {
        const auto evaluation = evaluation_of(rung, trial, draw);
        const auto index = count++;
        evaluations[static_cast<size_t>(ranks_->rank().owner(index))].push_back(evaluation);
        if (is_there(evaluation) || !ranks_->rank().takes(index)) continue;
        std::vector<std::string> command = {(program_folder() / "ladder").string(), "train"};
        command.insert(command.end(), training_.begin() + 1, training_.end());
        for (const auto& [flag, value] : trial.flags) {
          command.insert(command.end(), {"--" + flag, value});
        }
        const auto seed = std::to_string(seed_ + static_cast<uint64_t>(draw));
        if (!given(given_, "validation")) {
          command.insert(command.end(), {"--validation", fmt::format("{}", kHeldBackByDraw)});
        }
        if (flags_.jobs > 1 && !given(given_, "threads") &&
            std::getenv("OMP_NUM_THREADS") == nullptr) {
          command.insert(command.end(), {"--threads", std::to_string(threads_of_run(flags_.jobs))});
        }
        command.insert(command.end(), {"--epochs", std::to_string(rung.epochs), "--seed", seed,
                                       "--no-baseline", "--no-report", "--quiet", "--resume",
                                       "--out", evaluation.parent_path().string()});
        plan.push_back({fmt::format("trial {} ({})", trial.number, trial.text()),
                        evaluation.parent_path(), std::move(command)});
      }
    }
    std::optional<std::string> failure;
    int64_t done = 0;
    const auto ended = [&](const PlannedRun& run, int status, const std::string& words) {
      if (status == 0) {
        const auto error = error_in(run.folder / "evaluation.json");
        print(fmt::format("rung {} of {}, run {} of {}: {:.2f} %, {}\n", rung.number, rungs_,
                          ++done, plan.size(), error, run.name));
      } else if (!stop_requested() && !failure) {
        failure = fmt::format("expected {} to train but it failed: {} (see {}).", run.name, words,
                              (run.folder / "run.log").string());
      }
    };
    const auto end = run_queue(plan, {.jobs = flags_.jobs,
                                      .stop_requested = [&] { return stop_requested() || failure; },
                                      .say = [](const std::string&) {},
                                      .ended = ended});
    if (failure) throw std::runtime_error(*failure);
    if (end == QueueEnd::kStopped) return end;
    const auto pending = [&](int64_t rank) {
      const auto& files = evaluations[static_cast<size_t>(rank)];
      return !std::all_of(files.begin(), files.end(), is_there);
    };
    const auto lost = ranks_->wait(pending, stop_requested);
    if (stop_requested()) return QueueEnd::kStopped;
    if (!lost.empty()) {
      throw std::runtime_error(
          fmt::format("expected the runs of rung {} from {} but it ended without them (the same "
                      "command goes on).",
                      rung.number, ranks_text(lost)));
    }
    for (const auto place : rung.trials) {
      std::vector<double> errors;
      for (int64_t draw = 0; draw < flags_.draws; ++draw) {
        errors.push_back(error_in(evaluation_of(rung, trials_[place], draw)));
      }
      trials_[place].errors.push_back(runs::summarize(errors).mean);
    }
    epochs_of_rung_.push_back(rung.epochs);
    write_record();
    return end;
  }

  void write_record() const {
    if (!ranks_->rank().first()) return;
    auto trials = ordered_json::array();
    for (const auto& trial : trials_) {
      trials.push_back(
          {{"number", trial.number}, {"flags", flags_json(trial)}, {"errors", trial.errors}});
    }
    const ordered_json record = {
        {"asked", asked_}, {"epochs", epochs_of_rung_}, {"trials", trials}};
    write_text(flags_.out / "tune.json", record_text(record));
  }

  static ordered_json flags_json(const Trial& trial) {
    auto json = ordered_json::object();
    for (const auto& [flag, value] : trial.flags) json[flag] = value;
    return json;
  }

  void finish() const {
    const auto& best = trials_[best_];
    write_text(flags_.out / "tune.svg", trials_picture(trials_, epochs_of_rung_, best_));
    write_text(flags_.out / "best.json", record_text(flags_json(best)));
    const auto& first = trials_.front();
    const bool defaults = best_ == 0;
    const auto beside =
        defaults ? std::string() : fmt::format(" (the defaults: {:.2f} %)", first.errors.back());
    std::string words;
    for (size_t i = 1; i < training_.size(); ++i) {
      words += " " + shell_word(training_[i]);
    }
    auto chosen = " --config " + shell_word((flags_.out / "best.json").string());
    if (given(given_, "config")) {  // a second file would take the place of the first
      chosen.clear();
      for (const auto& [flag, value] : best.flags) chosen += fmt::format(" --{} {}", flag, value);
    }
    print(trials_table(trials_, epochs_of_rung_) +
          fmt::format("\nbest      trial {}: {}{}\n", best.number, best.text(),
                      defaults ? " (no setting was better than the defaults)" : "") +
          fmt::format("error     {:.2f} %{}, mean of {} of held-back rows\n", best.errors.back(),
                      beside, counted(flags_.draws, "draw")) +
          fmt::format("next      ladder train{}{}\n", words, chosen));
  }

  TuneFlags flags_;
  std::vector<std::string> training_;  // a name, then the arguments of `ladder train`
  GivenFlags given_;                   // what these set, and their file of settings
  uint64_t seed_;
  int64_t epochs_ = 0;  // of the last rung
  std::string data_;    // fingerprint
  int64_t rungs_ = 1;
  std::vector<Trial> trials_;
  std::vector<int64_t> epochs_of_rung_;
  ordered_json asked_;
  size_t best_ = 0;
  std::unique_ptr<RankGroup> ranks_;
};

void check_request(const TrainRequest& request) {
  if (request.data == input_path("-")) {
    throw UsageError(
        "expected a file or a folder in DATA but got the standard input (each run "
        "reads it).");
  }
  for (const auto& flag : kSetHere) {
    if (given(request.flags, flag)) {
      throw UsageError(fmt::format(
          "expected flags that each run may have but got --{} (ladder tune sets it).", flag));
    }
  }
  if (request.several_seeds || request.has_test || request.options.folds > 0 ||
      request.options.minutes > 0) {
    throw UsageError(
        fmt::format("expected flags that each run may have but got {} (--draws says "
                    "how many runs, --epochs how long the last ones are; the test "
                    "rows are for the model that you train afterwards).",
                    request.several_seeds       ? "--seeds"
                    : request.has_test          ? "--test"
                    : request.options.folds > 0 ? "--folds"
                                                : "--minutes"));
  }
}

}  // namespace

int tune_command(int argc, const char* const* argv) {
  const auto arguments = divided(argc, argv);
  TuneFlags flags;
  auto line = tune_line(flags);
  const auto own = pointers(arguments.own);
  line.parse(static_cast<int>(own.size()), own.data());
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  const auto words = pointers(arguments.training);
  const auto request = read_train_request(static_cast<int>(words.size()), words.data());
  check_request(request);
  catch_interruption();
  if (flags.out.empty()) flags.out = default_folder("tune", request.data);
  return share_of_rank(rank_of_environment(),
                       [&] { return Tuner(std::move(flags), arguments.training, request).run(); });
}

}  // namespace ladder::apps
