#include "apps/commands/data_notes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "apps/support/ranks.h"

namespace ladder::apps {
namespace {

constexpr size_t kMostNotes = 5;
constexpr size_t kMostNamed = 5;

}  // namespace

void print_notes(const std::vector<std::string>& notes, const std::string& rest) {
  if (!rank_of_environment().first()) return;
  std::string text;
  for (size_t i = 0; i < notes.size() && i < kMostNotes; ++i) text += "note: " + notes[i] + "\n";
  if (notes.size() > kMostNotes) {
    const auto left = notes.size() - kMostNotes;
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
  const auto left = others.size() > kMostNamed ? others.size() - kMostNamed : 0;
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
  for (size_t i = 0; i < found.size(); ++i) {
    columns_[i].present += found[i].present;
    columns_[i].strange += found[i].strange;
  }
}

std::vector<std::string> StrangeRows::notes() const {
  std::vector<std::string> notes;
  for (const auto& column : columns_) {
    const bool is_text = column.kind == data::ColumnKind::kText;
    const bool mostly = 2 * column.strange > column.present;
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

void note_strange_rows(const Classifier& classifier, const data::Samples& samples) {
  if (!samples.table || !classifier.model().features) return;
  StrangeRows strange;
  strange.add(*classifier.model().features, *samples.table);
  print_notes(strange.notes());
}

}  // namespace ladder::apps
