#include <ATen/ATen.h>
#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/data/csv.h>
#include <ladder/data/shards.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

#include "apps/commands/commands.h"
#include "apps/commands/data_flags.h"
#include "apps/commands/data_notes.h"
#include "apps/support/command_line.h"
#include "apps/support/output.h"
#include "apps/support/program.h"
#include "apps/support/row_writer.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kRowsAtOnce = 10000;

struct PredictFlags {
  std::string model = {}, data = {};
  fs::path out = {};
  bool probabilities = false;
  int64_t top = 0;
  std::string id = {};
  DataFlags read = {};
  int64_t threads = 0;
  bool help = false;
};

CommandLine predict_line(PredictFlags& flags) {
  CommandLine line(
      "ladder predict",
      "Predict the class of each row: one line per row of a table, in its order, or per "
      "picture.");
  line.word("MODEL", "folder of a run, or a model file", true,
            [&](const auto&, const auto& text) { flags.model = text; });
  line.word("DATA", "rows to predict; '-' reads CSV from standard input as it arrives", true,
            [&](const auto&, const auto& text) { flags.data = text; });
  line.heading("Answers");
  line.flag("out,o", "FILE", "write CSV to FILE (standard output)",
            [&](const auto& flag, const auto& text) { flags.out = parse_file(flag, text); });
  line.toggle("probabilities", "add a column p:CLASS for each class", flags.probabilities);
  line.integer("top", "add the N most probable classes: class, p, class2, p2, ...", flags.top, 1,
               1000000);
  line.flag("id", "COL", "copy this column of DATA to the first column",
            [&](const auto&, const auto& text) { flags.id = text; });
  add_data_flags(line, flags.read);
  line.heading("Machine");
  line.integer("threads", "CPU threads (all)", flags.threads, 1, 4096);
  line.toggle("help", "print this and exit", flags.help);
  line.footer(
      "Columns are found by name, in any order; a label column is ignored. A table without rows "
      "has no answers: the header is written. Pictures come by folder and name; one that cannot be "
      "read has no line.");
  return line;
}

// A cell of CSV, quoted where it must be.
std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

// Lines of CSV for rows and their probabilities.
class Answers {
 public:
  // Error: `id` is the name of a column of the answers, too.
  Answers(const PredictFlags& flags, const std::vector<std::string>& classes, std::string id)
      : top_(std::min<int64_t>(flags.top, static_cast<int64_t>(classes.size()))),
        all_(flags.probabilities),
        id_(std::move(id)) {
    for (const auto& name : classes) cells_.push_back(cell(name));
    names_ = {"class"};
    for (int64_t k = 1; k <= top_; ++k) {
      if (k > 1) names_.push_back(fmt::format("class{}", k));
      names_.push_back(k == 1 ? std::string("p") : fmt::format("p{}", k));
    }
    for (const auto& name : classes) {
      if (all_) names_.push_back("p:" + name);
    }
    if (std::find(names_.begin(), names_.end(), id_) != names_.end()) {
      throw UsageError(
          fmt::format("expected a column for --id that has another name than those of the answers "
                      "but got '{}' (rename it in DATA).",
                      id_));
    }
  }

  std::string header() const {
    std::string text = id_.empty() ? "" : cell(id_) + ",";
    for (size_t i = 0; i < names_.size(); ++i) text += (i > 0 ? "," : "") + cell(names_[i]);
    return text + "\n";
  }

  std::string lines(const torch::Tensor& probabilities, const std::vector<std::string>& ids) const {
    const auto contiguous = probabilities.contiguous();
    const int64_t classes = contiguous.size(1);
    const float* row = contiguous.const_data_ptr<float>();
    std::string text;
    std::vector<int64_t> order(static_cast<size_t>(classes));
    for (int64_t i = 0; i < contiguous.size(0); ++i, row += classes) {
      if (!ids.empty()) text += cell(ids[static_cast<size_t>(i)]) + ",";
      if (top_ == 0) {
        text += cells_[static_cast<size_t>(std::max_element(row, row + classes) - row)];
      } else {
        std::iota(order.begin(), order.end(), int64_t{0});
        std::partial_sort(
            order.begin(), order.begin() + top_, order.end(),
            [row](int64_t a, int64_t b) { return row[a] != row[b] ? row[a] > row[b] : a < b; });
        for (int64_t k = 0; k < top_; ++k) {
          const int64_t c = order[static_cast<size_t>(k)];
          fmt::format_to(std::back_inserter(text), "{}{},{}", k == 0 ? "" : ",",
                         cells_[static_cast<size_t>(c)], row[c]);
        }
      }
      for (int64_t c = 0; all_ && c < classes; ++c) {
        fmt::format_to(std::back_inserter(text), ",{}", row[c]);
      }
      text += '\n';
    }
    return text;
  }

