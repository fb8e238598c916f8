#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/classifier.h>
#include <ladder/core/nearest_name.h>
#include <ladder/data/class_labels.h>
#include <ladder/data/features.h>
#include <ladder/data/row_hashes.h>
#include <ladder/data/shards.h>
#include <ladder/exports/model_card.h>
#include <ladder/models/combinators.h>
#include <ladder/ops/product.h>
#include <ladder/runs/run_config.h>
#include <ladder/runs/seed_summary.h>
#include <ladder/train/metrics.h>
#include <torch/cuda.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "apps/commands/commands.h"
#include "apps/commands/data_flags.h"
#include "apps/commands/data_notes.h"
#include "apps/commands/metrics_text.h"
#include "apps/commands/model_report.h"
#include "apps/commands/train_request.h"
#include "apps/support/command_line.h"
#include "apps/support/compared_seeds.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/progress.h"
#include "apps/support/ranks.h"
#include "apps/support/training_flags.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kProgressLines = 10;

struct TrainFlags {
  std::string data = {}, label = {};
  std::vector<std::string> unlabeled = {}, ignore = {};
  std::string test = {};
  fs::path out = {};
  std::vector<uint64_t> seeds = {};
  bool no_baseline = false;
  bool no_report = false;
  bool quiet = false;
  std::string shuffle = "auto";
  double rank_timeout = 300;
  std::string device = "auto";
  int64_t threads = 0;
  ClassifierOptions options = {};
  DataFlags read = {};
  bool help = false;
};

void add_network_flags(CommandLine& line, ClassifierOptions& options) {
  line.heading("Network (defaults follow the data)");
  line.toggle("convolutional", "convolutional network, for images", options.convolutional);
  line.flag("layers", "N,...", "units of the hidden layers (by rows and inputs)",
            [&](const auto& flag, const auto& text) {
              options.layers = parse_integers(flag, text, 1, 1000000);
            });
  line.flag("lambda", "auto|L0,L1,...", "denoising weights from the input up (auto)",
            [&](const auto& flag, const auto& text) {
              options.lambda =
                  text == "auto" ? std::vector<double>{} : parse_numbers(flag, text, 0);
            });
  line.number("input-weight", "W", "weight of the input's cost in --lambda auto (10)",
              options.input_weight);
  line.flag(
      "noise", "STD", "standard deviation of noise (0.3; image input 1)",
      [&](const auto& flag, const auto& text) { options.noise = parse_number(flag, text, 0); });
  line.flag("combinator", "NAME", "denoising function (gaussian)",
            [&](const auto& flag, const auto& text) {
              std::vector<std::string> names;
              for (const auto& one : models::combinators()) names.push_back(one.name);
              options.combinator = parse_choice(flag, text, names);
            });
  line.flag("activation", "NAME", "relu, leaky-relu, tanh, gelu or identity (relu)",
            [&](const auto& flag, const auto& text) {
              options.activation = activation_from_string(
                  parse_choice(flag, text, {"relu", "leaky-relu", "tanh", "gelu", "identity"}));
            });
}

void add_schedule_flags(CommandLine& line, TrainFlags& flags) {
  auto& options = flags.options;
  line.heading("Training");
  line.positive_number("minutes", "M", "train each network for about M minutes", options.minutes);
  line.integer("epochs", "passes over all rows (enough for 6,000 steps)", options.epochs, 1);
  line.flag("batch-size", "N", "rows per step (20 to 2,000, by their number)",
            [&](const auto& flag, const auto& text) {
              options.unlabeled_batch = parse_integer(flag, text, 2);
            });
  line.positive_number("lr,learning-rate", "RATE", "learning rate (0.002)", options.learning_rate);
  line.flag("balance", "NAME", "rare classes: none, sampling or weights (none)",
            [&](const auto& flag, const auto& text) {
              options.balance = class_balance_from_string(
                  parse_choice(flag, text, {"none", "sampling", "weights"}));
            });
  line.choice("shuffle", "how to shuffle shards; blocks: slow disks", flags.shuffle,
              {"auto", "rows", "blocks"});
  line.flag("validation", "SHARE", "share of labels held back (0.1; 0 if under 100)",
            [&](const auto& flag, const auto& text) {
              options.validation = parse_number(flag, text, 0, 0.9);
            });
  line.integer("folds", "cross-validate with N stratified folds instead", options.folds, 2, 1000);
  line.toggle("no-baseline", "skip the baseline that trains on labels only", flags.no_baseline);
  line.flag("seed", "N", "seed for weights, order, noise, held-back rows (1)",
            [&](const auto& flag, const auto& text) {
              options.seed = static_cast<uint64_t>(parse_integer(flag, text, 0));
            });
  line.flag("seeds", "1..5", "a run per seed in RUN/seed-N; best model in RUN",
            [&](const auto& flag, const auto& text) { flags.seeds = parse_seeds(flag, text); });
}

