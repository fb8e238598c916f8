#include <ladder/data/arrow.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>

#include <cmath>
#include <string>
#include <vector>

using ladder::data::cell_text;
using ladder::data::ColumnKind;
using ladder::data::has_arrow;
using ladder::data::read_arrow;
using ladder::data::Table;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::kNoPython;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

namespace {

constexpr const char* kNoArrow = "built without Arrow (-DLADDER_ARROW=ON)";

// Sentence of the error of a file, with "t" as its name.
std::string arrow_error(const std::filesystem::path& path) {
  std::string text = error_text([&] { read_arrow(path); });
  const size_t at = text.find(path.string());
  if (at != std::string::npos) text.replace(at, path.string().size(), "t");
  return text;
}

// Runs a Python script that writes files into `folder`.
void write_by_python(const std::string& script, const TemporaryFolder& folder) {
  const auto outcome = ladder::testing::run_python(
      "import sys, pyarrow as pa, pyarrow.parquet as pq, pyarrow.feather as feather\n"
      "folder = sys.argv[1]\n" +
          script,
      {folder.path().string()});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
}

}  // namespace

TEST_CASE("read_arrow says that a file is another kind of file", "[data]") {
  const TemporaryFolder folder;
  CHECK(arrow_error(folder / "none") ==
        "read_arrow: expected a Parquet or Feather file but got no file at t (check the path).");
  CHECK(arrow_error(folder.path()) ==
        "read_arrow: expected a file but got a folder at t (give the path of a file).");
  CHECK(arrow_error(write_file(folder / "t", "")) ==
        "read_arrow: expected a Parquet or Feather file but got an empty file in t.");
  CHECK(arrow_error(write_file(folder / "t", "\x89PNG\r\n\x1A\n")) ==
        "read_arrow: expected a Parquet or Feather file but got a PNG picture in t (convert it "
        "first).");
  CHECK(arrow_error(write_file(folder / "t", std::string(20, '\x7F'))) ==
        "read_arrow: expected a Parquet or Feather file but got something else in t.");
  CHECK(arrow_error(write_file(folder / "t", "FEA1....")) ==
        "read_arrow: expected Feather version 2 but got version 1 in t (read and write it again in "
        "Python).");
}

TEST_CASE("read_arrow says how to build the library with Arrow", "[data]") {
  if (has_arrow()) LADDER_SKIP("built with Arrow");
  const TemporaryFolder folder;
  CHECK(arrow_error(write_file(folder / "t", "PAR1....PAR1")) ==
        "read_arrow: expected a library built with Arrow, which reads the Parquet file t, but got "
        "one built without (pip install pyarrow, then configure with -DLADDER_ARROW=ON; or save "
        "the table as CSV).");
  CHECK(arrow_error(write_file(folder / "t", "ARROW1....")) ==
        "read_arrow: expected a library built with Arrow, which reads the Feather file t, but got "
        "one built without (pip install pyarrow, then configure with -DLADDER_ARROW=ON; or save "
        "the table as CSV).");
}

TEST_CASE("read_arrow reads numbers, texts and nulls of Parquet and Feather", "[data][python]") {
  if (!has_arrow()) LADDER_SKIP(kNoArrow);
  if (!ladder::testing::python("pyarrow")) LADDER_SKIP(kNoPython);
  const TemporaryFolder folder;
  write_by_python(R"(
import decimal
rows = 3000
third = lambda make: [None if i % 3 == 2 else make(i) for i in range(rows)]
numbers = {t: pa.array(third(lambda i: i % 100 + (0.5 if t[0] == 'f' else 0)), type=getattr(pa, t)())
           for t in 'int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64'.split()}
texts = third(lambda i: 'ä' if i % 2 else 'b')
columns = numbers | {
    'bool': pa.array(third(lambda i: i % 2 == 0)),
    'decimal': pa.array(third(lambda i: decimal.Decimal(i) / 4), type=pa.decimal128(10, 2)),
    'null': pa.nulls(rows),
    'nan': pa.array([float('nan')] * rows),
    'text': pa.array(texts),
    'large': pa.array(texts, type=pa.large_string()),
    'category': pa.array(texts).dictionary_encode(),
    'codes': pa.array(third(lambda i: i % 5)).dictionary_encode(),
    'blank': pa.array([''] * rows),
}
table = pa.table(columns)
for compression in ('NONE', 'SNAPPY', 'ZSTD'):
    pq.write_table(table, f'{folder}/{compression}.parquet', compression=compression, row_group_size=700)
for compression in ('uncompressed', 'lz4', 'zstd'):
    feather.write_feather(table, f'{folder}/{compression}.feather', compression=compression, chunksize=700)
)",
                  folder);
  for (const char* name : {"NONE.parquet", "SNAPPY.parquet", "ZSTD.parquet", "uncompressed.feather",
                           "lz4.feather", "zstd.feather"}) {
    INFO(name);
    const Table table = read_arrow(folder / name);
    REQUIRE(table.source == (folder / name).string());
    REQUIRE(table.rows == 3000);
    REQUIRE(table.columns.size() == 20);
    bool numbers = true, texts = true;
    for (const auto& column : table.columns) {
      const bool text = column.name == "text" || column.name == "large" ||
                        column.name == "category" || column.name == "blank";
      INFO(column.name);
      REQUIRE((column.kind == ColumnKind::kText) == text);
      for (int64_t row = 0; row < table.rows; ++row) {
        const auto i = static_cast<double>(row);
        const bool missing =
            row % 3 == 2 || column.name == "null" || column.name == "nan" || column.name == "blank";
        if (text) {
          const std::string expected = missing ? "" : row % 2 == 1 ? "ä" : "b";
          texts = texts && cell_text(column, row) == expected;
          continue;
        }
        const double value = column.numbers[static_cast<size_t>(row)];
        const double expected =
            column.name == "bool"      ? (row % 2 == 0 ? 1 : 0)
            : column.name == "decimal" ? i / 4
            : column.name == "codes"
                ? static_cast<double>(row % 5)
                : static_cast<double>(row % 100) + (column.name.starts_with("float") ? .5 : 0);
        numbers = numbers && (missing ? std::isnan(value) : value == expected);
      }
    }
    CHECK(numbers);
    CHECK(texts);
    CHECK(table.column("category").levels == std::vector<std::string>{"b", "ä"});
  }
}

