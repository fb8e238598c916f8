#include "apps/commands/data_notes.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/data/row_hashes.h>
#include <ladder/train/train_data.h>

#include <algorithm>
#include <cstdio>

#include "apps/support/ranks.h"

namespace ladder::apps {
namespace {

constexpr size_t kMaxNotes = 5;
constexpr size_t kMaxNamed = 5;
// Rows with the inputs of others are noted if they are so large a share.
constexpr double kNotedEqual = 0.01;
// Rows that are noted if a column has no value in all of them, as in some rows of training.
constexpr int64_t kMinAllMissing = 20;

}  // namespace

std::vector<std::string> empty_rows_note(int64_t rows, const std::string& source) {
  if (rows == 0) return {};
  return {fmt::format("{} row{} of {} {} no value and {} left out", rows, rows == 1 ? "" : "s",
                      source, rows == 1 ? "has" : "have", rows == 1 ? "is" : "are")};
}

std::vector<std::string> equal_rows_notes(const torch::Tensor& labeled, const torch::Tensor& test) {
  std::vector<std::string> notes;
  const auto count_of = [](const torch::Tensor& equal) {
    const auto count = equal.sum().item<int64_t>();
    const auto least = kNotedEqual * static_cast<double>(equal.numel());
    return static_cast<double>(count) < least ? 0 : count;
  };
  if (const auto count = count_of(data::repeated_hashes(labeled)); count > 0) {
    notes.push_back(fmt::format(
        "{} of {} labeled rows have the same inputs as another one; if they are copies, the error "
        "on held-back rows is too low (keep one of each)",
        count, labeled.numel()));
  }
  if (!test.defined()) return notes;
  if (const auto count = count_of(at::isin(test, labeled)); count > 0) {
    notes.push_back(fmt::format(
        "{} of {} test rows have the same inputs as a labeled row to train on; if they are copies, "
        "the error on test rows is too low",
        count, test.numel()));
  }
  return notes;
}

void print_notes(const std::vector<std::string>& notes, const std::string& rest) {
  if (!rank_of_environment().first()) return;
  std::string text;
  for (size_t i = 0; i < notes.size() && i < kMaxNotes; ++i) text += "note: " + notes[i] + "\n";
  if (notes.size() > kMaxNotes) {
    const auto left = notes.size() - kMaxNotes;
    text += rest.empty() ? fmt::format("note: and {} more\n", left)
                         : fmt::format("note: {} {}\n", left, rest);
  }
  std::fputs(text.c_str(), stderr);
}

std::vector<std::string> feature_notes(const data::Features& features) {
  std::vector<std::string> notes;
  for (const auto& feature : features.columns) {
    if (!feature.note.empty()) notes.push_back(feature.name + ": " + feature.note);
  }
  return notes;
}

std::vector<std::string> unused_columns_note(const std::vector<std::string>& used,
                                             const data::Table& more) {
  std::vector<std::string> others;
  for (const auto& column : more.columns) {
    if (std::find(used.begin(), used.end(), column.name) == used.end()) {
      others.push_back(column.name);
    }
  }
  if (others.empty()) return {};
  const auto left = others.size() > kMaxNamed ? others.size() - kMaxNamed : 0;
  others.resize(others.size() - left);
  return {fmt::format("columns of {} that the rows before lack are not used: {}{}", more.source,
                      fmt::join(others, ", "), left > 0 ? fmt::format(" and {} more", left) : "")};
}

void StrangeRows::add(const data::Features& features, const data::Table& table) {
  const auto found = data::strange_values(features, table);
  if (columns_.empty()) {
    columns_ = found;
    return;
  }
  for (size_t i = 0; i < found.size(); ++i) columns_[i].add(found[i]);
}

std::vector<std::string> StrangeRows::notes() const {
  std::vector<std::string> notes;
  for (const auto& column : columns_) {
    const bool is_text = column.kind == data::ColumnKind::kText;
    const bool mostly = 2 * column.strange > column.present;
    const auto missing = column.rows - column.present;
    if (column.may_be_missing ? missing == column.rows && missing >= kMinAllMissing
                              : 2 * missing > column.rows) {
      notes.push_back(fmt::format("column '{}': {} of {} values are missing{}", column.name,
                                  missing, column.rows,
                                  column.may_be_missing ? "" : ", none in training"));
    }
    if (column.is_stuck() && !mostly) {
      notes.push_back(
          fmt::format("column '{}': all {} numbers are {}, while those of training vary",
                      column.name, column.present, column.least));
    }
    if (column.strange == 0 || (!mostly && (!is_text || column.rare))) continue;
    notes.push_back(
        is_text
            ? fmt::format("column '{}': {} of {} texts were {}not in training", column.name,
                          column.strange, column.present, column.rare ? "rare or " : "")
            : fmt::format("column '{}': {} of {} numbers are {} standard deviations or more away "
                          "from those of training",
                          column.name, column.strange, column.present, data::kFarFrom));
  }
  return notes;
}

void note_training_rows(const Classifier& classifier, const data::Samples& samples) {
  const auto& trained = classifier.config().data;
  if (!trained || samples.shards) return;
  const auto prints = train::data_fingerprint({.training = {.inputs = classifier.inputs(samples)}});
  if (trained->starts_with(prints.at("inputs") + ", ")) {
    print_notes({"the model was trained on these rows: the error on them is too low"});
  }
}

void note_strange_rows(const Classifier& classifier, const data::Samples& samples) {
  if (!samples.table || !classifier.model().features) return;
  StrangeRows strange;
  strange.add(*classifier.model().features, *samples.table);
  print_notes(strange.notes());
}

}  // namespace ladder::apps
