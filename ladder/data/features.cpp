#include "ladder/data/features.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "ladder/data/internal/fit_column.h"
#include "ladder/data/internal/level_inputs.h"
#include "ladder/data/internal/missing_values.h"
#include "ladder/data/internal/parse_number.h"
#include "ladder/data/internal/spellings.h"
#include "ladder/data/internal/unnamed_column.h"
#include "ladder/io/internal/json.h"

namespace ladder::data {
namespace {

using nlohmann::ordered_json;

// Checks what a table that was made by hand may have wrong.
void check_sizes(const Column& column, const Table& table, size_t levels) {
  const bool text = column.kind == ColumnKind::kText;
  const auto rows = static_cast<int64_t>(text ? column.codes.size() : column.numbers.size());
  TORCH_CHECK(rows == table.rows, "Features: expected ", table.rows, " values in column '",
              column.name, "'", of_source(table.source), " but got ", rows, ".");
  if (!text || rows == 0) return;
  const int32_t code = *std::max_element(column.codes.begin(), column.codes.end());
  TORCH_CHECK(code < static_cast<int64_t>(levels), "Features: expected codes below ", levels,
              ", the number of levels, in column '", column.name, "'", of_source(table.source),
              " but got ", code, ".");
}

// Further missing values, and those of them that the reader of a table has not marked: only these
// may be there, rounded, in columns of single precision.
struct FurtherMissing {
  FurtherMissing(const std::vector<std::string>& texts, const std::vector<std::string>& marked)
      : all(texts), unmarked(without(texts, marked)) {}

  bool contains(const Column& column, double number) const {
    return all.contains(number) || (column.single && unmarked.contains_rounded(number));
  }

  static std::vector<std::string> without(std::vector<std::string> texts,
                                          const std::vector<std::string>& marked) {
    std::erase_if(texts, [&](const auto& text) {
      return std::find(marked.begin(), marked.end(), text) != marked.end();
    });
    return texts;
  }

  MissingValues all, unmarked;
};

// The number of each level of a text column where numbers are expected; NaN for missing ones.
std::vector<double> level_numbers(const Column& column, const std::string& source,
                                  const MissingValues& missing) {
  std::vector<double> numbers;
  for (const auto& level : column.levels) {
    const auto text = without_blanks(level);
    double value = std::numeric_limits<double>::quiet_NaN();
    if (!is_usual_missing(text) && !missing.contains(text) &&
        parse_number(text, '.', value) == NumberKind::kNone) {
      const int truth = truth_value(text);
      const auto code = static_cast<int32_t>(numbers.size());
      const auto at = std::find(column.codes.begin(), column.codes.end(), code);
      TORCH_CHECK(truth >= 0 || at == column.codes.end(), "Features: expected a number but got '",
                  level, "' in row ", at - column.codes.begin() + 1, " of column '", column.name,
                  "'", of_source(source), ".");
      value = truth;
    }
    numbers.push_back(value);
  }
  return numbers;
}

void apply_number(const Feature& feature, const Column& column, const std::string& source,
                  const FurtherMissing& further, float* out, int64_t stride) {
  if (column.kind == ColumnKind::kText) {
    const auto of_level = level_numbers(column, source, further.all);
    Column numbers{.name = column.name};
    for (const int32_t code : column.codes) {
      numbers.numbers.push_back(code < 0 ? std::numeric_limits<double>::quiet_NaN()
                                         : of_level[static_cast<size_t>(code)]);
    }
    apply_number(feature, numbers, source, further, out, stride);
    return;
  }
  check_finite_column(column, source);
  constexpr double kLargest = std::numeric_limits<double>::max();
  for (const double value : column.numbers) {
    const bool missing = std::isnan(value) || further.contains(column, value);
    // The quotient of huge numbers stays finite, and so does its logarithm.
    double z =
        missing ? 0 : std::clamp((value - feature.center) / feature.scale, -kLargest, kLargest);
    if (std::abs(z) > kTailFrom) {
      z = std::copysign(kTailFrom + std::log1p(std::abs(z) - kTailFrom), z);
    }
    out[0] = static_cast<float>(z);
    if (feature.indicator) out[1] = missing ? kLevelHeight : 0;
    out += stride;
  }
}

// The input of missing texts, -1 for none.
int64_t missing_input(const Feature& feature) {
  return feature.indicator ? static_cast<int64_t>(feature.levels.size()) + (feature.other ? 1 : 0)
                           : -1;
}

// Finds the inputs of texts.
class TextInputs {
 public:
  TextInputs(const Feature& feature, const std::vector<std::string>& missing_texts)
      : further_(missing_texts),
        missing_(missing_input(feature)),
        other_(feature.other ? static_cast<int64_t>(feature.levels.size()) : -1) {
    for (size_t level = 0; level < feature.levels.size(); ++level) {
      inputs_.emplace(feature.levels[level], static_cast<int64_t>(level));
    }
    for (auto& [text, input] : other_spellings(feature, missing_texts)) {
      inputs_.emplace(text, input);
    }
    // Levels of models from before have the spaces around them.
    for (size_t level = 0; level < feature.levels.size(); ++level) {
      inputs_.emplace(without_blanks(feature.levels[level]), static_cast<int64_t>(level));
    }
  }

