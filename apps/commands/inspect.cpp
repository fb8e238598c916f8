#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/classifier.h>
#include <ladder/data/class_labels.h>
#include <ladder/data/features.h>
#include <ladder/data/label_notes.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "apps/commands/commands.h"
#include "apps/commands/data_flags.h"
#include "apps/commands/data_notes.h"
#include "apps/support/command_line.h"
#include "apps/support/markup.h"
#include "apps/support/output.h"
#include "apps/support/program.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

constexpr size_t kShownLevels = 4;
constexpr size_t kShownClasses = 20;

struct InspectFlags {
  std::string what = {}, label = {};
  DataFlags read = {};
  bool help = false;
};

CommandLine inspect_line(InspectFlags& flags) {
  CommandLine line("ladder inspect",
                   "Describe data (columns, types, missing values, classes, labeled rows) or a "
                   "model.");
  line.word("DATA|MODEL", "a table, pictures, a run folder or a model file", true,
            [&](const auto&, const auto& text) { flags.what = input_path(text); });
  line.flag("label", "COL", "column of the labels",
            [&](const auto&, const auto& text) { flags.label = text; });
  add_data_flags(line, flags.read);
  line.toggle("help", "print this and exit", flags.help);
  return line;
}

// A cell, or a name, within a line: a long one is cut, and line ends are spaces.
std::string shown(const std::string& text) {
  constexpr size_t kMaxCharacters = 40;
  auto line = shortened(text, kMaxCharacters);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return line;
}

std::string number_range(const data::Column& column) {
  double least = std::numeric_limits<double>::infinity();
  double most = -least;
  double sum = 0, count = 0;
  for (const double value : column.numbers) {
    if (std::isnan(value)) continue;
    least = std::min(least, value);
    most = std::max(most, value);
    sum += value;
    ++count;
  }
  return count == 0 ? std::string("no values")
                    : fmt::format("{:.6g} to {:.6g}, mean {:.6g}", least, most, sum / count);
}

std::string level_list(const data::Column& column) {
  std::string text = fmt::format("{} different", column.levels.size());
  for (size_t i = 0; i < column.levels.size() && i < kShownLevels; ++i) {
    text += fmt::format("{} {}", i == 0 ? ":" : ",", shown(column.levels[i]));
  }
  return text + (column.levels.size() > kShownLevels ? ", ..." : "");
}

// `labels`: of labeled rows, or of all; `rows`: number of all.
std::string classes_text(const std::vector<std::string>& classes, const torch::Tensor& labels,
                         int64_t rows) {
  const auto counts =
      at::bincount(labels.masked_select(labels.ge(0)), {}, static_cast<int64_t>(classes.size()));
  std::string text = fmt::format("{}, {} of {}\n", counted(std::ssize(classes), "class", "classes"),
                                 counted(labels.ge(0).sum().item<int64_t>(), "labeled row"), rows);
  for (size_t c = 0; c < classes.size() && c < kShownClasses; ++c) {
    text += fmt::format("  {:<24} {:>8}\n", shown(classes[c]),
                        counts[static_cast<int64_t>(c)].item<int64_t>());
  }
  return text + (classes.size() > kShownClasses
                     ? fmt::format("  ... {} further classes\n", classes.size() - kShownClasses)
                     : "");
}

std::string columns_text(const data::Table& table) {
  auto text =
      counted(table.rows, "row") + ", " + counted(std::ssize(table.columns), "column") + "\n\n";
  size_t width = 6;
  for (const auto& column : table.columns) width = std::max(width, shown(column.name).size());
  text += fmt::format("{:<{}}  {:<6}  {:>8}  values\n", "column", width, "type", "missing");
  for (const auto& column : table.columns) {
    const bool number = column.kind == data::ColumnKind::kNumber;
    const auto missing = number ? std::count_if(column.numbers.begin(), column.numbers.end(),
                                                [](double value) { return std::isnan(value); })
                                : std::count(column.codes.begin(), column.codes.end(), -1);
    text += fmt::format("{:<{}}  {:<6}  {:>8}  {}\n", shown(column.name), width,
                        number ? "number" : "text", missing,
                        number ? number_range(column) : level_list(column));
  }
  return text;
}

std::string inputs_text(const data::Table& table, const std::string& label) {
  const auto features = data::fit_features(
      table, label.empty() ? std::vector<std::string>{} : std::vector<std::string>{label});
  std::string text;
  for (const auto& feature : features.columns) {
    if (!feature.dropped.empty()) {
      text += fmt::format("not used: {} ({})\n", shown(feature.name), feature.dropped);
    }
  }
  for (const auto& note : feature_notes(features)) text += "note: " + note + "\n";
  return text + "\n" + counted(features.width(), "input") + " of a network\n";
}

