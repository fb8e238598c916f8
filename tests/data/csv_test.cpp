#include <fcntl.h>
#include <ladder/data/csv.h>
#include <ladder/data/internal/csv_parser.h>
#include <sys/stat.h>
#include <tests/data/idx_files.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <unistd.h>

#include <array>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <sstream>
#include <string>
#include <vector>

using ladder::data::cell_text;
using ladder::data::Column;
using ladder::data::ColumnKind;
using ladder::data::CsvOptions;
using ladder::data::CsvReader;
using ladder::data::NumberKind;
using ladder::data::parse_number;
using ladder::data::read_csv;
using ladder::data::Table;
using ladder::testing::error_text;
using ladder::testing::gzip_bytes;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;
using std::string_literals::operator""s;

namespace {

using Texts = std::vector<std::string>;

// Table of a file with these bytes; its source is "t.csv".
Table table_of(const std::string& bytes, const CsvOptions& options = {}) {
  const TemporaryFolder folder;
  Table table = read_csv(write_file(folder / "t.csv", bytes), options);
  CHECK(table.source == (folder / "t.csv").string());
  table.source = "t.csv";
  return table;
}

Texts names_of(const Table& table) {
  Texts names;
  for (const auto& column : table.columns) names.push_back(column.name);
  return names;
}

Texts cells_of(const Table& table, const std::string& name) {
  Texts cells;
  for (int64_t row = 0; row < table.rows; ++row) {
    cells.push_back(cell_text(table.column(name), row));
  }
  return cells;
}

bool is_number(const Table& table, const std::string& name) {
  return table.column(name).kind == ColumnKind::kNumber;
}

}  // namespace

TEST_CASE("read_csv reads numbers, texts and missing values", "[data]") {
  const Table table = table_of("age,city,label\n31,Ulm,yes\n-4.5e1,NA,\n,Köln,no\n");
  CHECK(names_of(table) == Texts{"age", "city", "label"});
  CHECK(table.rows == 3);
  const Column& age = table.column("age");
  CHECK(age.kind == ColumnKind::kNumber);
  CHECK(age.numbers[0] == 31);
  CHECK(age.numbers[1] == -45);
  CHECK(std::isnan(age.numbers[2]));
  const Column& city = table.column("city");
  CHECK(city.kind == ColumnKind::kText);
  CHECK(city.levels == Texts{"Ulm", "Köln"});
  CHECK(city.codes == std::vector<int32_t>{0, -1, 1});
  CHECK(table.column("label").codes == std::vector<int32_t>{0, -1, 1});
}

TEST_CASE("read_csv takes quotes as RFC 4180 has them", "[data]") {
  const Table table = table_of(
      "\"name\",\"a, b\",n\r\n"
      "\"say \"\"yes\"\"\",\"two\nlines\r\nmore\",\"1.5\"\r\n"
      "\"\", \" kept \" ,2\r\n"
      "5\" pipe,it's,\"3\"");
  CHECK(names_of(table) == Texts{"name", "a, b", "n"});
  CHECK(cells_of(table, "name") == Texts{"say \"yes\"", "", "5\" pipe"});
  CHECK(cells_of(table, "a, b") == Texts{"two\nlines\r\nmore", " kept ", "it's"});
  CHECK(table.column("n").numbers == std::vector<double>{1.5, 2, 3});
}

TEST_CASE("read_csv takes every line end, empty lines and a byte order mark", "[data]") {
  for (const std::string& end : {"\n"s, "\r\n"s, "\r"s}) {
    for (const bool last : {false, true}) {
      INFO(end.size() << last);
      const Table table = table_of("\xEF\xBB\xBF" + end + "a,b" + end + "1,x" + end + "  " + end +
                                   end + "2,y" + (last ? end + end : ""));
      CHECK(names_of(table) == Texts{"a", "b"});
      CHECK(table.column("a").numbers == std::vector<double>{1, 2});
      CHECK(cells_of(table, "b") == Texts{"x", "y"});
    }
  }
}

TEST_CASE("read_csv ignores spaces around cells and keeps those inside quotes", "[data]") {
  const Table table = table_of("a , b,c\n 1 ,\tx y , \" z \"\n+2, \"w\" ,?\n");
  CHECK(names_of(table) == Texts{"a", "b", "c"});
  CHECK(table.column("a").numbers == std::vector<double>{1, 2});
  CHECK(cells_of(table, "b") == Texts{"x y", "w"});
  CHECK(cells_of(table, "c") == Texts{" z ", ""});
}

