/// Tables from Parquet and Feather files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "ladder/data/table.h"

namespace ladder::data {

/// Return whether the library was built with Arrow (-DLADDER_ARROW=ON).
bool has_arrow();

/// Read a table from a Parquet file, or from a Feather (version 2) or Arrow IPC file. The content
/// decides which, not the name.
///
/// Columns of integers, of floating numbers (16 to 64 bits), of bools (0 and 1) and of nulls become
/// numbers, decimals too; texts and dictionaries of texts become texts, and so do dates and times
/// ("2020-01-31"). Nulls and NaN are missing, and so are the texts that are missing in CSV files,
/// such as "NA" and "?".
///
/// Throws `c10::Error`, one sentence that names the file: a library built without Arrow (the
/// sentence says how to build it), no file, another kind of file, what Arrow finds wrong with it,
/// no rows, two columns of one name, a column of another type (lists, binary data; it is
/// named), an infinite number (with its row and column).
///
///     Table table = read_arrow("people.parquet");
Table read_arrow(const std::filesystem::path& path);

/// Read the same files block by block, in memory for one block of whole batches, at least
/// `min_rows` rows but for the last, until `take` returns false. Texts are numbered anew in each
/// block. Errors: those of `read_arrow`, and what `take` throws.
void read_arrow_blocks(const std::filesystem::path& path,
                       const std::function<bool(const Table&)>& take, int64_t min_rows = 100'000);

}  // namespace ladder::data
