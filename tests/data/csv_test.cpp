#include <fcntl.h>
#include <ladder/data/csv.h>
#include <sys/stat.h>
#include <tests/data/idx_files.h>
#include <tests/support/as_nobody.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <tests/support/temporary_folder.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>
#include <streambuf>
#include <string>
#include <utility>
#include <vector>

using ladder::data::cell_text;
using ladder::data::Column;
using ladder::data::ColumnKind;
using ladder::data::CsvOptions;
using ladder::data::CsvReader;
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

// Sentence of the error that these bytes are, with "t.csv" as the name of the file.
std::string csv_error(const std::string& bytes, const CsvOptions& options = {}) {
  const TemporaryFolder folder;
  const std::string path = write_file(folder / "t.csv", bytes).string();
  std::string text = error_text([&] { read_csv(path, options); });
  const size_t at = text.find(path);
  if (at != std::string::npos) text.replace(at, path.size(), "t.csv");
  return text;
}

struct Refusal {
  std::string bytes;
  std::string sentence;
  CsvOptions options = {};
};

void check_refusals(const std::vector<Refusal>& cases) {
  for (const auto& [bytes, sentence, options] : cases) {
    CHECK(csv_error(bytes, options) == sentence);
  }
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

// Lines "value,k" below "v,k"; line 100 has `odd` for a value.
std::string mostly_numbers(int rows, const std::string& odd) {
  std::string text = "v,k\n";
  for (int row = 0; row < rows; ++row) {
    text += (row == 98 ? odd : std::to_string(row)) + ",a\n";
  }
  return text;
}

// Gives `text` in pieces, one each time its buffer is empty, as a pipe of a slow writer does.
class SlowText : public std::streambuf {
 public:
  explicit SlowText(Texts pieces) : pieces_(std::move(pieces)) {}

  size_t given() const { return next_; }

 protected:
  int_type underflow() override {
    if (next_ == pieces_.size()) return traits_type::eof();
    std::string& piece = pieces_[next_++];
    setg(piece.data(), piece.data(), piece.data() + piece.size());
    return traits_type::to_int_type(piece[0]);
  }

 private:
  Texts pieces_;
  size_t next_ = 0;
};

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
  // Those that pandas.read_csv takes, among numbers and among texts.
  for (const std::string text : {"#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan",
                                 "1.#IND", "1.#QNAN", "<NA>", "n/a", "None"}) {
    INFO(text);
    const Table table = table_of("a,b\n1,x\n" + text + "," + text + "\n2,y\n");
    CHECK(cells_of(table, "a") == Texts{"1", "", "2"});
    CHECK(cells_of(table, "b") == Texts{"x", "", "y"});
    CHECK(table.column("b").missing_texts ==
          std::vector<std::pair<std::string, int64_t>>{{text, 1}});
    CHECK(ladder::data::is_missing_text(text));
  }
  CHECK_FALSE(ladder::data::is_missing_text("none"));
  CHECK(cells_of(table_of("b,c\nNone,x\nNA,y\n", {.not_missing = {"None", "x"}}), "b") ==
        Texts{"None", ""});
  CHECK(cells_of(table_of("b,c\n?,x\n\"\",y\nNA,?\n",
                          {.as_written = {"b", "other"}, .kinds = {{"b", ColumnKind::kText}}}),
                 "b") == Texts{"?", "", "NA"});
  const CsvOptions options{.missing = {"-999", "none"}};
  const Table told = table_of("a,b\n-999,x\n-999.0,none\n3,-999\nnone,y\n", options);
  CHECK(cells_of(told, "a") == Texts{"", "", "3", ""});
  CHECK(cells_of(told, "b") == Texts{"x", "", "", "y"});
  CHECK(cells_of(table_of("a,b\n1,none\n2,n\n"), "b") == Texts{"none", "n"});
  // Numbers exactly, and in every spelling where cells are texts; a code is none.
  CHECK(cells_of(table_of("a\n100000000\n99999999\n", {.missing = {"99999999"}}), "a") ==
        Texts{"100000000", ""});
  CHECK(cells_of(table_of("a,b\n1,x\n2,-999.0\n3,-0999\n", {.missing = {"-999"}}), "b") ==
        Texts{"x", "", "-0999"});
}

TEST_CASE("read_csv takes missing numbers with the decimal mark of the file", "[data]") {
  std::string late = "a;b\n";
  for (int row = 0; row < 2000; ++row) late += "7;8\n";
  for (const std::string missing : {"-99,9", "-99.9"}) {
    INFO(missing);
    const CsvOptions options{.missing = {missing}};
    const Table table = table_of("a;b\n1,5;x\n-99,9;-99,90\n2,5;y\n", options);
    CHECK(cells_of(table, "a") == Texts{"1.5", "", "2.5"});
    CHECK(cells_of(table, "b") == Texts{"x", "", "y"});
    CHECK(table.missing.back() == "-99.9");  // as tables of other files have it
    CHECK(std::isnan(table_of(late + "-99,9;2\n", options).column("a").numbers.back()));
    CHECK(
        std::isnan(table_of("a,b\n\"-99,9\",2\n\"1,5\",2\n", {.decimal = ',', .missing = {missing}})
                       .column("a")
                       .numbers[0]));
  }
}

TEST_CASE("read_csv says what is wrong with a path", "[data]") {
  const TemporaryFolder folder;
  const std::string none = (folder / "none.csv").string();
  CHECK(error_text([&] { read_csv(none); }) ==
        "read_csv: expected a table but got no file at " + none + " (check the path).");
  const std::string dir = folder.path().string();
  CHECK(error_text([&] { read_csv(dir); }) ==
        "read_csv: expected a file but got a folder at " + dir + " (give the path of a file).");
  CHECK(error_text([&] { CsvReader reader(std::filesystem::path{none}); }) ==
        "read_csv: expected a table but got no file at " + none + " (check the path).");
  CHECK(csv_error("") == "read_csv: expected a table but got an empty file at t.csv.");
  CHECK(csv_error("\n\r\n  \n") == "read_csv: expected a table but got empty lines only in t.csv.");
  CHECK(
      csv_error("a,b\n\n") ==
      "read_csv: expected rows but got only a header in t.csv (say that the file has no header if "
      "its line is a row).");
}