// What cannot be trained on has columns to look at all the same: they come before its sentence.
void print_table(const data::Table& table, const std::string& label) {
  print(columns_text(table));
  print(inputs_text(table, label));
  if (label.empty()) return;
  const auto found = data::class_labels(table.column(label));
  print(classes_text(found.classes, found.labels, table.rows));
  print_notes(data::label_notes(table.column(label), found.classes));
  print_notes(data::single_row_notes(found.labels, found.classes));
}

std::string shards_text(const data::Shards& shards) {
  auto text = counted(shards.rows(), "row") + ", " +
              counted(std::ssize(shards.columns()), "column") + " in shards\n\n";
  for (const auto& column : shards.columns()) {
    text += fmt::format("  {:<24} {}{}\n", shown(column.name),
                        column.kind == data::ColumnKind::kNumber
                            ? std::string("number")
                            : "text, " + counted(std::ssize(column.levels), "level"),
                        column.missing ? ", may be missing" : "");
  }
  if (shards.label().empty()) return text + "no labels\n";
  return text + fmt::format("label {}\n", shards.label()) +
         classes_text(shards.classes(), shards.labels(shards.labeled_rows()), shards.rows());
}

std::string images_text(const data::Samples& samples) {
  return fmt::format("{} of {} x {} pixels, {}\n", counted(samples.images.size(0), "image"),
                     samples.images.size(2), samples.images.size(3),
                     samples.images.size(1) == 1 ? "gray" : "RGB") +
         (samples.classes.empty() ? std::string("no classes\n")
                                  : classes_text(samples.classes, samples.labels, samples.rows())) +
         (samples.problems.empty()
              ? std::string()
              : counted(std::ssize(samples.problems), "file") + " could not be read\n");
}

std::string model_text(const Classifier& classifier) {
  const auto& model = classifier.model();
  const auto& config = classifier.config();
  std::string text;
  for (const auto& [name, value] : model.facts) text += fmt::format("{:<14} {}\n", name, value);
  std::vector<std::string> layers;
  for (const auto& layer : config.network.layers) layers.push_back(models::to_string(layer));
  int64_t parameters = 0;
  for (const auto& parameter : model.net->parameters()) parameters += parameter.numel();
  text += fmt::format("{:<14} {}\n{:<14} {} numbers\n", "layers", fmt::join(layers, ", "),
                      "parameters", parameters);
  if (model.images) {
    text += fmt::format("{:<14} images of {} x {} pixels, {}{}\n", "inputs", model.images->height,
                        model.images->width, model.images->channels == 1 ? "gray" : "RGB",
                        model.images->whitening ? ", whitened" : "");
  }
  if (model.features) {
    text += fmt::format("{:<14} {}\n", "inputs", model.features->width());
    for (const auto& feature : model.features->columns) {
      text += fmt::format(
          "  {:<24} {}\n", shown(feature.name),
          !feature.dropped.empty() ? "not used: " + feature.dropped
          : feature.kind == data::ColumnKind::kNumber
              ? fmt::format("number, mean {:.6g}, standard deviation {:.6g}{}", feature.center,
                            feature.scale, feature.indicator ? ", may be missing" : "")
              : fmt::format("text, {}{}{}", counted(std::ssize(feature.levels), "level"),
                            feature.other ? " and others" : "",
                            feature.indicator ? ", may be missing" : ""));
    }
  }
  text += fmt::format("{:<14} ", "classes");
  for (size_t c = 0; c < model.classes.size() && c < kShownClasses; ++c) {
    text += (c == 0 ? "" : ", ") + shown(model.classes[c]);
  }
  return text + (model.classes.size() > kShownClasses
                     ? fmt::format(", ... ({} in all)\n", model.classes.size())
                     : "\n");
}

}  // namespace

int inspect_command(int argc, const char* const* argv) {
  InspectFlags flags;
  auto line = inspect_line(flags);
  line.parse(argc, argv);
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  if (is_model(flags.what)) {
    print(model_text(Classifier::load(model_path(flags.what))));
  } else {
    auto samples = read_data(flags.what, flags.read, flags.label);
    if (!samples.shards && data::has_test_part(flags.what)) {
      print_notes(
          {"test rows are in " + flags.what + " as well: --test of ladder train reads them"});
    }
    if (samples.table) {
      print_notes(empty_rows_note(data::drop_empty_rows(*samples.table), samples.source));
      print_table(*samples.table, flags.label.empty() ? samples.label : flags.label);
    } else {
      print(samples.shards ? shards_text(*samples.shards) : images_text(samples));
    }
  }
  return 0;
}

}  // namespace ladder::apps
