#include "apps/commands/train_flags.h"

#include <ladder/models/combinators.h>
#include <torch/cuda.h>

#include <algorithm>

#include "apps/support/ranks.h"
#include "apps/support/training_flags.h"

namespace ladder::apps {
namespace {

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

}  // namespace

CommandLine train_line(TrainFlags& flags, const std::string& program) {
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

void check_train_flags(const TrainFlags& flags, const CommandLine& line) {
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

bool is_ignored(const TrainFlags& flags, const std::string& column) {
  return std::find(flags.ignore.begin(), flags.ignore.end(), column) != flags.ignore.end();
}

}  // namespace ladder::apps
