// The first byte chooses options, the second the size of the blocks; the rest is the file.
#include "ladder/data/csv.h"

#include <sstream>
#include <vector>

#include "tests/fuzz/support.h"

namespace {

void check_table(const ladder::data::Table& table) {
  for (const auto& column : table.columns) {
    const bool text = column.kind == ladder::data::ColumnKind::kText;
    const auto rows = text ? column.codes.size() : column.numbers.size();
    if (static_cast<int64_t>(rows) != table.rows) ladder::fuzz::fault("a column of another length");
    for (const int32_t code : column.codes) {
      if (code < -1 || code >= static_cast<int32_t>(column.levels.size())) {
        ladder::fuzz::fault("a code without a level");
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ladder;
  static fuzz::MemoryFile file;
  fuzz::Input input(data, size);
  const unsigned flags = input.byte();
  const int64_t block = 1 + input.byte() % 8;
  data::CsvOptions options;
  if ((flags & 1) != 0) options.header = (flags & 2) != 0;
  if ((flags & 4) != 0) options.delimiter = ",;\t|"[flags >> 3 & 3];
  if ((flags & 32) != 0) options.decimal = ',';
  if ((flags & 64) != 0) options.kinds = {{"a", data::ColumnKind::kText}};
  if ((flags & 128) != 0) {
    fuzz::expect_sentence([&] { check_table(data::read_csv(file.write(input.rest()), options)); });
    return 0;
  }
  fuzz::expect_sentence([&] {
    std::istringstream in{std::string(input.rest())};
    data::CsvReader reader(in, "input", options);
    while (const auto table = reader.next(block)) {
      if (table->rows < 1 || table->rows > block) fuzz::fault("a block of another size");
      check_table(*table);
    }
  });
  return 0;
}
