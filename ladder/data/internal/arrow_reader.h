#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "ladder/data/table.h"

namespace ladder::data {

/// What is wrong with a Parquet or Arrow file: "expected X but got Y" without the file's name.
struct ArrowFault {
  std::string expected;
  std::string got;
  std::string hint = {};
};

enum class ArrowFormat { kParquet, kIpc };

/// Read a table by Arrow. Throws `ArrowFault`. Compiled only with LADDER_ARROW.
Table read_arrow_file(const std::filesystem::path& path, ArrowFormat format);

/// The same in blocks of whole batches, of at least `min_rows` rows but for the last, until
/// `take` returns false.
void read_arrow_file(const std::filesystem::path& path, ArrowFormat format, int64_t min_rows,
                     const std::function<bool(Table&&)>& take);

}  // namespace ladder::data