 private:
  std::vector<std::string> names_, cells_;  // columns; classes
  int64_t top_;
  bool all_;
  std::string id_;
};

// Whole numbers up to which a type holds each one.
constexpr double kMaxExactDouble = 9007199254740992;  // 2^53
constexpr double kMaxExactFloat = 16777216;           // 2^24

// Return the texts of the column `id`, nothing if no column is named. Error: numbers that are too
// large to tell apart.
std::vector<std::string> ids_of(const data::Table& table, const std::string& id,
                                double most = kMaxExactDouble) {
  std::vector<std::string> ids;
  if (id.empty()) return ids;
  const auto& column = table.column(id);
  const auto large = std::find_if(column.numbers.begin(), column.numbers.end(),
                                  [most](double number) { return std::abs(number) >= most; });
  if (large != column.numbers.end()) {
    throw std::runtime_error(fmt::format(
        "expected numbers below {} in column '{}' for --id but got {} in {} ({}).", most, id,
        *large, table.source,
        most == kMaxExactFloat ? "shards hold numbers in single precision; convert the column with "
                                 "--text-columns, or predict from the file itself"
                               : "numbers are read in double precision; save the column as texts"));
  }
  for (int64_t row = 0; row < table.rows; ++row) ids.push_back(data::cell_text(column, row));
  return ids;
}

// True if the model takes the column `name`, of this kind if one is given.
bool is_feature(const Classifier& classifier, const std::string& name,
                std::optional<data::ColumnKind> kind = {}) {
  const auto& features = classifier.model().features;
  return features &&
         std::any_of(features->columns.begin(), features->columns.end(), [&](const auto& feature) {
           return feature.name == name && feature.dropped.empty() &&
                  feature.kind == kind.value_or(feature.kind);
         });
}

// Texts of numbers get a decimal point, as features read them.
void replace_commas(data::Table& table, const std::string& name) {
  const auto place = table.find(name);
  if (place < 0) return;
  for (auto& level : table.columns[static_cast<size_t>(place)].levels) {
    std::replace(level.begin(), level.end(), ',', '.');
  }
}

// Refuses a header without rows below which no row could be predicted.
void check_header(const Classifier& classifier, const data::CsvReader& reader,
                  const std::string& source, const std::string& id) {
  data::Table table{.source = source};
  for (const auto& name : reader.names()) table.columns.push_back({.name = name});
  const auto& features = classifier.model().features;
  if (!features) {
    throw std::runtime_error(fmt::format("expected images but got a table in {}.", source));
  }
  for (const auto& feature : features->columns) {
    if (feature.dropped.empty()) table.column(feature.name);  // a column that lacks is an error
  }
  if (!id.empty()) table.column(id);
}

// Tables are read in parts, so that memory does not grow with the rows.
int predict_stream(const Classifier& classifier, const PredictFlags& flags,
                   data::CsvReader& reader) {
  const Answers answers(flags, classifier.classes(), flags.id);
  RowWriter out(flags.out);
  const bool id_is_number = is_feature(classifier, flags.id, data::ColumnKind::kNumber);
  std::string header = answers.header();  // written with the first rows: nothing before an error
  StrangeRows strange;
  while (auto table = reader.next(kRowsAtOnce)) {
    const auto ids = ids_of(*table, flags.id);
    if (id_is_number && reader.decimal() == ',') replace_commas(*table, flags.id);
    out.write(std::exchange(header, "") + answers.lines(classifier.predict_proba(*table), ids));
    if (classifier.model().features) strange.add(*classifier.model().features, *table);
    if (output_failure()) return 1;
    if (stop_requested()) return kInterrupted;
  }
  if (!header.empty()) {
    check_header(classifier, reader, flags.data, flags.id);
    out.write(header);
  }
  out.commit();
  auto notes = missing_notes(flags.read, reader.decimal());
  for (auto& note : strange.notes()) notes.push_back(std::move(note));
  print_notes(notes);
  return 0;
}

