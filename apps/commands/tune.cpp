#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/core/random.h>
#include <ladder/io/text_file.h>
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
#include "apps/support/child_process.h"
#include "apps/support/command_line.h"
#include "apps/support/json.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/ranks.h"
#include "apps/support/run_queue.h"
#include "apps/support/svg_panel.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// Each rung keeps a third of the trials and gives them three times the epochs.
constexpr int64_t kFactor = 3;
constexpr int64_t kMostTrials = 729;
// Share of the labels that each draw holds back. It is large, since an error over a few rows varies
// much.
constexpr double kHeldBack = 0.3;

struct TuneFlags {
  int64_t trials = 9;
  int64_t draws = 3;
  int64_t jobs = 1;
  fs::path out = {};
  bool help = false;
};

CommandLine tune_line(TuneFlags& flags) {
  CommandLine line("ladder tune",
                   "Search for good settings: train many networks for a short time, keep the best "
                   "third, train those for longer, and so on. Settings are compared by their error "
                   "on labeled rows that each run holds back.");
  line.word("DATA", "as for `ladder train`, with --label and its other flags", true,
            [](const auto&, const auto&) {});
  line.integer("trials", "settings to try, the defaults among them (9)", flags.trials, 2,
               kMostTrials);
  line.integer("draws", "runs per setting, each holding back other rows (3)", flags.draws, 1, 100);
  line.integer("jobs", "runs at the same time (1)", flags.jobs, 1, 1024);
  line.flag("out", "DIR", "folder of all runs (tune/NAME of DATA)",
            [&](const auto& flag, const auto& text) { flags.out = parse_folder(flag, text); });
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "All other flags are passed to `ladder train` (see ladder train --help): --epochs sets the "
      "length of the longest runs, --seed the choice of settings. A setting that is given as a "
      "flag, such as --noise, is not varied. After an interruption, the same command continues. "
      "The results are a table, DIR/tune.svg, DIR/tune.json, and DIR/best.json for `ladder train "
      "--config`. Under a launcher (ladder launch), each rank takes a share of the runs. Exit "
      "status: 0 done, 1 failed, 2 usage error, 130 interrupted by a signal.");
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

// One choice of settings: flags of `ladder train`, by their names.
struct Trial {
  int64_t number = 0;
  std::vector<std::pair<std::string, std::string>> flags = {};  // none: the defaults
  std::vector<double> errors = {};                              // mean over the draws, by rung

  std::string text() const {
    std::string all;
    for (const auto& [name, value] : flags) {
      all += (all.empty() ? "" : ", ") + name + " " + value;
    }
    return all.empty() ? "defaults" : all;
  }
};

// Among trials of equal error, the one that changes less is better: the defaults change nothing.
bool is_better(const Trial& a, const Trial& b) {
  const double first = a.errors.back(), second = b.errors.back();
  return first != second ? first < second : a.flags.size() < b.flags.size();
}

// Flags of `ladder train`, as TrainRequest has them.
using GivenFlags = std::vector<std::pair<std::string, std::string>>;

bool given(const GivenFlags& flags, const std::string& name) {
  return std::any_of(flags.begin(), flags.end(),
                     [&](const auto& one) { return one.first == name; });
}

// A flag of `ladder train` that trials vary, and its values.
struct Dimension {
  std::string flag;
  std::vector<std::string> values;  // "" leaves the default
};

std::vector<Dimension> dimensions_of(const TrainRequest& request, const runs::RunConfig& config) {
  const bool images = request.rows.images.defined();
  std::vector<Dimension> all;
  const auto add = [&](const std::string& flag, std::vector<std::string> values) {
    if (!given(request.flags, flag)) all.push_back({flag, std::move(values)});
  };
  add("noise", images ? std::vector<std::string>{"", "0.2", "0.3", "0.5", "0.7"}
                      : std::vector<std::string>{"", "0.1", "0.2", "0.45", "0.6", "0.9"});
  if (request.options.lambda.empty() && !request.options.convolutional) {
    add("input-weight", {"", "1", "3", "30", "100"});
  }
  if (!request.options.convolutional) {
    std::vector<int64_t> units;
    for (const auto& layer : config.network.layers) {
      units.push_back(std::get<models::Dense>(layer).units);
    }
    units.pop_back();  // the classes
    std::vector<int64_t> half, twice;
    for (const auto width : units) {
      half.push_back(std::max(width / 2, 2 * config.classes));
      twice.push_back(2 * width);
    }
    add("layers",
        {"", fmt::format("{}", fmt::join(half, ",")), fmt::format("{}", fmt::join(twice, ","))});
  }
  add("combinator", {"", "", "vanilla", "amlp-2-2-2"});
  return all;
}

