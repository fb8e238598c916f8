#include "apps/commands/data_flags.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <ladder/data/class_labels.h>
#include <ladder/data/features.h>
#include <ladder/runs/run_config.h>
#include <ladder/runs/run_table.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "apps/commands/data_notes.h"
#include "apps/support/output.h"
#include "apps/support/program.h"

namespace ladder::apps {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKindBytes = 8;  // that tell what a file is

char one_character(const std::string& flag, const std::string& text) {
  if (text == "tab" || text == "\\t") return '\t';
  if (text.size() != 1) {
    throw UsageError(fmt::format("expected one character or tab for {} but got '{}'.", flag, text));
  }
  return text.front();
}

// Whether a list of missing values may be meant as one number with a decimal comma.
bool may_be_one_number(std::string text) {
  if (std::count(text.begin(), text.end(), ',') != 1) return false;
  std::replace(text.begin(), text.end(), ',', '.');
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

data::Column rows_appended(const data::Column& to, const data::Column* more, int64_t to_rows,
                           int64_t more_rows) {
  data::Column all = to;
  if (more == nullptr) {  // the label column, or one that is not used
    if (all.kind == data::ColumnKind::kText) {
      all.codes.resize(static_cast<size_t>(to_rows + more_rows), -1);
    } else {
      all.numbers.resize(static_cast<size_t>(to_rows + more_rows),
                         std::numeric_limits<double>::quiet_NaN());
    }
    return all;
  }
  if (all.kind == data::ColumnKind::kNumber) {
    all.numbers.insert(all.numbers.end(), more->numbers.begin(), more->numbers.end());
    return all;
  }
  std::map<std::string, int32_t> places;
  for (size_t i = 0; i < all.levels.size(); ++i) {
    places.emplace(all.levels[i], static_cast<int32_t>(i));
  }
  std::vector<int32_t> code_of;
  for (const auto& level : more->levels) {
    const auto [place, is_new] = places.emplace(level, static_cast<int32_t>(all.levels.size()));
    if (is_new) all.levels.push_back(level);
    code_of.push_back(place->second);
  }
  for (const int32_t code : more->codes) {
    all.codes.push_back(code < 0 ? -1 : code_of[static_cast<size_t>(code)]);
  }
  return all;
}

// Refuses rows of an array with other columns than the first one has; it may lack the label behind
// them.
void check_places(const data::Table& rows, const data::Table& more, const std::string& label) {
  data::Features places{.array_columns = rows.array_columns};
  places.leave_out_label(label);
  if (places.takes_array(more.array_columns)) return;
  throw std::runtime_error(fmt::format(
      "expected rows of {}, as in {}, but got {} in {} (columns of arrays are known by "
      "their places alone).",
      counted(rows.array_columns, "number"), rows.source, more.array_columns, more.source));
}

void append_table(data::Table& rows, const data::Table& more, const std::string& label,
                  const std::vector<std::string>& ignored) {
  auto used = ignored;
  used.push_back(label);
  for (const auto& column : rows.columns) used.push_back(column.name);
  print_notes(unused_columns_note(used, more));
  data::Table all{.source = rows.source,
                  .rows = rows.rows + more.rows,
                  .missing = rows.missing,
                  .decimal = rows.decimal,
                  .decimal_given = rows.decimal_given,
                  .is_first_line_row = rows.is_first_line_row,
                  .array_columns = rows.array_columns,
                  .parts = rows.parts};
  all.parts.push_back(rows.rows);
  for (const auto part : more.parts) all.parts.push_back(rows.rows + part);
  for (const auto& column : rows.columns) {
    const bool unused = column.name == label ||
                        std::find(ignored.begin(), ignored.end(), column.name) != ignored.end();
    const auto* other = unused ? nullptr : &more.column(column.name);
    if (other != nullptr && other->kind != column.kind) {
      throw std::runtime_error(
          fmt::format("expected column '{}' of {} to hold {} as in {} but got {}.", column.name,
                      more.source, column.kind == data::ColumnKind::kNumber ? "numbers" : "texts",
                      rows.source, other->kind == data::ColumnKind::kNumber ? "numbers" : "texts"));
    }
    all.columns.push_back(rows_appended(column, other, rows.rows, more.rows));
  }
  rows = std::move(all);
}

bool is_arrow_kind(const std::string& head, const std::string& ending) {
  return head.starts_with("PAR1") || head.starts_with("ARROW1") || head.starts_with("FEA1") ||
         ending == ".parquet" || ending == ".feather" || ending == ".arrow";
}

// Names an image in a message.
std::string image_name(const data::Samples& samples, int64_t row) {
  return samples.names.empty() ? fmt::format("picture {}", row + 1)
                               : samples.names[static_cast<size_t>(row)];
}

// Refuses pictures in colours where gray ones are taken; `as`: where that is from.
void refuse_colours(const data::Samples& samples, const std::string& as) {
  const auto& images = samples.images;
  const auto differs = images.ne(images.narrow(1, 0, 1)).flatten(1).any(1);  // [rows]
  const auto coloured = differs.nonzero();
  const auto rows = images.size(0);
  // A gray picture may be saved with three equal channels.
  const bool none = coloured.numel() == 0;
  const auto first = none ? 0 : coloured[0].item<int64_t>();
  throw std::runtime_error(fmt::format(
      "expected gray pictures in {} as in {} but got {} {}, such as {} (convert them to gray, one "
      "value a pixel).",
      samples.source, as, counted(none ? rows : coloured.size(0), "picture"),
      none ? "saved with three channels" : "in colours", image_name(samples, first)));
}

// A folder of seed-1, seed-2, ... in which one has a model; empty: there is none.
fs::path seed_with_model(const fs::path& folder) {
  std::error_code none;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (entry.path().filename().string().starts_with("seed-") &&
        fs::exists(entry.path() / kModelFile, none)) {
      found.push_back(entry.path());
    }
  }
  const auto first = std::min_element(found.begin(), found.end());
  return first == found.end() ? fs::path() : *first;
}

// Why the folder holds no model.
std::string why_no_model(const fs::path& folder) {
  std::error_code none;
  if (!fs::exists(folder / "config.json", none)) {
    const auto seed = seed_with_model(folder);
    return seed.empty() ? "is it the folder of a run?"
                        : fmt::format("name the run of one seed, such as {}", seed.string());
  }
  const auto config = recipe_config(folder);
  if (!config) return "the run has not finished; `ladder train ... --resume` continues it";
  const bool ended = fs::exists(folder / "result.json", none);
  if (ended && !fs::exists(folder / "checkpoint.pt", none)) {
    return "the run has ended, and without its checkpoint.pt none can be made";
  }
  return fmt::format("`{} --resume --out {}` {}", config->program, shell_word(folder.string()),
                     ended ? "writes it from checkpoint.pt" : "continues the run");
}

std::string kind_text(const data::Samples& samples) {
  return samples.table ? "a table" : samples.shards ? "shards" : "images";
}

}  // namespace