TEST_CASE("read_csv takes a header without rows where it may", "[data]") {
  const CsvOptions options{.may_be_empty = true};
  for (const char* text : {"a,b\n", "a,b", "a,b\n\n  \n"}) {
    INFO(text);
    std::istringstream in(text);
    CsvReader reader(in, "t.csv", options);
    CHECK(reader.names() == std::vector<std::string>{"a", "b"});
    CHECK_FALSE(reader.next(10));
  }
  std::istringstream in("a,b\n1,x\n");
  CsvReader reader(in, "t.csv", options);
  const auto rows = reader.next(10);
  REQUIRE(rows);
  CHECK(rows->rows == 1);
  CHECK(rows->column("b").levels == std::vector<std::string>{"x"});
  const TemporaryFolder folder;
  CHECK(read_csv(write_file(folder / "t.csv", "a,b\n"), options).rows == 0);
}

TEST_CASE("read_csv says that it may not read a file", "[data]") {
  const TemporaryFolder folder;
  const auto closed = write_file(folder / "closed.csv", "a,b\n1,2\n");
  REQUIRE(::chmod(closed.c_str(), 0) == 0);
  std::string text;
  {
    const ladder::testing::AsNobody nobody(folder.path());
    if (!nobody.reaches_folder()) LADDER_SKIP(ladder::testing::kNoNobody);
    text = error_text([&] { read_csv(closed); });
  }
  CHECK(text == "read_csv: expected a table in " + closed.string() +
                    " but it cannot be opened: Permission denied.");
}

TEST_CASE("read_csv says that a file is another kind of file", "[data]") {
  check_refusals({
      {"\x89PNG\r\n\x1A\n....",
       "read_csv: expected a table but got a PNG picture in t.csv (convert it first)."},
      {"<!DOCTYPE html>\n<html>\n",
       "read_csv: expected a table but got a web page in t.csv (the address gave a page and not "
       "the file: fetch it again)."},
      {"PAR1....",
       "read_csv: expected a table but got a Parquet file in t.csv (convert it first)."},
      {gzip_bytes(gzip_bytes("a,b\n1,2\n")),
       "read_csv: expected a table but got gzip data in t.csv (unpack it first)."},
      {"\xFF\xFE"
       "a\0,\0b\0"s,
       "read_csv: expected text in UTF-8 but got UTF-16 in t.csv (save it as UTF-8)."},
      {"\xFE\xFF"
       "a\0,\0b\0"s,
       "read_csv: expected text in UTF-8 but got UTF-16 in t.csv (save it as UTF-8)."},
      {"a\0,\0b\0\n\0"s,
       "read_csv: expected text but got a zero byte in line 1, column 1 of t.csv (the file is "
       "damaged, or its text is UTF-16: save it as UTF-8)."},
  });
}

TEST_CASE("read_csv names line and column of what it refuses", "[data]") {
  check_refusals({
      {"a,b,c\n1,2,3\n\n1,2\n",
       "read_csv: expected 3 columns, as in line 1, but got 2 in line 4 of t.csv (the delimiter "
       "is ','; quote cells that hold it)."},
      {"a\tb\n1\t\"x\ny\"\n1\t2\t3\n",
       "read_csv: expected 2 columns, as in line 1, but got 3 in line 4 of t.csv (the delimiter "
       "is tab; quote cells that hold it)."},
      {"a\n1\n1,2\n",
       "read_csv: expected 1 column, as in line 1, but got 2 in line 3 of t.csv (the delimiter "
       "is ','; quote cells that hold it).",
       {.delimiter = ','}},
      {"a,b\n1,x\n2,\"y\n3,z\n4,w\n",
       "read_csv: expected a second quote for the one in line 3, column 2 ('b') of t.csv but got "
       "the end of the file (write a quote inside quotes twice)."},
      {"a,b\n1,x\n2,\"y" + std::string((1 << 20) + 1, '\n'),
       "read_csv: expected a second quote for the one in line 3, column 2 ('b') of t.csv but got "
       "1 MiB without it (write a quote inside quotes twice)."},
      {"a,b\n1,\"x\" y,z\n",
       "read_csv: expected ',' or the end of the line after a quoted cell but got 'y' in line 2, "
       "column 2 ('b') of t.csv (write a quote inside quotes twice)."},
      {"\"a\"b,c\n1,2\n",
       "read_csv: expected ',' or the end of the line after a quoted cell but got 'b' in line 1, "
       "column 1 of t.csv (write a quote inside quotes twice)."},
      {"a,b\n1,x\n1,y\0z\n"s,
       "read_csv: expected text but got a zero byte in line 3, column 2 ('b') of t.csv (the file "
       "is damaged, or its text is UTF-16: save it as UTF-8)."},
      {"a,b\n1,2\n3\0,4\n"s,
       "read_csv: expected text but got a zero byte in line 3, column 1 ('a') of t.csv (the file "
       "is damaged, or its text is UTF-16: save it as UTF-8)."},
      {"a,b\n1,K\xF6ln\n",
       "read_csv: expected text in UTF-8 but got byte F6 in line 2, column 2 ('b') of t.csv (save "
       "it as UTF-8: in Excel as CSV UTF-8, elsewhere by iconv -f windows-1252 -t utf-8)."},
      {"a,\xE9t\xE9\n1,2\n",
       "read_csv: expected text in UTF-8 but got byte E9 in line 1, column 2 of t.csv (save it as "
       "UTF-8: in Excel as CSV UTF-8, elsewhere by iconv -f windows-1252 -t utf-8)."},
      {"a,b,a\n1,2,3\n",
       "read_csv: expected different column names but got 'a' in columns 1 and 3 of line 1 of "
       "t.csv (rename one, or say that the file has no header)."},
      {"x1,\n1,2\n",
       "read_csv: expected different column names but got 'x1' in columns 1 and 2 of line 1 of "
       "t.csv (rename one, or say that the file has no header)."},
      {"a,b\n1,2\n1e400,3\n",
       "read_csv: expected a finite number but got '1e400' in line 3, column 1 ('a') of t.csv "
       "(name it as a missing value, or the column as a text column)."},
      {"a,b\n1,-inf\n2,3\n",
       "read_csv: expected a finite number but got '-inf' in line 2, column 2 ('b') of t.csv "
       "(name it as a missing value, or the column as a text column)."},
      {"a,b\n1,2\nInfinity,3\n",
       "read_csv: expected a finite number but got 'Infinity' in line 3, column 1 ('a') of t.csv "
       "(name it as a missing value, or the column as a text column).",
       {.kinds = {{"a", ColumnKind::kNumber}}}},
      {"a,b\n1,\"x\n\"\"y\"\"\",oops\n2,3\n",
       "read_csv: expected 2 columns, as in line 1, but got 3 in line 2 of t.csv (the delimiter "
       "is ','; quote cells that hold it).",
       {.header = true, .kinds = {{"b", ColumnKind::kNumber}}}},
      {"c,a,b\n1,\"x\ny\",oops\n",
       "read_csv: expected a number but got 'oops' in line 3, column 3 ('b') of t.csv (name the "
       "text as a missing value: --missing 'oops').",
       {.kinds = {{"b", ColumnKind::kNumber}}}},
  });
}