TEST_CASE("read_csv recognises the delimiter", "[data]") {
  for (const char delimiter : {',', ';', '\t', '|'}) {
    const std::string d(1, delimiter);
    const Table table = table_of("a" + d + "b" + d + "c\n1" + d + "x" + d + "2\n3" + d + "y" + d);
    INFO(delimiter);
    CHECK(names_of(table) == Texts{"a", "b", "c"});
    CHECK(cells_of(table, "c") == Texts{"2", ""});
  }
  // A delimiter that other texts hold, in every row.
  CHECK(names_of(table_of("good; fine,1\nbad; poor,2\n")) == Texts{"x0", "x1"});
  CHECK(cells_of(table_of("good; fine,1\nbad; poor,2\n"), "x0") ==
        Texts{"good; fine", "bad; poor"});
  CHECK(names_of(table_of("a;b\n1,5;2,5\n3,0;4,5\n")) == Texts{"a", "b"});
  CHECK(names_of(table_of("1,5;2,5\n3,0;4,5\n")) == Texts{"x0", "x1"});
  CHECK(names_of(table_of("one\nsome words; and more\n3\n")) == Texts{"one"});
  CHECK(names_of(table_of("a:b\n1:2\n", {.delimiter = ':'})) == Texts{"a", "b"});
  CHECK(cells_of(table_of("a,b;c\n1,2;3\n", {.delimiter = ','}), "b;c") == Texts{"2;3"});
  CHECK(names_of(table_of("sep=|\na,0|b\n1|2\n")) == Texts{"a,0", "b"});
}

TEST_CASE("read_csv recognises decimal commas and takes no thousands", "[data]") {
  CHECK(table_of("a;b\n1,5;2\n-,25;3e1\n").column("a").numbers == std::vector<double>{1.5, -.25});
  CHECK(table_of("a;b\n1.5;2\n.25;3\n").column("a").numbers == std::vector<double>{1.5, .25});
  // Integers first: the first mark decides, however late it comes.
  std::string late = "a;b\n";
  for (int row = 0; row < 2000; ++row) late += "7;8\n";
  CHECK(table_of(late + "1,5;2\n").column("a").numbers.back() == 1.5);
  CHECK(table_of(late + "1.5;2\n").column("a").numbers.back() == 1.5);
  // Between tabs, 1,234 may be a thousand and more; 1,23 cannot.
  CHECK_FALSE(is_number(table_of("a\tb\n1,234\t2\n2,345\t3\n"), "a"));
  CHECK(table_of("a\tb\n1,23\t2\n2,345\t3\n").column("a").numbers ==
        std::vector<double>{1.23, 2.345});
  CHECK_FALSE(is_number(table_of("a,b\n\"1,5\",2\n\"2,5\",3\n"), "a"));
  CHECK(table_of("a,b\n\"1,5\",2\n", {.decimal = ','}).column("a").numbers ==
        std::vector<double>{1.5});
  CHECK_FALSE(is_number(table_of("a;b\n1,5;2\n", {.decimal = '.'}), "a"));
  CHECK_FALSE(is_number(table_of("a;b\n1.234,5;2\n"), "a"));
}

TEST_CASE("read_csv recognises whether there is a header", "[data]") {
  CHECK(names_of(table_of("5.1,3.5,setosa\n4.9,3.0,setosa\n")) == Texts{"x0", "x1", "x2"});
  CHECK(table_of("5.1,3.5,setosa\n4.9,3.0,setosa\n").rows == 2);
  CHECK(names_of(table_of(",a,b\n0,1,2\n")) == Texts{"x0", "a", "b"});
  // Texts only: a header unless a text comes again in its column.
  CHECK(table_of("kind,size\napple,big\nplum,small\n").rows == 2);
  CHECK(table_of("apple,big\nplum,small\napple,small\n").rows == 3);
  // A text above numbers is a name, whatever else the line holds.
  CHECK(names_of(table_of("label,2019,2020\n1,2,3\n")) == Texts{"label", "2019", "2020"});
  CHECK(names_of(table_of("0,1,2,3,kind\n5,6,7,8,a\n9,8,7,6,a\n")) ==
        Texts{"0", "1", "2", "3", "kind"});
  CHECK(names_of(table_of("1,2,a\n5,6,b\n")) == Texts{"x0", "x1", "x2"});
  CHECK(table_of("a,b\nc,d\n", {.header = false}).rows == 2);
  CHECK(names_of(table_of("1,2\n3,4\n", {.header = true})) == Texts{"1", "2"});
  CHECK(table_of("7\n", {}).column("x0").numbers == std::vector<double>{7});
}

