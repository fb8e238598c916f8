#include "ladder/data/arrow.h"

#include <c10/util/Exception.h>

#include <fstream>
#include <string>
#include <string_view>
#include <system_error>

#include "ladder/data/internal/arrow_reader.h"
#include "ladder/io/internal/file_kind.h"

namespace ladder::data {

bool has_arrow() {
#ifdef LADDER_ARROW
  return true;
#else
  return false;
#endif
}

namespace {

// Calls `read(format)` with the format of the file, and throws what is wrong in a sentence.
template <typename Read>
void reading_arrow(const std::filesystem::path& path, [[maybe_unused]] const Read& read) {
  const std::string name = path.string();
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  TORCH_CHECK(std::filesystem::exists(status),
              "read_arrow: expected a Parquet or Feather file but got no file at ", name,
              " (check the path).");
  TORCH_CHECK(std::filesystem::is_regular_file(status), "read_arrow: expected a file but got ",
              std::filesystem::is_directory(status) ? "a folder" : "something else", " at ", name,
              " (give the path of a file).");
  std::ifstream in(path, std::ios::binary);
  TORCH_CHECK(in.is_open(), "read_arrow: expected a readable file but could not open ", name,
              " (check its permissions).");
  std::string head(io::kFileKindBytes, '\0');
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  const bool parquet = head.starts_with("PAR1");
  TORCH_CHECK(!head.starts_with("FEA1"),
              "read_arrow: expected Feather version 2 but got version 1 in ", name,
              " (read and write it again in Python).");
  if (!parquet && !head.starts_with("ARROW1")) {
    const auto kind = io::file_kind(head);
    TORCH_CHECK(false, "read_arrow: expected a Parquet or Feather file but got ",
                head.empty() ? "an empty file"
                : kind       ? kind->noun
                             : "something else",
                " in ", name, kind ? " (" + kind->hint + ")" : "", ".");
  }
#ifdef LADDER_ARROW
  try {
    read(parquet ? ArrowFormat::kParquet : ArrowFormat::kIpc);
  } catch (const ArrowFault& fault) {
    TORCH_CHECK(false, "read_arrow: expected ", fault.expected, " but got ", fault.got, " in ",
                name, fault.hint.empty() ? "" : " (" + fault.hint + ")", ".");
  }
#else
  TORCH_CHECK(false, "read_arrow: expected a library built with Arrow, which reads the ",
              parquet ? "Parquet" : "Feather", " file ", name,
              ", but got one built without (pip install pyarrow, then configure with "
              "-DLADDER_ARROW=ON; or save the table as CSV).");
#endif
}

}  // namespace

Table read_arrow(const std::filesystem::path& path) {
  Table table;
  reading_arrow(path, [&]([[maybe_unused]] ArrowFormat format) {
#ifdef LADDER_ARROW
    table = read_arrow_file(path, format);
#endif
  });
  return table;
}

void read_arrow_blocks(const std::filesystem::path& path,
                       [[maybe_unused]] const std::function<bool(const Table&)>& take,
                       [[maybe_unused]] int64_t min_rows) {
  reading_arrow(path, [&]([[maybe_unused]] ArrowFormat format) {
#ifdef LADDER_ARROW
    read_arrow_file(path, format, min_rows, [&](Table&& table) { return take(table); });
#endif
  });
}

}  // namespace ladder::data