TEST_CASE("read_csv shows long and strange texts shortened", "[data]") {
  const CsvOptions number{.header = true, .kinds = {{"a", ColumnKind::kNumber}}};
  const auto shown = [&](const std::string& cell) {
    const std::string text = csv_error("a,b\n\"" + cell + "\",1\n", number);
    const size_t begin = text.find("but got '") + 9;
    return text.substr(begin, text.find("' in line 2") - begin);
  };
  CHECK(shown("x\ty\x01") == "x?y?");
  CHECK(shown(std::string(50, 'x')) == std::string(40, 'x') + "...");
  CHECK(shown(std::string(39, 'x') + "ö" + "y") == std::string(39, 'x') + "...");
}

TEST_CASE("read_csv takes a column of numbers with a mistake for a mistake", "[data]") {
  const auto sentence = [](const std::string& odd, const std::string& shares) {
    return "read_csv: expected a number, as in " + shares + " values of the column, but got '" +
           odd +
           "' in line 100, column 1 ('v') of t.csv (name the text as a missing value: --missing '" +
           odd + "', or the column as a text column: --text-columns 'v').";
  };
  CHECK(csv_error(mostly_numbers(100, "oops")) == sentence("oops", "99 of 100"));
  CHECK(csv_error(mostly_numbers(100, "1.2.3")) == sentence("1.2.3", "99 of 100"));
  CHECK(csv_error(mostly_numbers(200'000, "x")) == sentence("x", "199999 of 200000"));
  CHECK(csv_error(mostly_numbers(99, "oops")) == sentence("oops", "98 of 99"));
  // In small columns one mistake makes texts.
  CHECK_FALSE(is_number(table_of("v\n1\n2\nx\n"), "v"));
  CHECK(is_number(table_of(mostly_numbers(100, "oops"), {.missing = {"oops"}}), "v"));
  const Table text = table_of(mostly_numbers(100, "oops"), {.text_columns = {"v"}});
  CHECK(cells_of(text, "v")[98] == "oops");
  CHECK(cells_of(text, "v")[5] == "5");
}

TEST_CASE("read_csv takes a few texts among many numbers for mistakes", "[data]") {
  // `numbers` different numbers, and every tenth cell one of `others` texts.
  const auto column = [](int rows, int numbers, int others) {
    std::string text = "v,k\n";
    for (int row = 0; row < rows; ++row) {
      text += (row % 10 == 9 ? "e" + std::to_string(row / 10 % others)
                             : std::to_string(row % numbers)) +
              ",a\n";
    }
    return text;
  };
  CHECK(csv_error(column(1000, 700, 1)) ==
        "read_csv: expected a number, as in 900 of 1000 values of the column, but got 'e0' in line "
        "11, column 1 ('v') of t.csv (name the text as a missing value: --missing 'e0', or the "
        "column as a text column: --text-columns 'v').");
  CHECK(csv_error(column(1000, 700, 5))
            .ends_with("(name such texts as missing values: --missing 'e0,e1,e2,e3,e4', or the "
                       "column as a text "
                       "column: --text-columns 'v')."));
  CHECK_FALSE(is_number(table_of(column(1000, 700, 6)), "v"));  // texts of their own
  CHECK_FALSE(is_number(table_of(column(1000, 30, 1)), "v"));   // codes
  CHECK(is_number(table_of(column(1000, 700, 1), {.missing = {"e0"}}), "v"));
  // Texts behind many numbers are judged alike.
  std::string late = "v,k\n";
  for (int row = 0; row < 2000; ++row) late += std::to_string(row) + ",a\n";
  for (int row = 0; row < 200; ++row) late += "error,a\n";
  CHECK(csv_error(late).starts_with(
      "read_csv: expected a number, as in 2000 of 2200 values of the column, but got 'error' in "
      "line 2002, column 1 ('v')"));
}

TEST_CASE("read_csv asks which mark is decimal where all may be those of thousands", "[data]") {
  const auto column = [](const std::string& mark, const std::string& last, int rows) {
    std::string text = "t;p\n";
    for (int row = 0; row < rows; ++row) {
      text += "5;1" + mark + std::to_string(100 + row) + "\n";
    }
    return text + "6;" + last + "\n";
  };
  CHECK(csv_error(column(",", "987", 30)) ==
        "read_csv: expected numbers that show which mark is decimal but got '1,100' in column 2 of "
        "t.csv, and three digits behind each other mark (is it 1.100? then --decimal ,; else "
        "remove the marks of thousands).");
  CHECK(csv_error(column(".", "987", 30)).find("but got '1.100'") != std::string::npos);
  CHECK(table_of(column(",", "0,500", 30)).column("p").numbers.back() == .5);
  CHECK(table_of(column(",", "2,5", 30)).column("p").numbers.front() == 1.1);
  CHECK(table_of(column(",", "987", 30), {.decimal = ','}).column("p").numbers.front() == 1.1);
  CHECK(table_of(column(",", "987", 10)).column("p").numbers.front() == 1.1);  // of a few rows
}

TEST_CASE("read_csv asks which mark is decimal where columns disagree", "[data]") {
  // Two columns of versions have more marks than the one of decimal commas.
  const auto rows = [](int count) {
    std::string text = "FW;Rev;Drehzahl;Temperatur;Zustand\n";
    for (int row = 0; row < count; ++row) {
      const auto digits = std::to_string(100 + row);
      text += "2." + std::to_string(row % 3) + ";1.0;" + (row % 2 == 0 ? "1." + digits : digits) +
              ";5" + std::to_string(row % 10) + "," + std::to_string(row) + ";gut\n";
    }
    return text;
  };
  CHECK(csv_error(rows(200)) ==
        "read_csv: expected numbers that show which mark is decimal but got '1.100' in column 3 "
        "('Drehzahl') and '50,0' in column 4 ('Temperatur') of t.csv (name the mark: --decimal , "
        "or --decimal .).");
  CHECK(csv_error(rows(8)) != "(no error)");
  CHECK(csv_error(rows(200), {.decimal = ','}) ==
        "read_csv: expected numbers without thousands separators but got '1.100' in column 3 "
        "('Drehzahl') of t.csv (remove the separators, or name the column as a text column: "
        "--text-columns 'Drehzahl').");
  const CsvOptions text{.decimal = ',', .text_columns = {"Drehzahl"}};
  CHECK(table_of(rows(200), text).column("Temperatur").numbers[1] == 51.1);
  // A model knows which columns hold numbers.
  const CsvOptions known{.kinds = {{"Temperatur", ColumnKind::kNumber}},
                         .other_kind = ColumnKind::kText};
  CHECK(table_of(rows(8), known).column("Temperatur").numbers[1] == 51.1);
  // Lists of codes show less than measurements do.
  std::string codes = "a;b;c\n";
  for (int row = 0; row < 60; ++row) {
    codes += "1." + std::to_string(100 + row) + ";" + std::to_string(row) + ".5;1," +
             std::to_string(row % 3) + "\n";
  }
  CHECK(table_of(codes).column("a").numbers[0] == 1.1);
}

TEST_CASE("read_csv asks for the mark of a column that most others do not have", "[data]") {
  // As many numbers with a point as with a comma, and more.
  for (const int with_points : {1, 2}) {
    std::string text = with_points == 1 ? "x;y;c\n" : "x;y;z;c\n";
    for (int row = 0; row < 100; ++row) {
      text += "1," + std::to_string(100 + row) + ";0.0" + std::to_string(row % 10) +
              (with_points == 1 ? ";a\n" : ";2.5;a\n");
    }
    CHECK(csv_error(text) ==
          "read_csv: expected numbers that show which mark is decimal but got '1,100' in column 1 "
          "('x') and '0.00' in column 2 ('y') of t.csv (name the mark: --decimal . or --decimal "
          ",).");
    CHECK(table_of(text, {.decimal = '.'}).column("y").numbers[3] == 0.03);
    CHECK(table_of(text, {.unused = {"x"}}).column("y").numbers[3] == 0.03);
  }
}

TEST_CASE("read_csv: a typesetter's minus shows no more of the decimal mark than others",
          "[data]") {
  for (const char* minus : {"-", "\xE2\x88\x92"}) {
    std::string text = "n;p\n";
    for (int row = 0; row < 60; ++row) text += "18." + std::to_string(582 + row) + ";x\n";
    text += std::string(minus) + "5.861;x\n";
    CHECK(csv_error(text).find("and three digits behind each other mark") != std::string::npos);
  }
}

TEST_CASE("read_csv: a column of texts decides no decimal mark", "[data]") {
  std::string text = "version;amount\n";
  for (int row = 0; row < 1200; ++row) text += "r" + std::to_string(row % 3) + ";322\n";
  text += "1.5;322,25\n";
  for (const auto& options : {CsvOptions{}, CsvOptions{.text_columns = {"version"}}}) {
    const Table table = table_of(text, options);
    REQUIRE(table.column("amount").kind == ColumnKind::kNumber);
    CHECK(table.column("amount").numbers.back() == 322.25);
  }
}

TEST_CASE("read_csv: blanks inside of quotes are around a number, not of it", "[data]") {
  const Table table = table_of("a,b,c\n\"  1\",\" x\",\" 7\"\n\" 2.5 \",y,inf\n3,y,\"\t8\"\n",
                               {.kinds = {{"c", ColumnKind::kText}}});
  REQUIRE(table.column("a").kind == ColumnKind::kNumber);
  CHECK(table.column("a").numbers == std::vector<double>{1, 2.5, 3});
  CHECK(table.column("b").kind == ColumnKind::kText);
  CHECK(table.column("b").levels.front() == " x");  // texts keep theirs
  CHECK(table.column("c").levels.front() == " 7");
  // Below rows without quotes, and as a missing value that was named.
  std::string text = "n\n";
  for (int row = 0; row < 1500; ++row) text += std::to_string(row) + "\n";
  const Table late = table_of(text + "\" 7.5\"\n\" -999 \"\n", {.missing = {"-999 "}});
  REQUIRE(late.column("n").kind == ColumnKind::kNumber);
  CHECK(late.column("n").numbers[1500] == 7.5);
  CHECK(std::isnan(late.column("n").numbers[1501]));
}

TEST_CASE("read_csv: no-break spaces are around a number, not of it", "[data]") {
  const std::string space = "\xC2\xA0", narrow = "\xE2\x80\xAF";
  std::string text = "a,b\n";  // as copied from a page: one behind each number
  for (int row = 0; row < 60; ++row)
    text += std::to_string(row) + ".5" + space + ",x" + space + "\n";
  const Table table =
      table_of(text + narrow + "7 " + space + "," + space + "\nNA" + space + ",x\n");
  REQUIRE(table.column("a").kind == ColumnKind::kNumber);
  CHECK(table.column("a").numbers[59] == 59.5);
  CHECK(table.column("a").numbers[60] == 7);
  CHECK(std::isnan(table.column("a").numbers[61]));
  CHECK(table.column("b").levels == Texts{"x" + space, "x"});  // texts keep theirs
  CHECK(table.column("b").codes[60] == -1);                    // a cell of nothing else is empty
  // A decimal comma is seen as well.
  CHECK(table_of("a;b\n1,5" + space + ";2\n2,25" + space + ";3\n").column("a").numbers ==
        std::vector<double>{1.5, 2.25});
}

TEST_CASE("read_csv takes True and False for 1 and 0 where numbers are known", "[data]") {
  const CsvOptions known{.kinds = {{"on", ColumnKind::kNumber}}};
  CHECK(table_of("on\nTrue\nfalse\n\" TRUE \"\n1\n", known).column("on").numbers ==
        std::vector<double>{1, 0, 1, 1});
  CHECK(csv_error("on\nyes\n1\n", known).find("expected a number but got 'yes'") !=
        std::string::npos);
  CHECK_FALSE(is_number(table_of("on\nTrue\nfalse\n"), "on"));
}

TEST_CASE("read_csv: a text that is named as missing may have blanks around it", "[data]") {
  const Table table = table_of("a\n-\nx\n", {.missing = {" - "}});
  CHECK(table.missing == Texts{"-"});  // as models and their exports keep it
  CHECK(table.column("a").codes == std::vector<int32_t>{-1, 0});
  // With a typesetter's minus 0999 stays a code.
  const Table codes = table_of(
      "a\n\xE2\x88\x92"
      "999\n\xE2\x88\x92"
      "0999\nx\n",
      {.missing = {"-999"}});
  CHECK(codes.column("a").codes == std::vector<int32_t>{-1, 0, 1});
}

TEST_CASE("read_csv: a note for Excel names a delimiter or nothing", "[data]") {
  for (const std::string end : {"\n", "\r\n"}) {
    const Table table = table_of("sep=" + end + "a,b" + end + "1,p" + end + "2,q" + end);
    CHECK(names_of(table) == Texts{"a", "b"});
    CHECK(table.column("a").numbers == std::vector<double>{1, 2});
  }
  CHECK(names_of(table_of("sep=;\na;b\n1;p\n2;q\n")) == Texts{"a", "b"});
  // A digit or a quote is none, so the line is one of the table.
  const Table noted = table_of("sep=1\n5\n6\n");
  CHECK(names_of(noted) == Texts{"sep=1"});
  CHECK(noted.column("sep=1").numbers == std::vector<double>{5, 6});
}

TEST_CASE("read_csv takes marks for those of thousands that only larger numbers have", "[data]") {
  const auto rows = [](const std::string& odd) {
    std::string text = "FW;n\n";
    for (int row = 0; row < 40; ++row) {
      text += "2.1;" + (row % 2 == 0 ? "1." : std::string()) + std::to_string(100 + row) + "\n";
    }
    return text + "2.0;" + odd + "\n";
  };
  CHECK(csv_error(rows("987"))
            .starts_with("read_csv: expected numbers that show which mark is decimal but got "
                         "'1.100' beside '"));
  CHECK(csv_error(rows("987"))
            .ends_with("in column 2 ('n') of t.csv, and three digits behind each other mark (is it "
                       "1.100? then "
                       "--decimal .; else remove the marks of thousands)."));
  CHECK(table_of(rows("2.5")).column("n").numbers[0] == 1.1);
  CHECK(table_of(rows("4000")).column("n").numbers[0] == 1.1);
  CHECK(table_of(rows("987"), {.decimal = '.'}).column("n").numbers[0] == 1.1);
  CHECK(table_of(rows("987"), {.unused = {"n"}}).column("n").numbers[0] == 1.1);
}

TEST_CASE("read_csv refuses numbers that may be thousands where whole numbers are known",
          "[data]") {
  const CsvOptions known{.kinds = {{"n", ColumnKind::kNumber}, {"t", ColumnKind::kNumber}},
                         .other_kind = ColumnKind::kText,
                         .whole_numbers = {"n"}};
  CHECK(csv_error("n;t;k\n875;43;a\n14.531;43;a\n", known) ==
        "read_csv: expected whole numbers, as in training, but got '14.531' in line 3, column 1 "
        "('n') of t.csv (is it 14531? then remove the marks of thousands; is it 14.531? then "
        "--decimal .).");
  CHECK(csv_error("n;t;k\n14,531;43;a\n875;43;a\n", known).find("is it 14531?") !=
        std::string::npos);
  CHECK(csv_error("n\tt\n14.531\t43\n", known).find("is it 14531?") != std::string::npos);
  // Another number shows what the mark is, and so does the comma between cells.
  CHECK(table_of("n;t\n14.531;43.5\n", known).column("n").numbers[0] == 14.531);
  CHECK(table_of("n;t\n14.531;43\n2.5;43\n", known).column("n").numbers[0] == 14.531);
  CHECK(table_of("n,t\n14.531,43\n", known).column("n").numbers[0] == 14.531);
  auto told = known;
  told.decimal = '.';
  CHECK(table_of("n;t\n14.531;43\n", told).column("n").numbers[0] == 14.531);
  // A text column of versions shows nothing.
  CHECK(csv_error("n;t;k\n14.531;43;2.1\n", known).find("is it 14531?") != std::string::npos);

  SlowText slow({"n;t\n7;43\n", "14.531;43\n"});
  std::istream in(&slow);
  CsvReader reader(in, "rows", known);
  CHECK(reader.next(10)->rows == 1);
  CHECK(error_text([&] { reader.next(10); }).find("but got '14.531' in line 3") !=
        std::string::npos);
}

TEST_CASE("read_csv takes the usual decimal mark where a file shows none", "[data]") {
  const CsvOptions usual{.usual_decimal = ','};
  CHECK(table_of("a\tb\n1,234\t2\n", usual).column("a").numbers[0] == 1.234);
  CHECK(table_of("a,b\n\"1,234\",2\n", usual).column("a").numbers[0] == 1.234);
  CHECK(table_of("a,b\n\"1,5\",2\n", usual).column("a").numbers[0] == 1.5);
  CHECK(table_of("a;b\n1.5;2\n2.25;3\n", usual).column("a").numbers[1] == 2.25);
  CHECK(table_of("a,b\n1.5,2\n", usual).column("a").numbers[0] == 1.5);
  std::string many = "a;b\n";
  for (int row = 0; row < 30; ++row) many += "1," + std::to_string(100 + row) + ";2\n";
  CHECK(table_of(many, usual).column("a").numbers[0] == 1.1);
  const Table table = table_of("a;b\n1,5;2\n");
  CHECK(table.decimal == ',');
  CHECK_FALSE(table.decimal_given);
  CHECK(table_of("a;b\n1,5;2\n", {.decimal = ','}).decimal_given);
}

TEST_CASE("read_csv refuses columns of numbers in another spelling", "[data]") {
  const auto column = [](const auto& cell, const std::string& first = "2,5") {
    std::string text = "a;v\n";
    for (int row = 0; row < 400; ++row) {
      text += first + ";" + (row % 10 == 9 ? std::string() : cell(row)) + "\n";
    }
    return text;
  };
  const auto number = [](int row) { return 500 + row * 37 % 9000; };
  const auto grouped = [&](const std::string& separator) {
    return [=](int row) {
      const auto text = std::to_string(number(row));
      return text.size() < 4 ? text : text.substr(0, 1) + separator + text.substr(1);
    };
  };
  const std::string thousands = "read_csv: expected numbers without thousands separators but got '";
  const std::string hint =
      "' in column 2 ('v') of t.csv (remove the separators, or name the column as a text column: "
      "--text-columns 'v').";
  for (const std::string separator : {".", "'", "\xE2\x80\x99", " ", "\xC2\xA0", "\xE2\x80\xAF"}) {
    INFO(separator);
    CHECK(csv_error(column(grouped(separator))) == thousands + "1" + separator + "018" + hint);
  }
  CHECK(csv_error(column([&](int row) { return grouped(",")(row) + ".5"; }, "2.5")) ==
        thousands + "1,018.5" + hint);
  const auto with = [&](const std::string& unit) {
    return [=](int row) { return std::to_string(number(row)) + unit; };
  };
  CHECK(csv_error(column(with(",9 %"))) ==
        "read_csv: expected numbers without units but got '500,9 %' in column 2 ('v') of t.csv "
        "(remove the unit, or name the column as a text column: --text-columns 'v').");
  CHECK(csv_error(column(with(" mm"))).find("but got '500 mm'") != std::string::npos);
  CHECK(csv_error(column(with(",5mm"))).find("but got '500,5mm'") != std::string::npos);
  CHECK(csv_error(column(with("-")))
            .starts_with(
                "read_csv: expected numbers with the sign in front but got '500-' in column 2"));
  // The other mark, in a file of more points than commas.
  std::string mixed = "FW;Temperatur\n";
  for (int row = 0; row < 400; ++row) {
    mixed += "2." + std::to_string(row % 3) + ";" +
             (row % 50 == 0 ? "" : std::to_string(40 + row % 9) + "," + std::to_string(10 + row)) +
             "\n";
  }
  CHECK(csv_error(mixed) ==
        "read_csv: expected numbers with a decimal point, as '2.0' in column 1 ('FW'), but got "
        "'41,11' in column 2 ('Temperatur') of t.csv (is the comma the decimal mark? "
        "then --decimal ,; else name the column as a text column: --text-columns 'Temperatur').");
  CHECK(is_number(table_of(mixed, {.decimal = ','}), "Temperatur"));

  // Behind many numbers.
  std::string late = "a;v\n";
  for (int row = 0; row < 1500; ++row) late += "2,5;" + std::to_string(row % 1000) + "\n";
  for (int row = 0; row < 1500; ++row) late += "2,5;1." + std::to_string(100 + row % 900) + "\n";
  CHECK(csv_error(late) == thousands + "1.100" + hint);

  // Texts that are none of these, and columns that nobody needs.
  CHECK_FALSE(is_number(table_of(column(with("A"))), "v"));  // codes
  CHECK_FALSE(is_number(table_of(column([](int row) {
                          return std::to_string(row % 28 + 1) + "." + std::to_string(row % 12 + 1);
                        })),
                        "v"));  // days
  CHECK_FALSE(is_number(table_of(column([](int row) {
                          return std::to_string(100 + row) + "." + std::to_string(999 - row);
                        })),
                        "v"));  // codes of one length, each once
  CHECK_FALSE(is_number(table_of(column([](int row) {
                          return std::to_string(row % 24) + ":" + std::to_string(10 + row % 50);
                        })),
                        "v"));
  CHECK_FALSE(is_number(table_of(column([&](int row) { return with(" mm")(row % 40); })), "v"));
  CHECK_FALSE(is_number(table_of(column(grouped("'")), {.unused = {"v"}}), "v"));
}

TEST_CASE("read_csv says what keeps a text from being a number that a model expects", "[data]") {
  const auto hint = [](const std::string& cell) {
    const auto text =
        csv_error("t;v\n2,5;1\n2,5;" + cell + "\n",
                  {.kinds = {{"t", ColumnKind::kNumber}, {"v", ColumnKind::kNumber}}});
    return text.substr(std::min(text.find('('), text.size()));
  };
  CHECK(hint("19.435") == "('v') of t.csv (remove the separators of thousands).");
  CHECK(hint("12 mm") == "('v') of t.csv (remove the unit).");
  CHECK(hint("12-") == "('v') of t.csv (move the sign to the front).");
  CHECK(hint("1.5") == "('v') of t.csv (is the point the decimal mark? then --decimal .).");
  CHECK(hint("a,b") == "('v') of t.csv (name the text as a missing value: --missing 'a\\,b').");
}

TEST_CASE("read_csv refuses the line of names among the rows", "[data]") {
  std::string rows;
  for (int row = 0; row < 60; ++row) rows += std::to_string(row) + ",2.5,gut\n";
  const std::string names = "nr,t,state\n";
  CHECK(csv_error(names + rows + names + rows) ==
        "read_csv: expected rows below the names of the columns but got the names again in line "
        "62 of t.csv (remove the line).");
  std::string many;
  for (int i = 0; i < 40; ++i) many += rows;
  CHECK(csv_error(names + many + names).find("the names again in line 2402") != std::string::npos);
  // A first row that comes again is no line of names.
  CHECK(table_of("apple,big\nplum,small\napple,big\n").rows == 3);
  CHECK(table_of("a\nb\na\n", {.header = true}).rows == 2);
}

TEST_CASE("read_csv names a line of units at once", "[data]") {
  std::string rows;
  for (int row = 0; row < 200; ++row) {
    rows += std::to_string(row) + "," + std::to_string(row) + ".5," + std::to_string(row) + ",a\n";
  }
  CHECK(csv_error("nr,t,p,state\n,°C,bar,\n" + rows) ==
        "read_csv: expected numbers, as in the other lines, but got '°C' and 'bar' in line 2 of "
        "t.csv (remove the line if it holds units; --missing names texts of missing values).");
  CHECK(csv_error("nr,t,p,state\n1,°C,bar,Text\n" + rows).find("'°C' and 'bar' in line 2") !=
        std::string::npos);
  CHECK(csv_error("nr,t,p,state\n1,error,error,\n" + rows).find("--missing 'error'") !=
        std::string::npos);
  CHECK(csv_error("nr,t,p,state\nh,°C,bar,\n" + rows).find("'h', '°C' and 1 more in line 2") !=
        std::string::npos);
}

TEST_CASE("read_csv says how a command line writes a name with a comma", "[data]") {
  CHECK(csv_error("\"p, bar\",b\n1,2\n", {.text_columns = {"bar"}}) ==
        "read_csv: expected a column 'bar' in t.csv but got none (in a list, a comma of a name has "
        "a backslash: 'p\\, bar').");
}

TEST_CASE("read_csv names lines above the header", "[data]") {
  const std::string rows = "a,b,c\n1,2,x\n3,4,y\n5,6,x\n";
  const std::string sentence =
      "read_csv: expected the names or the first row of a table but got '# of a tool' above rows "
      "of 3 cells in t.csv (remove the lines above the header).";
  CHECK(csv_error("# of a tool\n" + rows) == sentence);
  CHECK(csv_error("# of a tool\n\nmore\n" + rows) == sentence);
  auto others = rows;
  std::replace(others.begin(), others.end(), ',', ';');
  CHECK(csv_error("# of a tool\n" + others) == sentence);
  CHECK(csv_error("# of a tool\n" + others, {.delimiter = ';'}) == sentence);
  // A comment that has a delimiter in it.
  CHECK(csv_error("# of a tool; 2024\n# by me\n" + others) == sentence);
  CHECK(csv_error("# of a tool, 2024\n" + rows) == sentence);
  CHECK(csv_error("# of a tool, 2024\n" + others)
            .starts_with(
                "read_csv: expected the names or the first row of a table but got '# of a tool"));
  CHECK(names_of(table_of("#id,text\n1,a;b;c\n2,c;d;e\n3,e;f;g\n")) == Texts{"#id", "text"});
  CHECK(table_of("one\nhello\nworld\nand more\n").rows == 3);
}

TEST_CASE("read_csv says where a first line that holds names was read as a row", "[data]") {
  const std::string years = "2019,2020,2021,state\n1,2,3,a\n4,5,6,b\n";
  const Table table = table_of(years);
  CHECK(table.is_first_line_row);
  CHECK(error_text([&] { table.column("state"); }) ==
        "Table: expected a column 'state' in t.csv but found none (the first line was read as a "
        "row; --header yes takes it for names).");
  CHECK(csv_error(years, {.text_columns = {"state"}}) ==
        "read_csv: expected a column 'state' in t.csv but got none (the first line was read as a "
        "row; --header yes takes it for names).");
  CHECK(table_of(years, {.header = true}).find("state") == 3);
  CHECK_FALSE(table_of(years, {.header = false}).is_first_line_row);
}

TEST_CASE("read_csv keeps the texts of a column that begins with numbers", "[data]") {
  // The first text comes behind the rows by which kinds are guessed, and behind the first block.
  std::string bytes = "code,empty,n\n";
  const int rows = 200'000;
  for (int row = 0; row < rows; ++row) {
    bytes += (row < rows - 9000 ? "007" : "A7") + std::string(row < rows - 1 ? ",,5\n" : ",z,5\n");
  }
  const Table table = table_of(bytes);
  CHECK(table.rows == rows);
  CHECK(table.column("code").levels == Texts{"007", "A7"});
  CHECK(table.column("code").codes.front() == 0);
  CHECK(table.column("code").codes.back() == 1);
  CHECK(table.column("empty").levels == Texts{"z"});
  CHECK(table.column("empty").codes.front() == -1);
  CHECK(table.column("empty").codes.back() == 0);
  CHECK(is_number(table, "n"));
}

TEST_CASE("read_csv reads kinds that it is given", "[data]") {
  const CsvOptions options{.text_columns = {"zip"},
                           .kinds = {{"n", ColumnKind::kNumber}, {"other", ColumnKind::kText}}};
  const Table given = table_of("zip,n,k\n01,,7\n02,,7\n", options);
  CHECK(cells_of(given, "zip") == Texts{"01", "02"});
  CHECK(is_number(given, "n"));
  CHECK(is_number(given, "k"));
  CHECK_FALSE(is_number(table_of("a,b\n1,2\n", {.other_kind = ColumnKind::kText}), "a"));
  CHECK(csv_error("size,b\n1,2\n", {.text_columns = {"sise"}}) ==
        "read_csv: expected a column 'sise' in t.csv but got none (did you mean 'size'?).");
}

TEST_CASE("read_csv refuses options that contradict", "[data]") {
  CHECK(csv_error("a\n1\n", {.delimiter = '"'}) ==
        "read_csv: expected a delimiter such as , or ; or a tab but got character 34.");
  CHECK(csv_error("a\n1\n", {.decimal = 'x'}) ==
        "read_csv: expected '.' or ',' as decimal mark but got 'x'.");
  CHECK(csv_error("a\n1\n", {.delimiter = ',', .decimal = ','}) ==
        "read_csv: expected a decimal mark that is not the delimiter but got ',' for both.");
}

TEST_CASE("read_csv refuses cells, rows and tables that are too large", "[data]") {
  CHECK(csv_error("a,b\n1," + std::string((1 << 20) + 1, 'x') + "\n") ==
        "read_csv: expected cells of at most 1 MiB but got a longer one in line 2, column 2 ('b') "
        "of t.csv.");
  CHECK(table_of("a,b\n1," + std::string(1 << 20, 'x') + "\n").column("b").levels[0].size() ==
        1 << 20);
  CHECK(csv_error(std::string(100'000, ',') + "\n") ==
        "read_csv: expected at most 100000 columns but got more in line 1 of t.csv (is the "
        "delimiter really ','?).");
  std::string row;
  for (int cell = 0; cell < 65; ++cell) row += std::string((1 << 20) - 1, 'x') + ",";
  CHECK(csv_error("a,b\n1,2\n" + row) ==
        "read_csv: expected rows of at most 64 MiB but got a longer one in line 3 of t.csv (is it "
        "a file of another kind?).");
}

TEST_CASE("read_csv reads gzip data, also several members", "[data]") {
  std::string text = "a,b\n";
  for (int row = 0; row < 50'000; ++row) text += std::to_string(row) + ",x\n";
  for (const std::string& bytes :
       {gzip_bytes(text), gzip_bytes(text.substr(0, 7)) + gzip_bytes(text.substr(7)),
        gzip_bytes(text) + std::string(512, '\0')}) {
    const Table table = table_of(bytes);
    CHECK(table.rows == 50'000);
    CHECK(table.column("a").numbers.back() == 49'999);
  }
  const std::string whole = gzip_bytes(text);
  const std::string size = std::to_string(whole.size() - 5);
  CHECK(csv_error(whole.substr(0, whole.size() - 5)) ==
        "read_csv: expected a table in t.csv but its gzip data ends after " + size +
            " bytes (fetch the file again).");
  std::string changed = whole;
  changed[changed.size() - 5] ^= 1;
  CHECK(csv_error(changed).find("read_csv: expected a table in t.csv but its gzip data is damaged "
                                "near byte ") == 0);
  CHECK(csv_error(whole + "more") ==
        "read_csv: expected a table in t.csv but other bytes follow its gzip data from byte " +
            std::to_string(whole.size()) + " on (fetch the file again).");
  CHECK(csv_error(gzip_bytes("")) == "read_csv: expected a table but got an empty file at t.csv.");
}

TEST_CASE("read_csv holds no more of a small gzip file than its caps", "[data]") {
  // Of one cell, of empty columns, of empty lines.
  const size_t million = size_t{1} << 20;
  CHECK(csv_error(gzip_bytes(std::string(64 * million, 'x'))) ==
        "read_csv: expected cells of at most 1 MiB but got a longer one in line 1, column 1 of "
        "t.csv.");
  CHECK(csv_error(gzip_bytes(std::string(8 * million, ','))) ==
        "read_csv: expected at most 100000 columns but got more in line 1 of t.csv (is the "
        "delimiter really ','?).");
  CHECK(csv_error(gzip_bytes("a,b\n" + std::string(100 * million, '\n') + "1\n")) ==
        "read_csv: expected 2 columns, as in line 1, but got 1 in line " +
            std::to_string(100 * million + 2) +
            " of t.csv (the delimiter is ','; quote cells that hold it).");
}

TEST_CASE("CsvReader gives blocks of the rows of read_csv", "[data]") {
  const TemporaryFolder folder;
  std::string text = "id,n,k\n";
  for (int row = 0; row < 100'000; ++row) {
    text += "r" + std::to_string(row) + "," + std::to_string(row * .5) + ",k" +
            std::to_string(row % 3) + "\n";
  }
  const auto path = write_file(folder / "t.csv", text);
  const Table whole = read_csv(path);
  for (const int64_t most : {int64_t{1} << 40, int64_t{1000}, int64_t{7}}) {
    CsvReader reader(path);
    CHECK(reader.names() == Texts{"id", "n", "k"});
    int64_t row = 0;
    bool equal = true;
    while (const auto block = reader.next(most)) {
      REQUIRE(block->rows >= 1);
      REQUIRE(block->rows <= most);
      REQUIRE((block->rows == most || row + block->rows == whole.rows));
      REQUIRE(block->source == path.string());
      for (int64_t r = 0; r < block->rows; ++r, ++row) {
        for (size_t c = 0; c < 3; ++c) {
          equal = equal && cell_text(block->columns[c], r) == cell_text(whole.columns[c], row);
        }
      }
    }
    CHECK(equal);
    CHECK(row == whole.rows);
    CHECK_FALSE(reader.next(most).has_value());
  }
  CsvReader reader(path);
  CHECK(error_text([&] { reader.next(0); }) ==
        "CsvReader: expected at least 1 row a block but got 0.");
}

TEST_CASE("CsvReader gives rows of a slow stream as they come", "[data]") {
  SlowText slow({"a,b\n1,x\n2,", "y\n", "3,z\n4,w\n5,v", "\n6,u"});
  std::istream in(&slow);
  CsvReader reader(in, "standard input");
  CHECK(slow.given() == 1);
  const auto first = reader.next(100);
  REQUIRE(first.has_value());
  CHECK(first->rows == 1);
  CHECK(first->source == "standard input");
  CHECK(slow.given() == 1);
  CHECK(cells_of(*reader.next(100), "b") == Texts{"y"});
  CHECK(slow.given() == 2);
  CHECK(cells_of(*reader.next(100), "b") == Texts{"z", "w"});
  CHECK(cells_of(*reader.next(100), "b") == Texts{"v"});
  CHECK(cells_of(*reader.next(100), "b") == Texts{"u"});
  CHECK_FALSE(reader.next(100).has_value());
}

TEST_CASE("CsvReader gives rows of a pipe as they come", "[data]") {
  const TemporaryFolder folder;
  const auto path = folder / "pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const int writer = ::open(path.c_str(), O_RDWR);
  REQUIRE(writer >= 0);
  const auto write_text = [&](const std::string& text) {
    REQUIRE(::write(writer, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  };
  write_text("a,b\r\n1,2\r\n3,");
  CsvReader reader(path, {.kinds = {{"a", ColumnKind::kNumber}}});
  CHECK(reader.next(100)->rows == 1);
  write_text("4\r\n5,6\r\n");
  CHECK(reader.next(100)->column("a").numbers == std::vector<double>{3, 5});
  ::close(writer);
  CHECK_FALSE(reader.next(100).has_value());
}

TEST_CASE("CsvReader refuses a text where the first rows are numbers", "[data]") {
  std::string text = "a,b\n";
  for (int row = 0; row < 300'000; ++row) text += "1,2\n";
  text += "1,oops\n";
  const auto last_error = [&](const CsvOptions& options) {
    std::istringstream in(text);
    CsvReader reader(in, "rows", options);
    return error_text([&] {
      while (reader.next(1000)) {
      }
    });
  };
  CHECK(last_error({}) ==
        "read_csv: expected a number, as in the rows before, but got 'oops' in line 300002, column "
        "2 ('b') of rows (name the text as a missing value, or the column as a text column).");
  CHECK(last_error({.missing = {"oops"}}) == "(no error)");
  CHECK(last_error({.other_kind = ColumnKind::kText}) == "(no error)");
}