TEST_CASE("read_arrow takes the missing texts of CSV files for missing", "[data][python]") {
  if (!has_arrow()) LADDER_SKIP(kNoArrow);
  if (!ladder::testing::python("pyarrow")) LADDER_SKIP(kNoPython);
  const TemporaryFolder folder;
  write_by_python(R"(
texts = pa.array(['a', 'NA', '?', ' null', ' ', None, 'b', 'NAN'])
pq.write_table(pa.table({'kind': texts, 'category': texts.dictionary_encode(),
                         'single': pa.array([0.5] * 8, type=pa.float32()),
                         'double': pa.array([0.5] * 8)}), f'{folder}/t')
)",
                  folder);
  const Table table = read_arrow(folder / "t");
  const std::vector<std::string> expected = {"a", "", "", "", "", "", "b", "NAN"};
  for (const char* name : {"kind", "category"}) {
    INFO(name);
    for (int64_t row = 0; row < table.rows; ++row) {
      CHECK(cell_text(table.column(name), row) == expected[static_cast<size_t>(row)]);
    }
    CHECK(table.column(name).levels == std::vector<std::string>{"a", "b", "NAN"});
    CHECK(table.column(name).missing_texts ==
          std::vector<std::pair<std::string, int64_t>>{{"NA", 1}, {"?", 1}, {"null", 1}});
  }
  CHECK(table.column("single").single);
  CHECK_FALSE(table.column("double").single);
}

TEST_CASE("read_arrow names what it refuses", "[data][python]") {
  if (!has_arrow()) LADDER_SKIP(kNoArrow);
  if (!ladder::testing::python("pyarrow")) LADDER_SKIP(kNoPython);
  const TemporaryFolder folder;
  write_by_python(R"(
import datetime
save = lambda name, table: pq.write_table(table, f'{folder}/{name}')
save('list', pa.table({'a': [1, 2], 'parts': [[1], [2, 3]]}))
save('date', pa.table({'day': [datetime.date(2020, 1, 1), None],
                       'at': [datetime.datetime(2020, 1, 1, 12, 30), None],
                       'midnight': pa.array([datetime.datetime(2020, 1, 1), None],
                                            type=pa.timestamp('ns'))}))
save('binary', pa.table({'raw': [b'1']}))
save('twice', pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=['a', 'a']))
save('empty', pa.table({'a': pa.array([], type=pa.int64())}))
save('infinite', pa.table({'a': [1.0, 2.0, float('-inf')]}))
feather.write_feather(pa.table({'a': list(range(5000)), 't': ['x'] * 5000}), f'{folder}/whole', compression='uncompressed')
)",
                  folder);
  CHECK(arrow_error(folder / "list") ==
        "read_arrow: expected columns of numbers or texts but got list<element: int64> in column "
        "'parts' in t (leave it out, or save it as numbers or texts).");
  const auto dates = read_arrow(folder / "date");  // texts, as in CSV files
  CHECK(cell_text(dates.column("day"), 0) == "2020-01-01");
  CHECK(cell_text(dates.column("day"), 1).empty());
  CHECK(cell_text(dates.column("at"), 0) == "2020-01-01 12:30:00");
  CHECK(cell_text(dates.column("midnight"), 0) == "2020-01-01 00:00:00");  // of nanoseconds
  CHECK(arrow_error(folder / "binary") ==
        "read_arrow: expected columns of numbers or texts but got binary in column 'raw' in t "
        "(leave it out, or save it as numbers or texts).");
  CHECK(arrow_error(folder / "twice") ==
        "read_arrow: expected different column names but got 'a' twice in t (rename one).");
  CHECK(arrow_error(folder / "empty") == "read_arrow: expected rows but got none in t.");
  CHECK(arrow_error(folder / "infinite") ==
        "read_arrow: expected finite numbers but got -inf in row 3, column 'a' in t (save it as "
        "null if it is missing).");

  // A file that is cut at any length, or has a byte changed, is read or refused by a sentence.
  for (const char* name : {"list", "whole"}) {
    const std::string whole = file_bytes(folder / name);
    for (size_t size = 8; size < whole.size(); size += 1 + whole.size() / 60) {
      const auto cut = write_file(folder / "cut", whole.substr(0, size));
      CHECK(arrow_error(cut).find("read_arrow: expected ") == 0);
    }
    for (size_t at = 6; at < whole.size(); at += 1 + whole.size() / 200) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ 0x41);
      const std::string text = arrow_error(write_file(folder / "changed", changed));
      CHECK((text == "(no error)" || text.find("read_arrow: expected ") == 0));
    }
  }
}