std::string input_path(const std::string& text) { return text == "-" ? "/dev/stdin" : text; }

void append_words(const std::string& text, std::vector<std::string>& words) {
  for (auto& word : parse_words(text)) words.push_back(std::move(word));
}

std::string head_of(const fs::path& path, size_t bytes) {
  std::error_code none;
  if (!fs::is_regular_file(path, none)) return {};
  std::string head(bytes, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(head.data(), std::ssize(head));
  head.resize(static_cast<size_t>(in.gcount()));
  return head;
}

bool is_arrow_file(const fs::path& path) {
  return is_arrow_kind(head_of(path, kKindBytes), path.extension().string());
}

bool is_text_table(const fs::path& path) {
  std::error_code none;
  const auto ending = path.extension().string();
  const auto head = head_of(path, kKindBytes);
  return !fs::is_directory(path, none) && ending != ".npz" && ending != ".npy" &&
         !head.starts_with("PK\3\4") && !head.starts_with("\x93NUMPY") &&
         !is_arrow_kind(head, ending);
}

void add_table_flags(CommandLine& line, DataFlags& flags) {
  auto& csv = flags.read.csv;
  line.heading("Reading (in a list, \\, is a comma of a name or number)");
  line.flag("delimiter", "CHAR", "cell separator, or the word tab (auto-detected)",
            [&](const auto& flag, const auto& text) { csv.delimiter = one_character(flag, text); });
  line.flag("decimal", "CHAR", "decimal mark of numbers (auto-detected)",
            [&](const auto& flag, const auto& text) { csv.decimal = one_character(flag, text); });
  line.flag("header", "yes|no", "first line holds column names (auto-detected)",
            [&](const auto& flag, const auto& text) {
              csv.header = parse_choice(flag, text, {"yes", "no"}) == "yes";
            });
  line.flag("missing", "TEXT,...", "missing-value texts (besides empty, NA, NaN, ?)",
            [&](const auto&, const auto& text) {
              if (may_be_one_number(text)) flags.unclear_missing.push_back(text);
              add_missing(flags, parse_words(text));
            });
  line.flag("text-columns", "COL,...", "numeric columns to treat as text",
            [&](const auto&, const auto& text) { append_words(text, csv.text_columns); });
}

void add_data_flags(CommandLine& line, DataFlags& flags) {
  add_table_flags(line, flags);
  line.flag("size", "HxW", "resize images to this height and width",
            [&](const std::string& flag, const std::string& text) {
              const auto cross = text.find('x');
              if (cross == std::string::npos) {
                throw UsageError(
                    fmt::format("expected a size like 32x32 for {} but got '{}'.", flag, text));
              }
              constexpr int64_t kMaxPixels = 4096;
              flags.read.size = {parse_integer(flag, text.substr(0, cross), 1, kMaxPixels),
                                 parse_integer(flag, text.substr(cross + 1), 1, kMaxPixels)};
            });
}

data::Samples read_data(const std::string& path, const DataFlags& flags, const std::string& label) {
  auto options = flags.read;
  options.label = label;
  auto samples = data::read_samples(path, options);
  auto notes = samples.notes;  // first: a lost class costs more than single files
  if (samples.images.defined() && samples.source != path) {
    notes.push_back("reads " + samples.source);
  }
  if (samples.table) {
    for (auto& note : missing_notes(flags, samples.table->decimal)) notes.push_back(note);
  }
  print_notes(notes);
  for (auto& text : samples.problems) text = without_function_name(text);
  print_notes(samples.problems, "further files could not be read");
  return samples;
}

std::vector<std::string> missing_notes(const DataFlags& flags, char decimal) {
  std::vector<std::string> notes;
  for (const auto& text : flags.unclear_missing) {
    if (decimal != ',') break;
    const auto words = parse_words(text);
    notes.push_back(fmt::format("--missing {} means two texts, {} and {} (one number: '{}')", text,
                                words.front(), words.back(), word_text(text)));
  }
  return notes;
}

void add_values(DataFlags& flags, const std::vector<std::string>& texts) {
  for (const auto& text : texts) {
    if (data::is_missing_text(text)) flags.read.csv.not_missing.push_back(text);
  }
}

void add_missing(DataFlags& flags, const std::vector<std::string>& texts) {
  auto& missing = flags.read.csv.missing;
  missing.insert(missing.end(), texts.begin(), texts.end());
}

DataFlags flags_for(const Classifier& classifier, DataFlags flags) {
  const auto& model = classifier.model();
  if (model.features) {
    add_missing(flags, model.features->missing);
    if (model.features->decimal != 0) flags.read.csv.usual_decimal = model.features->decimal;
    flags.read.csv.whole_numbers = model.features->whole_numbers;
    for (const auto& feature : model.features->columns) {
      if (feature.dropped.empty()) flags.read.csv.kinds[feature.name] = feature.kind;
      add_values(flags, feature.levels);
    }
    add_values(flags, model.classes);
  }
  if (model.images) flags.read.size = {model.images->height, model.images->width};
  return flags;
}

torch::Tensor labels_for(const Classifier& classifier, const data::Samples& samples,
                         const std::string& label) {
  const auto& classes = classifier.classes();
  if (samples.table) {
    if (label.empty()) {
      throw UsageError("expected the column of the labels in --label but got none.");
    }
    return data::labels_of(samples.table->column(label), classes);
  }
  return data::relabeled(samples.labels, samples.classes, classes, samples.source);
}

void check_takes(const Classifier& classifier, const data::Samples& samples) {
  const auto& inputs = classifier.model().images;
  if (inputs.has_value() != samples.images.defined()) {
    throw std::runtime_error(fmt::format(
        "expected {}, as the model was trained on, but got {} in {}.",
        inputs ? "pictures" : "a table",
        samples.images.defined() ? std::string("pictures") : kind_text(samples), samples.source));
  }
  if (inputs && inputs->channels == 1 && samples.images.size(1) == 3 &&
      samples.images.size(0) > 0) {
    refuse_colours(samples, "the training of the model");
  }
}

std::optional<runs::RunConfig> recipe_config(const fs::path& folder) {
  try {
    auto config = runs::read_config(folder);
    for (const auto& table : runs::published_tables()) {
      if (config && config->program == table.program) return config;
    }
  } catch (const c10::Error&) {
    // The program that trained it tells what is wrong with the settings.
  }
  return std::nullopt;
}

bool is_model(const fs::path& path) {
  std::error_code none;
  if (fs::is_directory(path, none)) {
    return fs::exists(path / "config.json", none) || fs::exists(path / kModelFile, none);
  }
  return path.extension() == fs::path(kModelFile).extension();
}

fs::path model_path(const std::string& command, const std::string& model, const std::string& data) {
  std::error_code none;
  if (!is_model(model) && fs::exists(model, none) && is_model(data)) {
    throw UsageError(
        fmt::format("expected MODEL before DATA but got them in the other order ({} {} {}).",
                    command, shell_word(data), shell_word(model)));
  }
  return model_path(model);
}

fs::path model_path(const std::string& model) {
  const fs::path path = model;
  std::error_code none;
  if (!fs::is_directory(path, none)) {
    const auto head = head_of(path, kKindBytes);
    if (!head.empty() && !head.starts_with("PK\3\4") && !is_model(path)) {
      throw std::runtime_error(fmt::format(
          "expected a model file or the folder of a run but got a file of another kind at {}.",
          path.string()));
    }
    return path;
  }
  if (fs::exists(path / kModelFile, none)) return path / kModelFile;
  throw std::runtime_error(fmt::format("expected a model in {} but found no {} ({}).",
                                       path.string(), kModelFile, why_no_model(path)));
}

data::Samples some_rows(const data::Samples& samples, const torch::Tensor& rows) {
  data::Samples some{.source = samples.source, .classes = samples.classes};
  if (!samples.table) {
    some.images = samples.images.index_select(0, rows);
    some.labels = samples.labels.index_select(0, rows);
    for (int64_t i = 0; i < rows.numel() && !samples.names.empty(); ++i) {
      some.names.push_back(samples.names[static_cast<size_t>(rows[i].item<int64_t>())]);
    }
    return some;
  }
  const auto contiguous = rows.contiguous();
  const int64_t* row = contiguous.const_data_ptr<int64_t>();
  data::Table table{.source = samples.table->source,
                    .rows = rows.numel(),
                    .missing = samples.table->missing,
                    .decimal = samples.table->decimal,
                    .decimal_given = samples.table->decimal_given,
                    .array_columns = samples.table->array_columns};
  for (const auto& column : samples.table->columns) {
    data::Column picked{
        .name = column.name, .kind = column.kind, .levels = column.levels, .single = column.single};
    for (int64_t i = 0; i < rows.numel(); ++i) {
      const auto at = static_cast<size_t>(row[i]);
      if (column.kind == data::ColumnKind::kNumber) {
        picked.numbers.push_back(column.numbers[at]);
      } else {
        picked.codes.push_back(column.codes[at]);
      }
    }
    table.columns.push_back(std::move(picked));
  }
  some.table = std::move(table);
  return some;
}

void check_same_kind(const data::Samples& rows, const data::Samples& more) {
  const auto here = kind_text(rows), there = kind_text(more);
  if (here == there) return;
  throw std::runtime_error(
      fmt::format("expected {} in {} as in {} but got {}.", here, more.source, rows.source, there));
}

void check_image_shape(const data::Samples& rows, const data::Samples& more) {
  if (rows.images.sizes().slice(1) == more.images.sizes().slice(1)) return;
  if (rows.images.size(1) == 3 && more.images.size(1) == 1 &&
      rows.images.sizes().slice(2) == more.images.sizes().slice(2)) {
    return;  // gray
  }
  if (rows.images.size(1) == 1 && more.images.size(1) == 3 && more.images.size(0) > 0 &&
      rows.images.sizes().slice(2) == more.images.sizes().slice(2)) {
    refuse_colours(more, rows.source);
  }
  throw std::runtime_error(fmt::format(
      "expected images of {} x {} x {} (channels, height, width) in {} as in {} but got {} x {} "
      "x {} (--size HxW brings all to one size).",
      rows.images.size(1), rows.images.size(2), rows.images.size(3), more.source, rows.source,
      more.images.size(1), more.images.size(2), more.images.size(3)));
}

void append_rows(data::Samples& rows, const data::Samples& more, const std::string& label,
                 const std::vector<std::string>& ignored) {
  check_same_kind(rows, more);
  rows.problems.insert(rows.problems.end(), more.problems.begin(), more.problems.end());
  rows.notes.insert(rows.notes.end(), more.notes.begin(), more.notes.end());
  if (rows.table) {
    check_places(*rows.table, *more.table, label);
    append_table(*rows.table, *more.table, label, ignored);
    return;
  }
  check_image_shape(rows, more);
  const bool named = !rows.names.empty() || !more.names.empty();
  if (named) rows.names.resize(static_cast<size_t>(rows.images.size(0)));
  rows.images = at::cat({rows.images, more.images.expand({-1, rows.images.size(1), -1, -1})});
  rows.labels = at::cat({rows.labels, at::full({more.images.size(0)}, -1, at::kLong)});
  rows.names.insert(rows.names.end(), more.names.begin(), more.names.end());
  if (named) rows.names.resize(static_cast<size_t>(rows.images.size(0)));  // files have names
}

}  // namespace ladder::apps