// Shards are read in parts too.
int predict_shards(const Classifier& classifier, const PredictFlags& flags,
                   const data::Shards& shards) {
  const Answers answers(flags, classifier.classes(), flags.id);
  RowWriter out(flags.out);
  std::string header = answers.header();
  StrangeRows strange;
  for (int64_t begin = 0; begin < shards.rows(); begin += kRowsAtOnce) {
    const auto table = shards.table(begin, std::min(begin + kRowsAtOnce, shards.rows()));
    out.write(std::exchange(header, "") + answers.lines(classifier.predict_proba(table),
                                                        ids_of(table, flags.id, kMaxExactFloat)));
    if (classifier.model().features) strange.add(*classifier.model().features, table);
    if (output_failure()) return 1;
    if (stop_requested()) return kInterrupted;
  }
  out.commit();
  print_notes(strange.notes());
  return 0;
}

// Rows that are in memory are predicted in parts as well.
int predict_in_memory(const Classifier& classifier, const PredictFlags& flags,
                      const DataFlags& read) {
  auto samples = read_data(flags.data, read, "");
  check_takes(classifier, samples);
  if (samples.shards) return predict_shards(classifier, flags, *samples.shards);
  const bool named = !samples.table && flags.id.empty() && !samples.names.empty();
  const Answers answers(flags, classifier.classes(), named ? "file" : flags.id);
  if (!samples.table && !flags.id.empty()) {
    throw UsageError("expected a table for --id but got images (their file names come first).");
  }
  const auto ids = samples.table ? ids_of(*samples.table, flags.id) : samples.names;
  if (samples.table) {
    // Each part copies the levels of texts, and those of an identifier are as many as the rows.
    for (auto& column : samples.table->columns) {
      if (!is_feature(classifier, column.name)) column.levels.clear();
    }
  }
  std::optional<RowWriter> out;  // opened when there are rows to write: nothing before an error
  int64_t begin = 0;
  do {
    const auto end = std::min(begin + kRowsAtOnce, samples.rows());
    const auto probabilities =
        classifier.predict_proba(some_rows(samples, at::arange(begin, end, at::kLong)));
    const auto some =
        ids.empty() ? ids : std::vector<std::string>(ids.begin() + begin, ids.begin() + end);
    const auto header = out ? std::string() : answers.header();
    if (!out) out.emplace(flags.out);
    out->write(header + answers.lines(probabilities, some));
    if (output_failure()) return 1;
    if (stop_requested()) return kInterrupted;
    begin = end;
  } while (begin < samples.rows());
  out->commit();
  note_strange_rows(classifier, samples);
  return 0;
}

}  // namespace

int predict_command(int argc, const char* const* argv) {
  PredictFlags flags;
  auto line = predict_line(flags);
  line.parse(argc, argv);
  line.apply();
  if (flags.help) {
    print(line.help());
    return 0;
  }
  const auto model = model_path("ladder predict", flags.model, flags.data);
  check_not_same("DATA", flags.data, flags.out);
  check_not_same("MODEL", model, flags.out);
  catch_interruption();
  set_threads(flags.threads);
  const auto classifier = Classifier::load(model);
  auto read = flags_for(classifier, flags.read);
  // Columns that no feature needs may be copied as they are written; that of --id is, in any case.
  read.read.csv.other_kind = data::ColumnKind::kText;
  read.read.csv.may_be_empty = true;  // a file of no news
  read.read.folders_are_classes = false;
  if (!flags.id.empty()) {
    read.read.csv.kinds[flags.id] = data::ColumnKind::kText;
    read.read.csv.as_written = {flags.id};
  }
  if (flags.data == "-") {
    // std::cin gives a line at a time while it is tied to C's streams.
    data::CsvReader reader("/dev/stdin", read.read.csv);
    return predict_stream(classifier, flags, reader);
  }
  if (classifier.model().features && is_text_table(flags.data)) {
    data::CsvReader reader(flags.data, read.read.csv);
    return predict_stream(classifier, flags, reader);
  }
  return predict_in_memory(classifier, flags, read);
}

}  // namespace ladder::apps