TEST_CASE("read_csv knows the usual missing values and others it is told", "[data]") {
  const Table usual =
      table_of("a,b\n1,x\n,\"\"\nNA,NA\nN/A,N/A\nNaN,NaN\nnan,nan\n?,?\nNULL,NULL\nnull,null\n");
  CHECK(cells_of(usual, "a") == Texts{"1", "", "", "", "", "", "", "", ""});
  CHECK(cells_of(usual, "b") == Texts{"x", "", "", "", "", "", "", "", ""});
  const CsvOptions options{.missing = {"-999", "none"}};
  const Table told = table_of("a,b\n-999,x\n-999.0,none\n3,-999\nnone,y\n", options);
  CHECK(cells_of(told, "a") == Texts{"", "", "3", ""});
  CHECK(cells_of(told, "b") == Texts{"x", "", "", "y"});
  CHECK(cells_of(table_of("a,b\n1,None\n2,n\n"), "b") == Texts{"None", "n"});
}

TEST_CASE("parse_number gives the nearest double and refuses all else", "[data]") {
  const auto number = [](const std::string& text, char decimal = '.') {
    double value = -7;
    CHECK(parse_number(text, decimal, value) == NumberKind::kFinite);
    return value;
  };
  CHECK(number("0") == 0);
  CHECK(std::signbit(number("-0")));
  CHECK(number("+5") == 5);
  CHECK(number("5.") == 5);
  CHECK(number("-.5") == -.5);
  CHECK(number("1e3") == 1000);
  CHECK(number("1E-2") == .01);
  CHECK(number("1,25", ',') == 1.25);
  CHECK(number("0,1234567890123456789012", ',') == 0.1234567890123456789012);
  CHECK(number("9007199254740993") == 9007199254740992.0);  // halfway: to even
  CHECK(number("9007199254740995") == 9007199254740996.0);
  CHECK(number("123456789012345678901234567890") == 123456789012345678901234567890.0);
  CHECK(number("0.1") == 0.1);
  CHECK(number("1e23") == 1e23);
  CHECK(number("8.41e21") == 8.41e21);
  CHECK(number("1.7976931348623157e308") == std::numeric_limits<double>::max());
  CHECK(number("4.9406564584124654e-324") == std::numeric_limits<double>::denorm_min());
  CHECK(number("1e-400") == 0);
  CHECK(std::signbit(number("-1e-400")));
  CHECK(number("0e999999999999999999999") == 0);
  CHECK(number(std::string(400, '0') + "1") == 1);
  CHECK(number("0." + std::string(400, '0') + "1e401") == 1);

  double value = 0;
  for (const char* text : {"inf", "+Inf", "-infinity", "INFINITY", "1e400", "-1e400", "1e99999",
                           "1e99999999999999999999"}) {
    INFO(text);
    CHECK(parse_number(text, '.', value) == NumberKind::kInfinite);
    CHECK(value == (text[0] == '-' ? -1 : 1) * std::numeric_limits<double>::infinity());
  }
  CHECK(parse_number(std::string(400, '9'), '.', value) == NumberKind::kInfinite);
  for (const char* text :
       {"",    "+",   "-",   ".",   "e5",  "1e",      "1e+",  "1.2.3", "1,5", "0x10", "1_000",
        "--1", "+-1", "1 2", "1d5", "nan", "infinit", "1inf", ".inf",  "1f",  "-e1",  "１"}) {
    INFO(text);
    CHECK(parse_number(text, '.', value) == NumberKind::kNone);
  }
}

TEST_CASE("parse_number reads back what is printed, by strtod's measure too", "[data]") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 20000; ++i) {
    const uint64_t bits = random();
    double expected = 0;
    static_assert(sizeof(bits) == sizeof(expected));
    std::memcpy(&expected, &bits, sizeof(bits));
    if (!std::isfinite(expected)) continue;
    for (const int digits : {3, 9, 15, 17, 25}) {
      std::array<char, 64> text{};
      std::snprintf(text.data(), text.size(), "%.*e", digits, expected);
      double value = 0;
      const auto kind = parse_number(text.data(), '.', value);
      const double by_strtod = std::strtod(text.data(), nullptr);
      INFO(text.data());
      REQUIRE(kind == (std::isinf(by_strtod) ? NumberKind::kInfinite : NumberKind::kFinite));
      REQUIRE(value == by_strtod);
    }
  }
}