// `program`: how errors call the command.
CommandLine train_line(TrainFlags& flags, const std::string& program = "ladder train") {
  CommandLine line(program,
                   "Train a classifier on a table or pictures in which only some rows have a "
                   "label. Leave the label cell empty (or -1) for the others. Defaults are in "
                   "parentheses.");
  line.word("DATA",
            "a table, a folder of pictures with one subfolder per class, or shards (written by "
            "ladder convert)",
            true, [&](const auto&, const auto& text) { flags.data = input_path(text); });
  line.flag("label", "COL", "column of the labels",
            [&](const auto&, const auto& text) { flags.label = text; });
  line.flag("unlabeled", "DATA", "more rows; their labels, if any, are ignored",
            [&](const auto&, const auto& text) { flags.unlabeled.push_back(text); });
  line.flag("test", "DATA", "rows for the final test error, never trained on",
            [&](const auto&, const auto& text) { flags.test = text; });
  line.flag("ignore", "COL,...", "columns to leave out, such as identifiers",
            [&](const auto&, const auto& text) { append_words(text, flags.ignore); });
  line.flag("out", "RUN", "output folder (runs/ and the name of DATA)",
            [&](const auto& flag, const auto& text) { flags.out = parse_folder(flag, text); });
  line.toggle("resume", "continue the run in RUN, or start a new one", flags.options.resume);
  line.settings_file();
  add_schedule_flags(line, flags);
  add_network_flags(line, flags.options);
  add_data_flags(line, flags.read);
  line.heading("Machine and output");
  line.choice("device", "where to train", flags.device, {"auto", "cpu", "cuda"});
  line.integer("threads", "CPU threads (all)", flags.threads, 1, 4096);
  line.flag("precision", "NAME", "float32, bfloat16, tf32 or float64 (float32)",
            [&](const auto& flag, const auto& text) {
              flags.options.precision =
                  models::precision_from_string(parse_choice(flag, text, kPrecisions));
            });
  add_rank_flags(line, flags.options.statistics, flags.rank_timeout);
  line.toggle("no-report", "do not write report.html", flags.no_report);
  line.toggle("quiet", "print only the outcome", flags.quiet);
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "If a flag is given twice, the last value counts; --unlabeled and --ignore add up. Exit "
      "status: 0 done, 1 failed, 2 usage error, 130 interrupted by a signal (the same command "
      "with --resume continues).");
  return line;
}

// Whether both paths name one file or folder.
bool is_same_source(const fs::path& a, const fs::path& b) {
  std::error_code none;
  return (fs::is_regular_file(a, none) || fs::is_directory(a, none)) && fs::equivalent(a, b, none);
}

// Refuses flags of which one would be ignored.
void check(const TrainFlags& flags, const CommandLine& line) {
  const auto& options = flags.options;
  if (options.epochs > 0 && options.minutes > 0) {
    throw UsageError("expected --epochs or --minutes but got both.");
  }
  if (!flags.seeds.empty() && line.given("seed")) {
    throw UsageError("expected --seed or --seeds but got both.");
  }
  if (options.folds > 0 && options.validation.value_or(0) > 0) {
    throw UsageError(
        "expected --folds or --validation but got both (folds measure every labeled row).");
  }
  if (!options.lambda.empty() && line.given("input-weight")) {
    throw UsageError("expected --input-weight or --lambda but got both (it is a part of auto).");
  }
  if (options.convolutional && line.given("input-weight")) {
    throw UsageError(
        "expected --input-weight or --convolutional but got both (only the top has a denoising "
        "cost there; --lambda weighs every level).");
  }
  const bool on_cpu =
      flags.device == "cpu" || (flags.device == "auto" && !torch::cuda::is_available());
  if (on_cpu && options.precision == models::Precision::kTensorFloat32) {
    throw UsageError(
        "expected a CUDA device for --precision tf32 but got the CPU (bfloat16 is the fast "
        "precision there).");
  }
}

