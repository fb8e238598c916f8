/// Tables from Parquet and Feather files.
#pragma once

#include <filesystem>

#include "ladder/data/table.h"

namespace ladder::data {

/// Return whether the library was built with Arrow (-DLADDER_ARROW=ON).
bool has_arrow();

/// Read a table from a Parquet file, or from a Feather (version 2) or Arrow IPC file. The content
/// decides which, not the name.
///
/// Columns of integers, of floating numbers (16 to 64 bits), of bools (0 and 1) and of nulls become
/// numbers, decimals too; texts and dictionaries of texts become texts. Nulls and NaN are missing.
///
/// Throws `c10::Error`, one sentence that names the file: a library built without Arrow (the
/// sentence says how to build it), no file, another kind of file, what Arrow finds wrong with it,
/// no rows, two columns of one name, a column of another type (lists, dates, binary data; it is
/// named), an infinite number (with its row and column).
///
///     Table table = read_arrow("people.parquet");
Table read_arrow(const std::filesystem::path& path);

}  // namespace ladder::data
