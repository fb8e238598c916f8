#include "apps/commands/train_rows.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <ladder/core/nearest_name.h>
#include <ladder/data/class_labels.h>
#include <ladder/data/features.h>
#include <ladder/data/label_notes.h>
#include <ladder/data/row_hashes.h>
#include <ladder/data/shards.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "apps/commands/data_flags.h"
#include "apps/commands/data_notes.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

// Whether both paths name one file or folder.
bool is_same_source(const fs::path& a, const fs::path& b) {
  std::error_code none;
  return (fs::is_regular_file(a, none) || fs::is_directory(a, none)) && fs::equivalent(a, b, none);
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

// Rows without a value teach nothing, and a column has missing values by them alone. (Rows to
// predict have an answer each, so that only training leaves them out.)
void leave_out_empty_rows(data::Samples& rows) {
  if (rows.table) print_notes(empty_rows_note(data::drop_empty_rows(*rows.table), rows.source));
}

// Refuses test rows that lack a column of the shards, or have texts where these have numbers.
void check_shard_columns(const TrainFlags& flags, const data::Shards& shards,
                         const data::Table& test) {
  data::Features numbers{.missing = shards.missing(), .array_columns = shards.array_columns()};
  numbers.leave_out_label(shards.label());
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

torch::Tensor labeled_places(const torch::Tensor& labels) {
  return labels.ge(0).nonzero().squeeze(1);
}

}  // namespace

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
    more.read.csv.other_kind = data::ColumnKind::kText;  // of columns that are not used
  }
  for (const auto& path : flags.unlabeled) {
    auto others = read_data(path, more, flags.label);
    leave_out_empty_rows(others);
    append_rows(rows, others, flags.label, flags.ignore);
  }
  return rows;
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
  read.read.csv.other_kind = data::ColumnKind::kText;  // of columns that are not used
  read.read.part = data::Part::kTest;
  auto test = read_data(flags.test, read, rows.shards ? rows.shards->label() : flags.label);
  check_test_rows(flags, rows, test);
  return test;
}

void check_other_rows(const TrainFlags& flags) {
  // (Rows of --unlabeled do no harm.)
  if (!flags.test.empty() && is_same_source(flags.data, flags.test) &&
      !data::has_test_part(flags.test)) {
    throw UsageError(
        fmt::format("expected rows in --test that are not trained on but got {} for both "
                    "(without --test, a share of the labels is held back).",
                    flags.test));
  }
}

void print_row_notes(const TrainFlags& flags, const data::Samples& rows) {
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
  print_notes(notes);
}

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

}  // namespace ladder::apps