// Test rows whose labels train would measure too small an error. (Those of --unlabeled do not.)
void check_other_rows(const TrainFlags& flags) {
  if (!flags.test.empty() && is_same_source(flags.data, flags.test) &&
      !data::has_test_part(flags.test)) {
    throw UsageError(
        fmt::format("expected rows in --test that are not trained on but got {} for both "
                    "(without --test, a share of the labels is held back).",
                    flags.test));
  }
}

// A folder holds one run, or a run of each seed: the model of one must not replace that of the
// other.
void check_folder(const fs::path& out, bool several) {
  std::error_code none;
  bool has_seeds = false;
  for (const auto& entry : fs::directory_iterator(out, none)) {
    has_seeds = has_seeds || (entry.path().filename().string().starts_with("seed-") &&
                              fs::exists(entry.path() / "config.json", none));
  }
  const bool has_run = fs::exists(out / "config.json", none);
  if (several ? has_run : has_seeds) {
    throw std::runtime_error(fmt::format(
        "expected a folder for {} in --out but got {}, which holds {} (choose another folder).",
        several ? "runs of several seeds" : "one run", out.string(),
        several ? "one run" : "runs of several seeds"));
  }
}

// Refuses --label A,B where the table has the columns A and B.
void refuse_several_labels(const data::Table& table, const std::string& label) {
  if (label.find(',') == std::string::npos || table.find(label) >= 0) return;
  for (const auto& name : parse_words(label)) {
    if (table.find(name) < 0) return;
  }
  throw UsageError(fmt::format(
      "expected one column of labels in --label but got '{}' (several labels a row are not "
      "supported; train one model for each).",
      label));
}

bool is_ignored(const TrainFlags& flags, const std::string& column) {
  return std::find(flags.ignore.begin(), flags.ignore.end(), column) != flags.ignore.end();
}

// Rows without a value teach nothing, and a column has missing values by them alone. (Rows to
// predict have an answer each, so that only training leaves them out.)
void leave_out_empty_rows(data::Samples& rows) {
  if (rows.table) print_notes(empty_rows_note(data::drop_empty_rows(*rows.table), rows.source));
}

// Reads the rows of `flags`; arrays name their label, which then is that of `flags` by default.
data::Samples training_rows(TrainFlags& flags) {
  flags.read.read.csv.unused = flags.ignore;
  auto rows = read_data(flags.data, flags.read, flags.label);
  leave_out_empty_rows(rows);
  if (flags.label.empty()) flags.label = rows.label;
  if (rows.shards) {
    if (rows.shards->label().empty()) {
      throw std::runtime_error(
          fmt::format("expected shards with labels but got none in {} (ladder convert DATA --label "
                      "COLUMN -o SHARDS).",
                      flags.data));
    }
    if (!flags.unlabeled.empty()) {
      throw UsageError(
          fmt::format("expected no --unlabeled with shards but got {} (convert all rows "
                      "together: ladder convert DATA MORE -o SHARDS).",
                      flags.unlabeled.front()));
    }
    if (flags.shuffle == "blocks") flags.options.blocks = rows.shards->block_sizes();
    if (flags.shuffle == "rows") flags.options.blocks.emplace();
    return rows;
  }
  if (flags.shuffle != "auto") {
    throw UsageError(
        fmt::format("expected shards with --shuffle {} but got {} (it is read into memory).",
                    flags.shuffle, flags.data));
  }
  if (rows.table && flags.label.empty()) {
    std::vector<std::string> names;
    for (const auto& column : rows.table->columns) names.push_back(column.name);
    const auto last = names.empty() ? std::string() : names.back();
    throw UsageError(fmt::format(
        "expected the column of the labels in --label but got none (the last column of {} is "
        "'{}'; `ladder inspect {}` lists all).",
        flags.data, last, flags.data));
  }
  if (rows.images.defined() && !flags.label.empty()) {
    throw UsageError(
        fmt::format("expected no --label for images, whose folders are the classes, but got '{}'.",
                    flags.label));
  }
  auto more = flags.read;
  if (rows.table) {
    refuse_several_labels(*rows.table, flags.label);
    for (const auto& column : rows.table->columns) {
      if (column.name != flags.label && !is_ignored(flags, column.name)) {
        more.read.csv.kinds[column.name] = column.kind;
      }
    }
    more.read.csv.whole_numbers = data::whole_number_columns(*rows.table, flags.ignore);
  }
  for (const auto& path : flags.unlabeled) {
    auto others = read_data(path, more, flags.label);
    leave_out_empty_rows(others);
    append_rows(rows, others, flags.label, flags.ignore);
  }
  return rows;
}

