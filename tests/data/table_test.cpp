#include <ladder/data/table.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>

#include <limits>
#include <string>
#include <vector>

using ladder::data::cell_text;
using ladder::data::Column;
using ladder::data::ColumnKind;
using ladder::data::Table;
using ladder::testing::error_text;

TEST_CASE("Table finds columns by name", "[data]") {
  const Table table{.source = "t.csv",
                    .rows = 1,
                    .columns = {{.name = "age", .numbers = {1}}, {.name = "", .numbers = {2}}}};
  CHECK(table.find("age") == 0);
  CHECK(table.find("") == 1);
  CHECK(table.find("Age") == -1);
  CHECK(table.column("age").numbers[0] == 1);
}

TEST_CASE("Table names the nearest column where it has none of a name", "[data]") {
  Table table{.source = "t.csv", .rows = 0, .columns = {{.name = "age"}, {.name = "city"}}};
  CHECK(error_text([&] { table.column("agee"); }) ==
        "Table: expected a column 'agee' in t.csv but found none (did you mean 'age'?).");
  table.source.clear();
  CHECK(error_text([&] { table.column("cit"); }) ==
        "Table: expected a column 'cit' in the table but found none (did you mean 'city'?).");
  CHECK(error_text([] { Table().column("a"); }) ==
        "Table: expected a column 'a' in the table but found none.");
}

TEST_CASE("cell_text gives the shortest text of a number", "[data]") {
  const double missing = std::numeric_limits<double>::quiet_NaN();
  const Column numbers{.numbers = {3, 0.1, -0.0, 1e300, 1.0 / 3, 1e-7, 123456789012, missing}};
  const std::vector<std::string> texts = {
      "3", "0.1", "-0", "1e+300", "0.3333333333333333", "1e-07", "123456789012", ""};
  for (size_t row = 0; row < texts.size(); ++row) {
    CHECK(cell_text(numbers, static_cast<int64_t>(row)) == texts[row]);
  }
}

TEST_CASE("cell_text gives the level of a text", "[data]") {
  const Column column{.kind = ColumnKind::kText, .codes = {1, -1, 0}, .levels = {"a", "b c"}};
  CHECK(cell_text(column, 0) == "b c");
  CHECK(cell_text(column, 1).empty());
  CHECK(cell_text(column, 2) == "a");
}