// The defaults, then settings at random, no two alike.
std::vector<Trial> trials_of(const std::vector<Dimension>& dimensions, int64_t count,
                             uint64_t seed) {
  std::vector<Trial> trials = {{.number = 1}};
  constexpr int64_t kMostDraws = 10'000;  // where there are fewer settings than trials
  for (int64_t draw = 0; draw < kMostDraws && static_cast<int64_t>(trials.size()) < count; ++draw) {
    Trial trial{.number = static_cast<int64_t>(trials.size()) + 1};
    for (const auto& [flag, values] : dimensions) {
      const auto place = stream_seed(seed, fmt::format("tune {} {}", flag, draw)) % values.size();
      if (!values[place].empty()) trial.flags.emplace_back(flag, values[place]);
    }
    const auto alike = [&](const Trial& other) { return other.flags == trial.flags; };
    if (std::none_of(trials.begin(), trials.end(), alike)) trials.push_back(std::move(trial));
  }
  return trials;
}

// The settings that the defaults come to, found by starting a run that ends at once.
runs::RunConfig settled(const TrainRequest& request) {
  std::optional<runs::RunConfig> config;
  auto options = request.options;
  options.validation = request.options.validation.value_or(kHeldBack);
  options.on_start = [&](const runs::RunConfig& found, int64_t) { config = found; };
  options.callbacks.stop_requested = [] { return true; };
  Classifier(options).fit(request.rows, request.label, request.ignore);
  return config.value();
}

// A record as text. Bytes that are not UTF-8, of a file name say, are replaced.
std::string record_text(const ordered_json& record) {
  return record.dump(2, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace) + "\n";
}

// Arguments with the value of a flag beside it: "--noise 0.5" is one. Those of --epochs are named
// apart.
std::vector<std::string> joined_arguments(const ordered_json& arguments) {
  std::vector<std::string> found;
  bool takes_value = false;
  for (const auto& argument : arguments) {
    const auto word = argument.get<std::string>();
    const bool is_flag = word.starts_with("--");
    if (takes_value && !is_flag) {
      found.back() += " " + word;
    } else {
      found.push_back(word);
    }
    takes_value = is_flag && word.find('=') == std::string::npos;
  }
  std::erase_if(found, [](const std::string& argument) {
    return argument.starts_with("--epochs ") || argument.starts_with("--epochs=");
  });
  return found;
}

// Words of one list that the other one lacks.
std::vector<std::string> words_besides(const std::vector<std::string>& words,
                                       const std::vector<std::string>& others) {
  std::vector<std::string> found;
  std::copy_if(words.begin(), words.end(), std::back_inserter(found), [&](const auto& word) {
    return std::find(others.begin(), others.end(), word) == others.end();
  });
  return found;
}

// What two calls asked for differently, in words.
std::string differences(const ordered_json& there, const ordered_json& here) {
  std::vector<std::string> found;
  const auto differ = [&](const char* key) {
    return there.value(key, ordered_json()) != here.value(key, ordered_json());
  };
  for (const char* key : {"trials", "draws", "epochs"}) {
    if (!differ(key)) continue;
    found.push_back(fmt::format("--{} {} there and {} here", key,
                                there.value(key, ordered_json()).dump(), here.at(key).dump()));
  }
  if (differ("data")) found.emplace_back("other rows");
  if (differ("settings")) found.emplace_back("another file of --config");
  if (differ("arguments")) {
    const auto before = joined_arguments(there.value("arguments", ordered_json::array()));
    const auto now = joined_arguments(here.at("arguments"));
    for (const auto& word : words_besides(before, now)) found.push_back(word + " there only");
    for (const auto& word : words_besides(now, before)) found.push_back(word + " here only");
    if (found.empty()) found.emplace_back("another order of the arguments");
  }
  return fmt::format("{}", fmt::join(found, ", "));
}