// What is worth saying about labels and parts before training.
std::vector<std::string> row_notes(const TrainFlags& flags, const data::Samples& rows) {
  std::vector<std::string> notes;
  if (rows.table && rows.table->find(flags.label) >= 0) {
    const auto& column = rows.table->column(flags.label);
    const auto found = data::class_labels(column);
    notes = data::label_notes(column, found.classes);
    for (auto& note : data::single_row_notes(found.labels, found.classes)) {
      notes.push_back(std::move(note));
    }
  }
  if (rows.images.defined() && rows.labels.defined()) {
    for (auto& note : data::single_row_notes(rows.labels, rows.classes)) {
      notes.push_back(std::move(note));
    }
  }
  if (flags.test.empty() && !rows.shards && data::has_test_part(flags.data)) {
    notes.push_back(
        fmt::format("test rows in {0} are not read: --test {0} measures on them", flags.data));
  }
  return notes;
}

// Refuses test rows that lack a column of the shards, or have texts where these have numbers.
void check_shard_columns(const TrainFlags& flags, const data::Shards& shards,
                         const data::Table& test) {
  data::Features numbers{.missing = shards.missing()};
  bool complete = true;
  for (const auto& column : shards.columns()) {
    if (is_ignored(flags, column.name)) continue;
    if (test.find(column.name) < 0) {
      complete = false;
    } else if (column.kind == data::ColumnKind::kNumber) {
      numbers.columns.push_back({.name = column.name, .kind = column.kind});
    }
  }
  numbers.apply(test);
  // Only columns that vary are needed, and which do takes a look at the rows.
  if (!complete) {
    data::fit_features(shards.sample(kFeatureRows, /*seed=*/1), flags.ignore).apply(test);
  }
}

// Test rows are measured after training: what would fail then is refused now.
void check_test_rows(const TrainFlags& flags, const data::Samples& rows,
                     const data::Samples& test) {
  if (rows.shards) {
    const auto& label = rows.shards->label();
    if (!test.table || !data::labels_of(test.table->column(label), rows.shards->classes())
                            .ge(0)
                            .any()
                            .item<bool>()) {
      throw std::runtime_error(fmt::format(
          "expected a table with labels in column '{}' in --test but got {}.", label, test.source));
    }
    check_shard_columns(flags, *rows.shards, *test.table);
    return;
  }
  check_same_kind(rows, test);
  auto labels = test.labels;
  if (rows.table) {
    const auto classes = data::class_labels(rows.table->column(flags.label)).classes;
    labels = data::labels_of(test.table->column(flags.label), classes);
    auto unused = flags.ignore;
    unused.push_back(flags.label);
    data::fit_features(*rows.table, unused).apply(*test.table);
  } else {
    check_image_shape(rows, test);
    for (const auto& name : test.classes) {
      if (std::find(rows.classes.begin(), rows.classes.end(), name) == rows.classes.end()) {
        throw std::runtime_error(fmt::format("expected classes of {} in {} but got '{}'{}.",
                                             rows.source, test.source, name,
                                             name_hint(name, rows.classes)));
      }
    }
  }
  if (!labels.defined() || !labels.ge(0).any().item<bool>()) {
    throw std::runtime_error(
        fmt::format("expected labels of the rows in --test but got none in {}.", test.source));
  }
}

data::Samples test_rows(const TrainFlags& flags, const data::Samples& rows) {
  auto read = flags.read;
  if (rows.table) {
    for (const auto& column : rows.table->columns) {
      if (!is_ignored(flags, column.name)) read.read.csv.kinds[column.name] = column.kind;
    }
    read.read.csv.whole_numbers = data::whole_number_columns(*rows.table, flags.ignore);
  }
  if (rows.shards) {
    for (const auto& column : rows.shards->columns()) {
      if (!is_ignored(flags, column.name)) read.read.csv.kinds[column.name] = column.kind;
    }
    for (const auto& column : rows.shards->columns()) add_values(read, column.levels);
    add_values(read, rows.shards->classes());
    add_missing(read, rows.shards->missing());
    if (rows.shards->decimal() != 0) read.read.csv.usual_decimal = rows.shards->decimal();
  }
  read.read.part = data::Part::kTest;
  auto test = read_data(flags.test, read, rows.shards ? rows.shards->label() : flags.label);
  check_test_rows(flags, rows, test);
  return test;
}

