#include <ladder/data/table.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using ladder::data::cell_text;
using ladder::data::Column;
using ladder::data::ColumnKind;
using ladder::data::drop_empty_rows;
using ladder::data::mark_missing;
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
  table.columns.push_back({.name = "p, bar"});
  CHECK(error_text([&] { table.column("p"); }) ==
        "Table: expected a column 'p' in t.csv but found none (in a list, a comma of a name has a "
        "backslash: 'p\\, bar').");
  table.source.clear();
  CHECK(error_text([&] { table.column("cit"); }) ==
        "Table: expected a column 'cit' in the table but found none (did you mean 'city'?).");
  CHECK(error_text([] { Table().column("a"); }) ==
        "Table: expected a column 'a' in the table but found none.");
}

TEST_CASE("Table says so where a name is there with its accents encoded in another way", "[data]") {
  const Table table{.source = "t.csv",
                    .columns = {{.name = "Werk"}, {.name = "Stu\u0308ck"}, {.name = "a"}}};
  CHECK(error_text([&] { table.column("St\u00FCck"); }) ==
        "Table: expected a column 'St\u00FCck' in t.csv but found none (there is 'Stu\u0308ck', "
        "whose accents are encoded in another way; copy that name).");
}

TEST_CASE("drop_empty_rows removes rows without any value wherever they are", "[data]") {
  const double none = std::numeric_limits<double>::quiet_NaN();
  Table table{.rows = 6,
              .columns = {{.name = "x", .numbers = {none, 1, none, none, 2, none}},
                          {.name = "t",
                           .kind = ColumnKind::kText,
                           .codes = {-1, 0, 1, -1, -1, -1},
                           .levels = {"a", "b"}}},
              .parts = {1, 3, 6}};
  CHECK(drop_empty_rows(table) == 3);
  CHECK(table.rows == 3);
  REQUIRE(table.columns[0].numbers.size() == 3);
  CHECK(table.columns[0].numbers[0] == 1);
  CHECK(std::isnan(table.columns[0].numbers[1]));
  CHECK(table.columns[0].numbers[2] == 2);
  CHECK(table.columns[1].codes == std::vector<int32_t>{0, 1, -1});
  CHECK(table.parts == std::vector<int64_t>{0, 2, 3});
  CHECK(drop_empty_rows(table) == 0);
  CHECK(table.rows == 3);
  table.columns[0].numbers.pop_back();
  CHECK(error_text([&] { drop_empty_rows(table); }) ==
        "drop_empty_rows: expected 3 values in column 'x' but got 2.");
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

TEST_CASE("mark_missing counts the texts that it takes away", "[data]") {
  Table table{.rows = 4,
              .columns = {{.name = "y",
                           .kind = ColumnKind::kText,
                           .codes = {0, 1, 1, -1},
                           .levels = {"a", "unknown", "none"}}}};
  ladder::data::mark_missing(table, {" unknown ", "none"});
  CHECK(table.missing == std::vector<std::string>{"unknown", "none"});
  CHECK(table.columns[0].codes == std::vector<int32_t>{0, -1, -1, -1});
  CHECK(table.columns[0].missing_texts ==
        std::vector<std::pair<std::string, int64_t>>{{"unknown", 2}});
}

TEST_CASE("mark_missing rounds numbers for columns in single precision only", "[data]") {
  const std::vector<double> numbers = {99999999, 100000000, double{-999.9F}};
  Table table{.rows = 3,
              .columns = {{.name = "x", .numbers = numbers},
                          {.name = "y", .numbers = numbers, .single = true},
                          {.name = "t",
                           .kind = ColumnKind::kText,
                           .codes = {0, 1, 2},
                           .levels = {"-999.90", "0", "99999999.0"}}}};
  mark_missing(table, {"99999999", "-999.9"});
  CHECK(std::isnan(table.columns[0].numbers[0]));
  CHECK(table.columns[0].numbers[1] == 100000000);
  CHECK(table.columns[0].numbers[2] == double{-999.9F});
  CHECK(std::isnan(table.columns[1].numbers[1]));
  CHECK(std::isnan(table.columns[1].numbers[2]));
  CHECK(table.columns[2].codes == std::vector<int32_t>{-1, 1, -1});
  CHECK(table.missing == std::vector<std::string>{"99999999", "-999.9"});
}