// What the folder of an earlier call holds must have been asked for alike.
void check_same_command(const fs::path& file, const ordered_json& asked) {
  const auto text = io::read_text_if_present(file);
  if (!text) return;
  const auto record = parse_json(*text);
  const auto there = record.is_object() ? record.value("asked", ordered_json()) : ordered_json();
  if (there == asked) return;
  throw UsageError(fmt::format(
      "expected the flags and data that {} was started with but got others: {} (--out takes "
      "another folder).",
      file.parent_path().string(),
      there.is_object() ? differences(there, asked) : "no record of them in tune.json"));
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
    trials_ = trials_of(dimensions_of(request, config), flags_.trials, seed_);
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
          command.insert(command.end(), {"--validation", fmt::format("{}", kHeldBack)});
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

  static double error_in(const fs::path& evaluation) {
    const auto text = io::read_text_if_present(evaluation, int64_t{1} << 30);  // of many classes
    const auto json = text ? parse_json(*text) : ordered_json();
    TORCH_CHECK(json.is_object() && json.contains("held_back"),
                "expected the error on held-back rows in ", evaluation.string(),
                " but got none (see run.log beside it).");
    return json.at("held_back").at("error").get<double>();
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

  std::string table() const {
    auto text = fmt::format("\n{:>5}", "trial");
    for (const auto epochs : epochs_of_rung_)
      text += fmt::format("  {:>9}", fmt::format("{} ep.", epochs));
    text += "  settings\n";
    std::vector<size_t> order(trials_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const auto& one = trials_[a].errors;
      const auto& other = trials_[b].errors;
      return one.size() != other.size() ? one.size() > other.size()
                                        : is_better(trials_[a], trials_[b]);
    });
    for (const auto place : order) {
      const auto& trial = trials_[place];
      text += fmt::format("{:>5}", trial.number);
      for (size_t i = 0; i < epochs_of_rung_.size(); ++i) {
        text += i < trial.errors.size() ? fmt::format("  {:>7.2f} %", trial.errors[i])
                                        : fmt::format("  {:>9}", "");
      }
      text += fmt::format("  {}\n", trial.text());
    }
    return text;
  }

  // A line for each trial, from its shortest runs to its longest.
  std::string picture() const {
    std::vector<double> epochs(epochs_of_rung_.begin(), epochs_of_rung_.end());
    std::vector<double> errors;
    for (const auto& trial : trials_) {
      errors.insert(errors.end(), trial.errors.begin(), trial.errors.end());
    }
    SvgPanel panel("Errors on held-back rows by length of training",
                   "A line for each trial; those that do well go on.",
                   log_axis_over(epochs, "epochs"), axis_over(errors, false, "", " %"),
                   {.width = 520, .height = 300, .right = 90});
    for (const auto& trial : trials_) {
      const bool best = &trial == &trials_[best_];
      const std::vector<double> x(epochs.begin(),
                                  epochs.begin() + static_cast<int64_t>(trial.errors.size()));
      panel.line(x, trial.errors, best ? "accent" : "quiet",
                 best ? fmt::format("trial {}", trial.number) : std::string());
      panel.dots(x, trial.errors, best ? "accent" : "quiet", 2.5);
    }
    return SvgPanel::page({panel}, 1);
  }

  void finish() const {
    const auto& best = trials_[best_];
    write_text(flags_.out / "tune.svg", picture());
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
    print(table() +
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

void check(const TrainRequest& request) {
  if (request.data == input_path("-")) {
    throw UsageError(
        "expected a file or a folder in DATA but got the standard input (each run "
        "reads it).");
  }
  for (const char* flag : {"resume", "no-report", "quiet", "no-baseline"}) {
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
  check(request);
  catch_interruption();
  if (flags.out.empty()) flags.out = default_folder("tune", request.data);
  return share_of_rank(rank_of_environment(),
                       [&] { return Tuner(std::move(flags), arguments.training, request).run(); });
}

}  // namespace ladder::apps