torch::Tensor labeled_places(const torch::Tensor& labels) {
  return labels.ge(0).nonzero().squeeze(1);
}

// What is worth saying before training about inputs: columns that may be no features, and labeled
// rows that are equal to others, at most kFeatureRows of shards.
void print_input_notes(const TrainFlags& flags, const data::Samples& rows,
                       const std::optional<data::Samples>& test) {
  std::optional<data::Features> features;
  data::Samples labeled;
  std::vector<std::string> classes;
  if (rows.shards) {
    const auto places = rows.shards->labeled_rows().slice(0, 0, kFeatureRows);
    if (places.numel() == 0) return;
    features = data::fit_features(rows.shards->sample(kFeatureRows, /*seed=*/1), flags.ignore);
    labeled.table = rows.shards->table(places);
    classes = rows.shards->classes();
  } else if (rows.table) {
    auto unused = flags.ignore;
    unused.push_back(flags.label);
    features = data::fit_features(*rows.table, unused);
    const auto found = data::class_labels(rows.table->column(flags.label));
    labeled = some_rows(rows, labeled_places(found.labels));
    classes = found.classes;
  } else {
    if (!rows.labels.defined()) return;
    labeled = some_rows(rows, labeled_places(rows.labels));
  }
  const auto hashes_of = [&](const data::Samples& some) {
    if (features) {
      auto table = *some.table;
      for (auto& column : table.columns) {  // as shards hold them
        for (double& value : column.numbers) value = static_cast<float>(value);
      }
      return data::row_hashes(features->apply(table));
    }
    return data::row_hashes(some.images.expand({-1, labeled.images.size(1), -1, -1}));  // gray
  };
  torch::Tensor test_hashes;
  if (test) {
    const auto& label = rows.shards ? rows.shards->label() : flags.label;
    const auto labels =
        test->table ? data::labels_of(test->table->column(label), classes) : test->labels;
    test_hashes = hashes_of(some_rows(*test, labeled_places(labels)));
  }
  if (features) print_notes(feature_notes(*features));
  print_notes(equal_rows_notes(hashes_of(labeled), test_hashes));
}

// One trained classifier and how good it is.
struct Trained {
  uint64_t seed = 0;
  fs::path folder = {};
  Classifier classifier;
  FitReport fit = {};
  std::optional<train::ClassificationMetrics> held_back = {}, test = {};
  torch::Tensor held_back_wrong = {}, test_wrong = {};  // bool [rows]
};

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

const train::ClassificationMetrics* outcome_of(const Trained& run) {
  return run.test ? &*run.test : run.held_back ? &*run.held_back : nullptr;
}

std::string measured_on(const Trained& run) {
  return run.test ? "test rows" : run.fit.held_back.method;
}

void write_outcome(const Trained& run, const Trained* baseline) {
  nlohmann::ordered_json json;
  const auto& classes = run.classifier.classes();
  const auto add = [&](const char* name, const auto& metrics) {
    if (metrics) json[name] = metrics_json(*metrics, classes);
  };
  json["held_back_by"] = run.fit.held_back.method;
  add("held_back", run.held_back);
  add("test", run.test);
  if (baseline != nullptr) {
    // Both networks predict the same rows: those that one alone gets right or wrong compare them.
    const auto add_beside = [&](const char* name, const auto& metrics, const torch::Tensor& here,
                                const torch::Tensor& there) {
      add(name, metrics);
      if (!metrics || !here.defined() || here.sizes() != there.sizes()) return;
      json[name]["only_right"] = here.logical_and(there.logical_not()).sum().item<int64_t>();
      json[name]["only_wrong"] = there.logical_and(here.logical_not()).sum().item<int64_t>();
    };
    add_beside("held_back_labels_alone", baseline->held_back, run.held_back_wrong,
               baseline->held_back_wrong);
    add_beside("test_labels_alone", baseline->test, run.test_wrong, baseline->test_wrong);
  }
  write_text(run.folder / "evaluation.json", json.dump(2) + "\n");
  write_text(run.folder / "MODEL.md", exports::model_card(run.classifier.model()));
}

