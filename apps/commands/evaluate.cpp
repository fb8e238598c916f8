#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/data/label_notes.h>
#include <ladder/data/shards.h>
#include <ladder/train/metrics.h>

#include <stdexcept>
#include <string>

#include "apps/commands/commands.h"
#include "apps/commands/data_flags.h"
#include "apps/commands/data_notes.h"
#include "apps/commands/metrics_text.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"

namespace ladder::apps {
namespace {

constexpr int64_t kEvaluatedAtOnce = 10000;  // whole batches of a prediction

struct EvaluateFlags {
  std::string model = {}, data = {}, label = {};
  std::string part = "test";
  bool json = false;
  DataFlags read = {};
  int64_t threads = 0;
  bool help = false;
};

CommandLine evaluate_line(EvaluateFlags& flags) {
  CommandLine line("ladder evaluate",
                   "Measure a model on labeled rows: error, balanced accuracy, numbers per class, "
                   "confusion matrix, log loss, calibration.");
  line.word("MODEL", "folder of a run, or a model file", true,
            [&](const auto&, const auto& text) { flags.model = text; });
  line.word("DATA", "rows with labels; rows without are left out; '-': the standard input", true,
            [&](const auto&, const auto& text) { flags.data = input_path(text); });
  line.flag("label", "COL", "column of the labels (the one used in training)",
            [&](const auto&, const auto& text) { flags.label = text; });
  line.toggle("json", "print JSON; its left_out counts the rows without a label", flags.json);
  line.choice("part", "which part to use of a data set that has both", flags.part,
              {"test", "train"});
  add_data_flags(line, flags.read);
  line.heading("Machine");
  line.integer("threads", "CPU threads (all)", flags.threads, 1, 4096);
  line.toggle("help", "print this and exit", flags.help);
  return line;
}

// The labels of `rows` as a column of texts.
data::Column label_column(const data::Shards& shards, const torch::Tensor& rows) {
  data::Column column{
      .name = shards.label(), .kind = data::ColumnKind::kText, .levels = shards.classes()};
  const auto labels = shards.labels(rows);
  for (int64_t i = 0; i < labels.numel(); ++i) {
    column.codes.push_back(static_cast<int32_t>(labels.const_data_ptr<int64_t>()[i]));
  }
  return column;
}

// Error: no row has a label. `labels`: of rows in memory.
void check_labeled(const data::Samples& samples, const torch::Tensor& labels,
                   const std::string& label) {
  const bool some =
      samples.shards ? samples.shards->labeled_rows().numel() > 0 : labels.ge(0).any().item<bool>();
  if (some || samples.rows() == 0) return;
  throw std::runtime_error(fmt::format(
      "expected rows with labels but got {} without one in {} ({}; ladder predict needs no "
      "labels).",
      samples.rows(), samples.source,
      samples.images.defined() ? std::string("the class of a picture is the name of its folder")
      : label.empty()          ? std::string("it has no column of labels")
                               : fmt::format("column '{}' has no value that is a class", label)));
}

// Shards are read in parts, so that memory does not grow with columns and classes of all rows.
train::ClassificationMetrics metrics_of_shards(const Classifier& classifier,
                                               const data::Shards& shards,
                                               const std::string& label) {
  shards.verify_labels();  // a damaged label would only look like a wrong answer
  const auto rows = shards.labeled_rows();
  train::BlockMetrics measured(static_cast<int64_t>(classifier.classes().size()));
  for (int64_t begin = 0; begin < rows.numel(); begin += kEvaluatedAtOnce) {
    const auto some = rows.slice(0, begin, begin + kEvaluatedAtOnce);
    data::Samples block{.table = shards.table(some)};
    block.table->columns.push_back(label_column(shards, some));
    measured.add(classifier.predict_proba(block), labels_for(classifier, block, label));
  }
  return measured.metrics();
}

}  // namespace

int evaluate_command(int argc, const char* const* argv) {
  EvaluateFlags flags;
  auto line = evaluate_line(flags);
  line.parse(argc, argv);
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  set_threads(flags.threads);
  const auto classifier = Classifier::load(model_path("ladder evaluate", flags.model, flags.data));
  auto label = flags.label.empty() ? classifier.label() : flags.label;
  auto read = flags_for(classifier, flags.read);
  read.read.csv.other_kind = data::ColumnKind::kText;  // of columns that no feature needs
  read.read.part = flags.part == "test" ? data::Part::kTest : data::Part::kTrain;
  const auto samples = read_data(flags.data, read, label);
  if (label.empty()) label = samples.label;  // arrays name theirs
  if (samples.table && samples.table->find(label) >= 0) {
    print_notes(data::label_notes(samples.table->column(label), classifier.classes()));
  }
  check_takes(classifier, samples);
  const auto labels = samples.shards ? torch::Tensor() : labels_for(classifier, samples, label);
  check_labeled(samples, labels, label);
  const auto metrics =
      samples.shards ? metrics_of_shards(classifier, *samples.shards, label)
                     : train::classification_metrics(classifier.predict_proba(samples), labels);
  const auto left_out = samples.rows() - metrics.rows;
  if (flags.json) {
    auto json = metrics_json(metrics, classifier.classes());
    json["left_out"] = left_out;
    print(json.dump(2) + "\n");
  } else {
    print(metrics_text(metrics, classifier.classes()) + left_out_text(left_out));
  }
  note_training_rows(classifier, samples);
  note_strange_rows(classifier, samples);
  return 0;
}

}  // namespace ladder::apps
