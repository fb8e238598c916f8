#include "ladder/data/internal/table_samples.h"

#include <c10/util/Exception.h>

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "ladder/data/internal/exact_numbers.h"

namespace ladder::data {

Column text_column(const std::string& name, int64_t rows,
                   const std::function<std::string(int64_t row)>& text_of) {
  Column column{.name = name, .kind = ColumnKind::kText};
  column.codes.reserve(static_cast<size_t>(rows));
  std::unordered_map<std::string, int32_t> known;
  for (int64_t row = 0; row < rows; ++row) {
    std::string value = text_of(row);
    if (value.empty()) {
      column.codes.push_back(-1);
      continue;
    }
    const auto [place, fresh] = known.try_emplace(value, static_cast<int32_t>(known.size()));
    if (fresh) column.levels.push_back(std::move(value));
    column.codes.push_back(place->second);
  }
  return column;
}

void make_text(Table& table, const std::string& name) {
  const int64_t index = table.find(name);
  if (index < 0) return;
  Column& column = table.columns[static_cast<size_t>(index)];
  if (column.kind == ColumnKind::kText) return;
  check_exact_numbers(column, "read_samples", table.source);
  column = text_column(column.name, table.rows,
                       [&column](int64_t row) { return cell_text(column, row); });
}

void refuse_table_size(const std::filesystem::path& path, const ReadOptions& options) {
  if (!options.size) return;
  TORCH_CHECK(false, "read_samples: expected pictures, to scale to ", options.size->first, "x",
              options.size->second, ", but got a table in ", path.string(),
              " (neither --size nor a model of pictures takes a table).");
}

Samples table_samples(Table table, const std::filesystem::path& path, const ReadOptions& options) {
  refuse_table_size(path, options);
  make_text(table, options.label);
  make_text(table, options.id);
  Samples samples;
  samples.source = path.string();
  samples.table = std::move(table);
  return samples;
}

Samples typed_samples(Table table, const std::filesystem::path& path, const ReadOptions& options) {
  apply_options(table, options.csv);
  return table_samples(std::move(table), path, options);
}

}  // namespace ladder::data