  // Returns -1 for a text without an input.
  int64_t of(const std::string& text) const {
    if (const auto found = inputs_.find(text); found != inputs_.end()) return found->second;
    const std::string bare(without_blanks(text));
    if (const auto found = inputs_.find(bare); found != inputs_.end()) return found->second;
    return further_.contains(bare) ? missing_ : other_;
  }

  // Returns whether a text has the input of a level: "None" may be one.
  bool is_level(const std::string& text) const {
    const auto input = of(text);
    return input >= 0 && input != missing_ && input != other_;
  }

  // Returns whether a text is a level, or a missing value.
  bool knows(const std::string& text) const {
    const std::string bare(without_blanks(text));
    return inputs_.contains(text) || inputs_.contains(bare) || further_.contains(bare);
  }

 private:
  MissingValues further_;
  int64_t missing_, other_;
  std::unordered_map<std::string, int64_t> inputs_ = {};
};

// Marks the input `input_of(row)` of each row.
template <typename InputOf>
void mark_inputs(const Feature& feature, size_t rows, const InputOf& input_of, float* out,
                 int64_t stride) {
  const int64_t width = feature.width();
  for (size_t row = 0; row < rows; ++row, out += stride) {
    std::fill_n(out, width, 0.0F);
    const int64_t input = input_of(row);
    if (input >= 0) out[input] = kLevelHeight;
  }
}

// `level_inputs`: inputs of the levels of a column of texts.
void apply_text(const Feature& feature, const Column& column,
                const std::vector<std::string>& missing_texts,
                const std::vector<int64_t>& level_inputs, float* out, int64_t stride) {
  const int64_t missing = missing_input(feature);
  if (column.kind == ColumnKind::kText) {
    const auto input_of = [&](size_t row) -> int64_t {
      const int32_t code = column.codes[row];
      return code < 0 ? missing : level_inputs[static_cast<size_t>(code)];
    };
    mark_inputs(feature, column.codes.size(), input_of, out, stride);
    return;
  }
  const TextInputs inputs(feature, missing_texts);
  const auto input_of = [&](size_t row) -> int64_t {
    return std::isnan(column.numbers[row])
               ? missing
               : inputs.of(cell_text(column, static_cast<int64_t>(row)));
  };
  mark_inputs(feature, column.numbers.size(), input_of, out, stride);
}

// Whether all numbers are whole, and some would be written with a separator of thousands.
bool has_whole_thousands(const Column& column) {
  constexpr double kThousand = 1000;
  bool large = false;
  for (const double value : column.numbers) {
    if (std::isnan(value)) continue;
    if (value != std::round(value)) return false;
    large = large || std::abs(value) >= kThousand;
  }
  return large;
}

}  // namespace

int64_t Feature::width() const {
  if (!dropped.empty()) return 0;
  const int64_t extra = indicator ? 1 : 0;
  if (kind == ColumnKind::kNumber) return 1 + extra;
  return static_cast<int64_t>(levels.size()) + (other ? 1 : 0) + extra;
}

bool Features::takes_array(int64_t found) const {
  if (array_columns == 0 || found == 0 || found == array_columns) return true;
  return array_ends_with_label && found == array_columns - 1;
}

void Features::leave_out_label(const std::string& label) {
  array_ends_with_label =
      array_columns > 0 && label == unnamed_column(static_cast<size_t>(array_columns - 1));
}

int64_t Features::width() const {
  int64_t inputs = 0;
  for (const auto& column : columns) inputs += column.width();
  return inputs;
}

bool Features::all_numbers() const {
  return std::all_of(columns.begin(), columns.end(), [](const Feature& feature) {
    return !feature.dropped.empty() || feature.kind == ColumnKind::kNumber;
  });
}

torch::Tensor Features::apply(const Table& table) const { return apply_features(*this, table, {}); }

std::vector<int64_t> inputs_of_levels(const Feature& feature,
                                      const std::vector<std::string>& levels,
                                      const std::vector<std::string>& missing) {
  const TextInputs inputs(feature, missing);
  std::vector<int64_t> found;
  found.reserve(levels.size());
  for (const auto& level : levels) found.push_back(inputs.of(level));
  return found;
}

torch::Tensor apply_features(const Features& features, const Table& table,
                             const std::vector<std::vector<int64_t>>& level_inputs) {
  TORCH_CHECK(features.takes_array(table.array_columns), "Features: expected rows of ",
              features.array_columns, features.array_columns == 1 ? " number" : " numbers",
              ", as in training, but got ", table.array_columns,
              table.source.empty() ? "" : " in " + table.source,
              " (columns of arrays are known by their places alone).");
  const int64_t stride = features.width();
  at::Tensor inputs = at::empty({table.rows, stride}, at::kFloat);
  float* out = inputs.data_ptr<float>();
  const FurtherMissing further(features.missing, table.missing);
  size_t next = 0;  // columns mostly have the order of the features
  for (size_t f = 0; f < features.columns.size(); ++f) {
    const auto& feature = features.columns[f];
    if (!feature.dropped.empty()) continue;
    if (next >= table.columns.size() || table.columns[next].name != feature.name) {
      next = static_cast<size_t>(&table.column(feature.name) - table.columns.data());
    }
    const Column& column = table.columns[next++];
    const bool is_known = f < level_inputs.size() && !level_inputs[f].empty();
    check_sizes(column, table, is_known ? level_inputs[f].size() : column.levels.size());
    if (feature.kind == ColumnKind::kNumber) {
      apply_number(feature, column, table.source, further, out, stride);
    } else if (is_known) {
      apply_text(feature, column, features.missing, level_inputs[f], out, stride);
    } else {
      apply_text(feature, column, features.missing,
                 inputs_of_levels(feature, column.levels, features.missing), out, stride);
    }
    out += feature.width();
  }
  return inputs;
}

void StrangeValues::add(const StrangeValues& more) {
  rows += more.rows;
  present += more.present;
  strange += more.strange;
  least = std::min(least, more.least);
  most = std::max(most, more.most);
  min_z = std::min(min_z, more.min_z);
}

bool StrangeValues::is_stuck() const {
  constexpr double kChance = 1e-6;
  return kind == ColumnKind::kNumber && present > 0 && least == most &&
         static_cast<double>(present) * std::log1p(min_z * min_z) > -std::log(kChance);
}

std::vector<StrangeValues> strange_values(const Features& features, const Table& table) {
  const FurtherMissing further(features.missing, table.missing);
  std::vector<StrangeValues> found;
  for (const auto& feature : features.columns) {
    if (!feature.dropped.empty()) continue;
    const Column& column = table.column(feature.name);
    check_sizes(column, table, column.levels.size());
    StrangeValues values{.name = feature.name,
                         .kind = feature.kind,
                         .rows = table.rows,
                         .may_be_missing = feature.indicator,
                         .rare = feature.other};
    if (feature.kind == ColumnKind::kNumber) {
      const auto count = [&](double value) {
        if (std::isnan(value) || further.contains(column, value)) return;
        const double z = std::abs((value - feature.center) / feature.scale);
        ++values.present;
        values.strange += z >= kFarFrom;
        values.least = std::min(values.least, value);
        values.most = std::max(values.most, value);
        values.min_z = std::min(values.min_z, z);
      };
      if (column.kind == ColumnKind::kNumber) {
        for (const double value : column.numbers) count(value);
      } else {
        const auto numbers = level_numbers(column, table.source, further.all);
        for (const int32_t code : column.codes) {
          if (code >= 0) count(numbers[static_cast<size_t>(code)]);
        }
      }
      found.push_back(std::move(values));
      continue;
    }
    const TextInputs inputs(feature, features.missing);
    const auto is_missing = [&](std::string_view text) {
      return is_usual_missing(text) || further.all.contains(text);
    };
    if (column.kind == ColumnKind::kText) {
      std::vector<bool> strange, missing;
      for (const auto& level : column.levels) {
        strange.push_back(!inputs.knows(level));
        missing.push_back(is_missing(without_blanks(level)) && !inputs.is_level(level));
      }
      for (const int32_t code : column.codes) {
        if (code < 0 || missing[static_cast<size_t>(code)]) continue;
        ++values.present;
        values.strange += strange[static_cast<size_t>(code)];
      }
    } else {
      for (int64_t row = 0; row < table.rows; ++row) {
        if (std::isnan(column.numbers[static_cast<size_t>(row)])) continue;
        ++values.present;
        values.strange += !inputs.knows(cell_text(column, row));
      }
    }
    found.push_back(std::move(values));
  }
  return found;
}

Features fit_features(const Table& table, const std::vector<std::string>& except,
                      const FeatureOptions& options) {
  for (const auto& name : except) table.column(name);  // an unknown name is an error
  Features features{.missing = table.missing,
                    .decimal = table.decimal_given ? table.decimal : '\0',
                    .array_columns = table.array_columns};
  std::unordered_set<std::string_view> names;
  for (const auto& column : table.columns) {
    TORCH_CHECK(names.insert(column.name).second,
                "Features: expected different column names but got '", column.name, "' twice",
                table.source.empty() ? "" : " in " + table.source, " (rename one).");
    check_sizes(column, table, column.levels.size());
    if (std::find(except.begin(), except.end(), column.name) != except.end()) continue;
    features.columns.push_back(fit_column(column, table, options));
    if (features.columns.back().dropped.empty() && has_whole_thousands(column)) {
      features.whole_numbers.push_back(column.name);
    }
  }
  TORCH_CHECK(features.width() > 0, "Features: expected a column whose values vary in ",
              table.source.empty() ? "the table" : table.source, " but got ",
              features.columns.empty() ? "no column besides the label"
                                       : "constant, empty and identifying columns only",
              ".");
  return features;
}

std::vector<std::string> whole_number_columns(const Table& table,
                                              const std::vector<std::string>& except) {
  std::vector<std::string> names;
  for (const auto& column : table.columns) {
    if (has_whole_thousands(column) &&
        std::find(except.begin(), except.end(), column.name) == except.end()) {
      names.push_back(column.name);
    }
  }
  return names;
}

std::string to_json(const Features& features) {
  ordered_json columns = ordered_json::array();
  for (const auto& feature : features.columns) {
    ordered_json one = {{"name", feature.name},
                        {"kind", feature.kind == ColumnKind::kNumber ? "number" : "text"}};
    if (!feature.dropped.empty()) {
      one["dropped"] = feature.dropped;
    } else if (feature.kind == ColumnKind::kNumber) {
      one["center"] = feature.center;
      one["scale"] = feature.scale;
      one["indicator"] = feature.indicator;
    } else {
      one["levels"] = feature.levels;
      one["other"] = feature.other;
      one["indicator"] = feature.indicator;
    }
    columns.push_back(std::move(one));
  }
  try {
    return columns.dump();
  } catch (const nlohmann::json::type_error&) {
    TORCH_CHECK(false, "Features: expected names and texts in UTF-8 but got other bytes.");
  }
}

Features features_from_json(std::string_view json) {
  const auto columns = io::parse_json(json);
  TORCH_CHECK(columns.is_array(), "Features: expected a JSON array of columns but got ",
              columns.is_discarded() ? "no JSON" : columns.type_name(), ".");
  Features features;
  size_t place = 0;
  try {
    for (const auto& one : columns) {
      Feature feature{.name = one.at("name").get<std::string>()};
      const auto kind = one.at("kind").get<std::string>();
      TORCH_CHECK(kind == "number" || kind == "text", "Features: expected column ", place,
                  " to be a number or a text but got '", kind, "'.");
      feature.kind = kind == "number" ? ColumnKind::kNumber : ColumnKind::kText;
      if (one.contains("dropped")) {
        feature.dropped = one.at("dropped").get<std::string>();
      } else {
        feature.indicator = one.at("indicator").get<bool>();
        if (feature.kind == ColumnKind::kNumber) {
          feature.center = one.at("center").get<double>();
          feature.scale = one.at("scale").get<double>();
          TORCH_CHECK(feature.scale > 0, "Features: expected column ", place,
                      " to have a scale above 0 but got ", feature.scale, ".");
        } else {
          feature.levels = one.at("levels").get<std::vector<std::string>>();
          feature.other = one.at("other").get<bool>();
        }
      }
      features.columns.push_back(std::move(feature));
      ++place;
    }
  } catch (const nlohmann::json::exception& error) {
    TORCH_CHECK(false, "Features: expected a description of column ", place, " but got ",
                error.what(), ".");
  }
  return features;
}

}  // namespace ladder::data