// "id (different in nearly every row), kind (constant)"; empty where every column is used.
std::string unused_text(const Classifier& classifier) {
  constexpr size_t kShown = 5;
  const auto& features = classifier.model().features;
  if (!features) return {};
  std::vector<std::string> unused;
  for (const auto& column : features->columns) {
    if (!column.dropped.empty()) {
      unused.push_back(fmt::format("{} ({})", column.name, column.dropped));
    }
  }
  const auto more = unused.size() > kShown ? unused.size() - kShown : 0;
  unused.resize(unused.size() - more);
  return fmt::format("{}{}", fmt::join(unused, ", "),
                     more > 0 ? fmt::format(" and {} more", more) : "");
}

std::string outcome_text(const Trained& run, const Trained* baseline, const fs::path& out,
                         bool chosen) {
  std::string text;
  if (const auto* metrics = outcome_of(run)) {
    text += fmt::format("error     {}, {}\n", error_text(*metrics), measured_on(run));
    if (chosen && !run.test) {
      text +=
          "          lowest of the seeds, so too good: expect their mean, or measure on --test\n";
    }
    if (const auto* alone = baseline == nullptr ? nullptr : outcome_of(*baseline)) {
      text += fmt::format("          from the labels alone: {:.2f} %\n", alone->error);
    }
  } else {
    text +=
        "error     not measured: no labeled rows were held back (--test DATA, --folds 5 or "
        "--validation 0.2 measures it)\n";
  }
  const bool has_folds = run.fit.fold_seconds > 0;
  text += fmt::format("trained   {} rows, {} of them labeled, {} classes, in {}{}\n", run.fit.rows,
                      run.fit.labeled, run.classifier.classes().size(),
                      clock_text(run.fit.training.seconds + run.fit.fold_seconds),
                      has_folds ? ", folds included" : "");
  if (const auto unused = unused_text(run.classifier); !unused.empty()) {
    text += fmt::format("not used  {}\n", unused);
  }
  if (const auto& features = run.classifier.model().features) {
    constexpr size_t kMostLines = 5;
    const auto notes = feature_notes(*features);
    for (size_t i = 0; i < notes.size() && i < kMostLines; ++i) {
      text += fmt::format("note      {}\n", notes[i]);
    }
    if (notes.size() > kMostLines) {
      text += fmt::format("note      and {} columns more\n", notes.size() - kMostLines);
    }
  }
  return text + fmt::format("model     {}\n", (out / kModelFile).string());
}

// Compare the runs on rows that lie evenly among those in memory; return a line for each that looks
// left behind.
std::string left_behind_text(const std::vector<Trained>& runs, const data::Samples& rows,
                             const fs::path& out) {
  if (runs.size() < 3 || rows.shards) return {};
  const auto count = std::min(rows.rows(), kComparedRows);
  const auto places = torch::arange(count) * rows.rows() / count;
  const auto some = some_rows(rows, places.to(torch::kLong));
  std::vector<uint64_t> seeds;
  std::vector<torch::Tensor> classes;
  for (const auto& run : runs) {
    seeds.push_back(run.seed);
    classes.push_back(run.classifier.predict_proba(some).argmax(1));
  }
  const auto compared = compare_seeds(seeds, classes);
  write_compared_seeds(out, compared);
  std::string text;
  for (const auto& sentence : left_behind_sentences(compared)) text += sentence + "\n";
  return text;
}

std::string seeds_text(const std::vector<Trained>& runs) {
  std::vector<double> errors;
  std::string text = fmt::format("\n{:>6}  error, %\n", "seed");
  for (const auto& run : runs) {
    const auto* metrics = outcome_of(run);
    text += fmt::format("{:>6}  {}\n", run.seed,
                        metrics != nullptr ? fmt::format("{:.2f}", metrics->error) : "-");
    if (metrics != nullptr) errors.push_back(metrics->error);
  }
  if (errors.empty()) return text;
  const auto summary = runs::summarize(errors);
  return text + fmt::format("mean {:.2f}  std {}  over {} seed{}\n", summary.mean,
                            errors.size() > 1 ? fmt::format("{:.2f}", summary.std) : "-",
                            errors.size(), errors.size() > 1 ? "s" : "");
}

// The run with the least error on held-back rows, the first of equal ones. Test rows choose
// nothing.
const Trained& best_of(const std::vector<Trained>& runs) {
  return *std::min_element(runs.begin(), runs.end(), [](const Trained& a, const Trained& b) {
    const auto error = [](const Trained& run) {
      return run.held_back ? run.held_back->error : std::numeric_limits<double>::infinity();
    };
    return error(a) < error(b);
  });
}

