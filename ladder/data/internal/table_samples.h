/// Samples that are tables, for read_samples.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "ladder/data/read_samples.h"
#include "ladder/data/samples.h"
#include "ladder/data/table.h"

namespace ladder::data {

/// Return a column of the texts of `rows` rows; an empty one is missing.
Column text_column(const std::string& name, int64_t rows,
                   const std::function<std::string(int64_t row)>& text_of);

/// Make the column `name` a text, if it is there. Error: numbers of 2^53 or above, which a double
/// rounds.
void make_text(Table& table, const std::string& name);

/// Refuse a table where images were to be scaled.
void refuse_table_size(const std::filesystem::path& path, const ReadOptions& options);

/// Return a table with its label and identifier as texts. Error: that of `refuse_table_size`.
Samples table_samples(Table table, const std::filesystem::path& path, const ReadOptions& options);

/// The same of a table that did not come from read_csv: `apply_options` first.
Samples typed_samples(Table table, const std::filesystem::path& path, const ReadOptions& options);

}  // namespace ladder::data
