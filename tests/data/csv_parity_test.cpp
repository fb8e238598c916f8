#include <ladder/data/csv.h>
#include <tests/support/catch.h>
#include <tests/support/python.h>
#include <tests/support/temporary_folder.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

using ladder::data::cell_text;
using ladder::data::Column;
using ladder::data::ColumnKind;
using ladder::data::read_csv;
using ladder::data::Table;
using ladder::testing::file_bytes;
using ladder::testing::TemporaryFolder;

namespace {

// Returns the first row in which `column` differs from what the other reader has, or "".
std::string difference(const Column& column, const nlohmann::json& other) {
  const auto& values = other.at("values");
  const bool text = column.kind == ColumnKind::kText;
  if (!other.at("empty").get<bool>() && text != other.at("text").get<bool>()) {
    return text ? "a text, not a number" : "a number, not a text";
  }
  for (size_t row = 0; row < values.size(); ++row) {
    const auto& expected = values[row];
    const bool missing = text ? column.codes[row] < 0 : std::isnan(column.numbers[row]);
    const bool equal = expected.is_null() ? missing
                       : text ? !missing && cell_text(column, static_cast<int64_t>(row)) ==
                                                expected.get<std::string>()
                              : column.numbers[row] == expected.get<double>();
    if (!equal) {
      return "row " + std::to_string(row) + ": " + cell_text(column, static_cast<int64_t>(row)) +
             " for " + expected.dump();
    }
  }
  return "";
}

}  // namespace

TEST_CASE("read_csv reads hard files as pyarrow does", "[data][python]") {
  if (!ladder::testing::python("pyarrow")) LADDER_SKIP(ladder::testing::kNoPython);
  const TemporaryFolder folder;
  const auto outcome = ladder::testing::run_python(
      file_bytes(ladder::testing::source_folder() / "tests/python/csv_cases.py"),
      {folder.path().string(), "1", "400"});
  INFO(outcome.err);
  REQUIRE(outcome.status == 0);
  const auto cases = nlohmann::json::parse(file_bytes(folder / "cases.json"));
  REQUIRE(cases.size() == 400);
  int64_t values = 0;
  for (const auto& one : cases) {
    const auto file = one.at("file").get<std::string>();
    INFO(file);
    const Table table = read_csv(folder / file);
    REQUIRE(table.rows == one.at("rows").get<int64_t>());
    REQUIRE(table.columns.size() == one.at("columns").size());
    for (size_t c = 0; c < table.columns.size(); ++c) {
      const auto& other = one.at("columns")[c];
      INFO(other.at("name"));
      CHECK(table.columns[c].name == other.at("name").get<std::string>());
      CHECK(difference(table.columns[c], other).empty());
      values += table.rows;
    }
  }
  CHECK(values > 100'000);
}