const std::string* fact_of(const Classifier& classifier, const std::string& name) {
  for (const auto& fact : classifier.model().facts) {
    if (fact.first == name) return &fact.second;
  }
  return nullptr;
}

// The model of the best run, which says that it was chosen among the seeds, and what all of them
// gave: its error on the rows that chose it is too good.
Classifier chosen_model(const std::vector<Trained>& runs, const Trained& best) {
  auto chosen = best.classifier;
  std::vector<double> errors;
  for (const auto& run : runs) {
    if (const auto* metrics = outcome_of(run)) errors.push_back(metrics->error);
  }
  if (errors.size() < 2) return chosen;
  const auto copy_of = [&](const char* name) {
    const auto* text = fact_of(chosen, name);
    return text == nullptr ? std::string() : *text;
  };
  const auto error = copy_of("error"), test_error = copy_of("test error");
  const auto summary = runs::summarize(errors);
  // Each stands before those that are there.
  chosen.put_fact("mean error",
                  fmt::format("{:.2f} % over {} seeds, standard deviation {:.2f} % ({})",
                              summary.mean, errors.size(), summary.std, measured_on(best)));
  if (!error.empty()) {
    chosen.put_fact("error",
                    fmt::format("{}; lowest of {} seeds, so too good", error, runs.size()));
  }
  if (!test_error.empty()) chosen.put_fact("test error", test_error);
  return chosen;
}

// Options of a network that learns from the labels alone, to be set beside `run`.
ClassifierOptions alone_options(ClassifierOptions options, const Trained& run) {
  options.seed = run.seed;
  options.labels_alone = true;
  options.ranks = {};
  options.lambda.clear();
  options.folder.clear();
  options.resume = false;
  if (options.minutes > 0) {  // as many steps: in the same time it would take more
    const auto& config = run.fit.config;
    const auto steps = config.epochs * (run.fit.rows / config.unlabeled_batch);
    const auto steps_per_epoch = run.fit.rows / config.labeled_batch;
    options.minutes = 0;
    options.epochs = (steps + steps_per_epoch - 1) / steps_per_epoch;
  }
  return options;
}

c10::Device device_of(const std::string& name, const Rank& rank) {
  if (name == "cuda" && !torch::cuda::is_available()) {
    throw UsageError("expected a GPU for --device cuda but found none (LibTorch sees no device).");
  }
  const bool gpu = name != "cpu" && torch::cuda::is_available();
  return gpu ? gpu_of(rank, static_cast<int64_t>(torch::cuda::device_count()))
             : c10::Device(c10::kCPU);
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

// `folds_left`: of the run in the folder, whose model is there.
int interrupted(const TrainFlags& flags, const std::string& command, const fs::path& folder,
                int64_t folds_left = 0) {
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

// The runs of one call: one run, or one of each seed, which the ranks divide among them.
class SeedRuns {
 public:
  SeedRuns(const TrainFlags& flags, ClassifierOptions options, const data::Samples& rows,
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

  // Train what this rank takes; the first rank waits for the others and takes up their runs. Return
  // 0, or the status to end with.
  int train_all() {
    const int status =
        several_ ? share_of_rank(rank_, [this] { return train_share(); }) : train_share();
    return status == 0 && rank_.first() && divided_.size > 1 ? take_up_others() : status;
  }

  // In the order of the seeds.
  const std::vector<Trained>& runs() const { return runs_; }

 private:
  fs::path folder_of(uint64_t seed) const {
    return several_ ? out_ / fmt::format("seed-{}", seed) : out_;
  }

  // `name` as train_one takes it. Return false where training was interrupted.
  bool train_seed(uint64_t seed, const std::optional<std::string>& name) {
    options_.seed = seed;
    options_.folder = folder_of(seed);
    if (rank_.first() || several_) make_folder(options_.folder);
    runs_.push_back(train_one(flags_, options_, rows_, test_, name));
    return runs_.back().fit.training.status != train::TrainStatus::kInterrupted;
  }

  int train_share() {
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

  int take_up_others() {
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

  const TrainFlags& flags_;
  ClassifierOptions options_;
  const data::Samples& rows_;
  const std::optional<data::Samples>& test_;
  Rank rank_;
  fs::path out_;
  std::string command_;
  bool several_;
  std::vector<uint64_t> seeds_;
  Rank divided_;  // that of one among the seeds
  RankGroup group_;
  std::vector<Trained> runs_;
};

// The network of `run`, trained from the labels alone.
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

}  // namespace

fs::path default_folder(const std::string& parent, const std::string& data) {
  fs::path stem = data::source_name(data);
  while (stem.has_extension() && stem.stem() != stem) stem = stem.stem();
  return fs::path(parent) / (stem.empty() || stem == "." ? fs::path("model") : stem);
}

TrainRequest read_train_request(int argc, const char* const* argv) {
  TrainFlags flags;
  auto line = train_line(flags, argv[0]);
  line.parse(argc, argv);
  line.apply();
  check(flags, line);
  set_threads(flags.threads);
  auto rows = training_rows(flags);
  return {.data = flags.data,
          .label = flags.label,
          .ignore = flags.ignore,
          .rows = rows,
          .options = flags.options,
          .flags = line.given_flags(),
          .several_seeds = !flags.seeds.empty(),
          .has_test = !flags.test.empty()};
}

int train_command(int argc, const char* const* argv) {
  TrainFlags flags;
  auto line = train_line(flags);
  line.parse(argc, argv);
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  check(flags, line);
  const auto rank = rank_of_environment();
  if (rank.size > 1 && flags.data == input_path("-")) {
    throw UsageError(
        "expected a file or a folder in DATA but got the standard input (each rank reads DATA).");
  }
  catch_interruption();
  set_threads(flags.threads);
  const auto command = "ladder " + shell_command(argc, argv);
  const auto out = flags.out.empty() ? default_folder("runs", flags.data) : flags.out;
  check_other_rows(flags);
  check_folder(out, !flags.seeds.empty());

  const auto rows = training_rows(flags);
  if (rank.first()) print_notes(row_notes(flags, rows));
  std::optional<data::Samples> test;
  if (!flags.test.empty()) test = test_rows(flags, rows);
  if (rank.first()) print_input_notes(flags, rows, test);

  auto options = flags.options;
  options.device = device_of(flags.device, rank);
  options.environment = environment(
      options.device, ops::default_product_plan(models::product_precision(options.precision)),
      fs::path(flags.data));
  // Several seeds are divided among the ranks; one run is trained by all of them.
  const bool several = !flags.seeds.empty();
  if (!several) options.ranks = connect_ranks(rank, flags.rank_timeout);
  if (options.ranks) options.environment->ranks = rank.size;
  SeedRuns trained(flags, options, rows, test, rank, out, command);
  const int status = trained.train_all();
  if (status != 0 || !rank.first()) return status;

  const auto& runs = trained.runs();
  const auto& best = best_of(runs);
  std::optional<Trained> baseline;
  if (!flags.no_baseline && outcome_of(best) != nullptr) {
    baseline = train_alone(flags, options, best, rows, test);
    if (baseline->fit.training.status == train::TrainStatus::kInterrupted) {
      return interrupted(flags, command, best.folder);
    }
  }
  const Trained* beside = baseline ? &*baseline : nullptr;
  for (const auto& run : runs) write_outcome(run, &run == &best ? beside : nullptr);
  if (several) {
    const auto chosen = chosen_model(runs, best);
    chosen.save(out / kModelFile);
    write_text(out / "MODEL.md", exports::model_card(chosen.model()));
  }
  const auto left_behind = left_behind_text(runs, rows, out);  // read by the report
  print((several && !flags.quiet ? seeds_text(runs) : "") + left_behind +
        (several && !flags.quiet ? "\n" : "") + outcome_text(best, beside, out, runs.size() > 1));
  if (!flags.no_report && !rows.shards) {  // it shows rows, which are in memory
    std::vector<fs::path> folders = {best.folder};
    for (const auto& run : runs) {
      if (&run != &best) folders.push_back(run.folder);
    }
    write_model_report(out / kReportFile, {.folders = folders,
                                           .classifier = &best.classifier,
                                           .fit = &best.fit,
                                           .rows = &rows,
                                           .test = test ? &*test : nullptr,
                                           .label = flags.label,
                                           .ignored = flags.ignore,
                                           .command = command});
    print(fmt::format("report    {}\n", (out / kReportFile).string()));
  }
  print(fmt::format("next      ladder predict {} NEW_DATA\n", shell_word(out.string())));
  return 0;
}

}  // namespace ladder::apps
