#include "ladder/data/class_labels.h"

#include <torch/torch.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/data/label_column.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

namespace {

namespace data = ladder::data;
using ladder::testing::error_text;
using ladder::testing::number_labels;
using ladder::testing::require_equal;
using ladder::testing::row_list;
using ladder::testing::text_labels;

}  // namespace

TEST_CASE("Class labels: texts are sorted by bytes, empty ones and -1 have no label", "[data]") {
  auto column = text_labels({"pear", "", "apple", "-1", "Pear", "pear"});
  column.codes.push_back(-1);
  const auto found = data::class_labels(column);
  CHECK(found.classes == std::vector<std::string>{"Pear", "apple", "pear"});
  require_equal(found.labels, row_list({2, -1, 1, -1, 0, 2, -1}));
}

TEST_CASE("Class labels: -1 is no label however it is written", "[data]") {
  const auto found = data::class_labels(text_labels({"1.0", "-1.0", "0.0", "-1.000e+00", "-1"}));
  CHECK(found.classes == std::vector<std::string>{"0.0", "1.0"});
  require_equal(found.labels, row_list({1, -1, 0, -1, -1}));
  for (const char* text : {"-1x", "-10", "1", "- 1", "-"}) {
    CAPTURE(text);
    CHECK_FALSE(data::is_unlabeled(text));
  }
}

TEST_CASE("Class labels: a number may have a typesetter's minus", "[data]") {
  const std::string minus = "\xE2\x88\x92";
  const auto found = data::class_labels(text_labels({"2", minus + "1", minus + "2", "-2", "3"}));
  CHECK(found.classes.size() == 3);
  require_equal(found.labels, row_list({1, -1, 0, 0, 2}));
  CHECK_FALSE(data::is_unlabeled("+1"));
  CHECK_FALSE(data::is_unlabeled("-" + minus + "1"));
}

TEST_CASE("Class labels: a text that no row has is no class", "[data]") {
  data::Column column{.name = "y", .kind = data::ColumnKind::kText};
  column.levels = {"a", "b", "c"};
  column.codes = {0, 1, -1};
  const auto found = data::class_labels(column);
  CHECK(found.classes == std::vector<std::string>{"a", "b"});
  require_equal(found.labels, row_list({0, 1, -1}));
}

TEST_CASE("Class labels: those of other names are found by name", "[data]") {
  const std::vector<std::string> classes = {"apple", "fig", "pear"};
  require_equal(data::relabeled(row_list({0, 1, -1, 1}), {"pear", "apple"}, classes, "fruit"),
                row_list({2, 0, -1, 0}));
  // Labels that have no name stand for none.
  require_equal(data::relabeled(row_list({1, 2, -5}), {"pear", "apple"}, classes, "fruit"),
                row_list({0, -1, -1}));
  require_equal(data::relabeled(row_list({}), {"pear"}, classes, "fruit"), row_list({}));
  CHECK(error_text([&] { data::relabeled(row_list({0}), {"pea"}, classes, "fruit"); }) ==
        "relabeled: expected known classes in fruit but got 'pea' (did you mean 'pear'?).");
}

TEST_CASE("Class labels: names that are numbers are sorted by value", "[data]") {
  CHECK(data::class_labels(text_labels({"10", "9", "-2.5"})).classes ==
        std::vector<std::string>{"-2.5", "9", "10"});
  const double none = std::numeric_limits<double>::quiet_NaN();
  const auto found = data::class_labels(number_labels({3, none, 1, -1, 10}));
  CHECK(found.classes == std::vector<std::string>{"1", "3", "10"});
  require_equal(found.labels, row_list({1, -1, 0, -1, 2}));
}

TEST_CASE("Class labels: names what is missing", "[data]") {
  CHECK(error_text([] {
          data::class_labels(text_labels({"", "-1"}));
        }) ==
        "class_labels: expected labels in column 'kind' but got none (each value is missing or "
        "-1).");
  CHECK(error_text([] {
          data::class_labels(text_labels({"a", "", "a"}));
        }) == "class_labels: expected at least 2 classes in column 'kind' but got only 'a'.");
  const std::string lonely =
      "class_labels: expected at least 2 classes in column 'kind' but got only '1' (-1 means no "
      "label: ";
  CHECK(error_text([] {
          data::class_labels(text_labels({"1", "-1", "-1.0", "1", "", "-1"}));
        }) == lonely + "3 rows; write the class another way).");
  CHECK(error_text([] {
          data::class_labels(number_labels({1, 1, -1}));
        }) == lonely + "1 row; write the class another way).");
  CHECK(error_text([] {
          data::labels_of(text_labels({"pear", "aple"}), {"apple", "pear"});
        }) ==
        "labels_of: expected a known class but got 'aple' in row 2 of column 'kind' (did you mean "
        "'apple'?).");
  CHECK(error_text([] {
          data::labels_of(text_labels({"strange"}), {"bad", "ok", "warn"});
        }) ==
        "labels_of: expected a known class but got 'strange' in row 1 of column 'kind' (there are "
        "'bad', 'ok', 'warn').");
}

TEST_CASE("Class labels: refuses numbers that are a quantity, and takes numbers of classes",
          "[data]") {
  std::vector<double> prices, numbers_of_classes, ratings;
  for (int i = 0; i < 30; ++i) {
    prices.push_back(1000 + 137 * i);
    numbers_of_classes.push_back(i);
    ratings.push_back(i % 9 / 2.0);
  }
  CHECK(error_text([&] { data::class_labels(number_labels(prices)); }) ==
        "class_labels: expected classes but got 30 different numbers in 30 labeled rows of column "
        "'kind' (regression is not supported; replace numbers with names of ranges, such as low "
        "and high).");
  auto fractions = numbers_of_classes;
  for (auto& value : fractions) value += 0.25;
  CHECK(error_text([&] {
          data::class_labels(number_labels(fractions));
        }).find("expected classes but got 30 different numbers") != std::string::npos);
  CHECK(data::class_labels(number_labels(numbers_of_classes)).classes.size() == 30);
  CHECK(data::class_labels(number_labels(ratings)).classes.size() == 9);
  const auto with_commas = [](int count) {
    std::vector<std::string> values;
    for (int i = 0; i < count; ++i) {
      values.push_back(std::to_string(20 + i) + "," + std::to_string(i % 7));
    }
    return values;
  };
  CHECK(error_text([&] { data::class_labels(text_labels(with_commas(30))); }) ==
        "class_labels: expected classes but got 30 different numbers in 30 labeled rows of column "
        "'kind' (regression is not supported; replace numbers with names of ranges, such as low "
        "and high).");
  CHECK(data::class_labels(text_labels(with_commas(9))).classes.size() == 9);
  std::vector<double> measured, sizes;  // many rows of each
  for (int i = 0; i < 400; ++i) {
    measured.push_back(.01 * (i % 92) - .3);
    sizes.push_back(i % 40 / 2.0);
  }
  CHECK(error_text([&] { data::class_labels(number_labels(measured)); })
            .starts_with("class_labels: expected classes but got 92 different numbers in 400 "
                         "labeled rows of column 'kind' (regression is not supported;"));
  CHECK(data::class_labels(number_labels(sizes)).classes.size() == 40);
  auto twice = prices;
  twice.insert(twice.end(), prices.begin(), prices.end());
  CHECK(data::class_labels(number_labels(twice)).classes.size() == 30);
}

TEST_CASE("Class labels: refuses several labels in a cell, and takes names with separators",
          "[data]") {
  const auto error = [](const std::vector<std::string>& cells) {
    return error_text([&] { data::class_labels(text_labels(cells)); });
  };
  CHECK(error({"a", "b", "a;b", ""}) ==
        "class_labels: expected one class in each row but got 'a;b' in column 'kind' (several "
        "labels a row are not supported; make a column of each label and train one model for "
        "each).");
  CHECK(error({"red | round", "round|small", "red|small"}).find("but got 'red | round'") !=
        std::string::npos);
  CHECK(error({"x, y", "x", "y"}).find("but got 'x, y'") != std::string::npos);
  CHECK(data::class_labels(text_labels({"Paris, France", "Lyon, France", "Rome"})).classes.size() ==
        3);
  CHECK(data::class_labels(text_labels({"a;", "b;", ";"})).classes.size() == 3);
  // Commas of decimals are no separators.
  CHECK(data::class_labels(text_labels({"1", "1,5", "2", "2,5"})).classes.size() == 4);
  CHECK(data::class_labels(text_labels({"1,1", "1,2", "2,1", "2,2"})).classes.size() == 4);
  CHECK(error({"1", "2", "1,2"}).find("but got '1,2'") != std::string::npos);
  CHECK(error({"1", "2", "3", "1,2,3"}).find("but got '1,2,3'") != std::string::npos);
  CHECK(data::class_labels(text_labels({"1", "2", "1,2", "1.2"})).classes ==
        std::vector<std::string>{"1", "1.2", "2"});
}

TEST_CASE("Class labels: those that were read in another way are checked alike", "[data]") {
  data::ClassLabels found{.classes = {"a", "b"}, .labels = row_list({0, 1, 1})};
  CHECK_NOTHROW(data::check_class_labels(found, "kind"));
  found.classes.push_back("a;b");
  CHECK(error_text([&] {
          data::check_class_labels(found, "kind");
        }).starts_with("class_labels: expected one class in each row but got 'a;b'"));
  found.classes = {"a"};
  CHECK(error_text([&] { data::check_class_labels(found, "kind"); }) ==
        "class_labels: expected at least 2 classes in column 'kind' but got only 'a'.");
}

TEST_CASE("Numbers of one value are one class, however they are written", "[data]") {
  CHECK(data::ordered_classes({"1.0", "0", "1", "10", "2.50", "2.5"}) ==
        std::vector<std::string>{"0", "1", "2.5", "10"});
  CHECK(data::ordered_classes({"01", "1", "2"}).size() == 3);  // 01 is a code
  CHECK(data::ordered_classes({"1", "01", "1.0"}) == std::vector<std::string>{"1", "01"});
  data::Column column{
      .name = "y", .kind = data::ColumnKind::kText, .levels = {"0.0", "1.0", "-1.0"}};
  column.codes = {0, 1, 2, 0};
  CHECK(torch::equal(data::labels_of(column, {"0", "1"}), torch::tensor({0, 1, -1, 0})));
  CHECK(torch::equal(data::labels_of(column, {"0.0", "1.0"}), torch::tensor({0, 1, -1, 0})));
  column.levels = {"0", "1e0", "-1"};
  CHECK(torch::equal(data::class_labels(column).labels, torch::tensor({0, 1, -1, 0})));
}

TEST_CASE("Class labels: long numbers are names", "[data]") {
  const std::vector<std::string> names = {"9007199254740992", "9007199254740993",
                                          "9007199254740995"};
  const auto found = data::class_labels(text_labels(names));
  CHECK(found.classes == names);
  require_equal(found.labels, row_list({0, 1, 2}));
  CHECK(data::ordered_classes({"123456789012345", "123456789012345.000"}).size() == 1);
  CHECK(data::ordered_classes({"1234567890123456", "1234567890123456.0"}).size() == 2);
  CHECK(data::ordered_classes({"0.00000000000000000001", "1e-20"}).size() == 1);
}

TEST_CASE("Class labels: numbers with either decimal mark are one class", "[data]") {
  const auto found = data::class_labels(text_labels({"1,0", "2.0", "1.0", "-1,0", "2,0", "2,5"}));
  CHECK(found.classes == std::vector<std::string>{"1.0", "2.0", "2,5"});
  require_equal(found.labels, row_list({0, 1, 0, -1, 1, 2}));
  require_equal(data::labels_of(text_labels({"2", "1.00", "2.5"}), found.classes),
                row_list({1, 0, 2}));
  require_equal(data::labels_of(text_labels({"2,0"}), {"1.0", "2.0"}), row_list({1}));
  // Whatever other labels there are: these classes are different numbers.
  require_equal(data::labels_of(text_labels({"1", "2.0", "1.3", "-1,0"}), {"1,0", "1,3", "2,0"}),
                row_list({0, 2, 1, -1}));
  require_equal(data::labels_of(text_labels({"1", "2", "-1,0"}), {"1,0", "1,3", "2,0"}),
                row_list({0, 2, -1}));
  require_equal(data::labels_of(text_labels({"1,3", "1,00"}), {"1", "1.3", "2.7"}),
                row_list({1, 0}));
  // Other texts beside them change no name, and make no list of a grade.
  const std::vector<std::string> grades = {"1,0", "1,3", "1,7", "2,0", "2,3", "3,0", "krank"};
  CHECK(data::class_labels(text_labels(grades)).classes == grades);
  require_equal(data::labels_of(text_labels({"2,0", "1,0"}), grades), row_list({3, 0}));
  // What may be a thousand is a name, unless another label shows what the comma is.
  CHECK(data::class_labels(text_labels({"1,000", "1", "2"})).classes.size() == 3);
  const auto floats = data::class_labels(text_labels({"0,000", "-1,000", "1,000", "0,000"}));
  CHECK(floats.classes == std::vector<std::string>{"0,000", "1,000"});
  require_equal(floats.labels, row_list({0, -1, 1, 0}));
  // Programs write floats where some labels are missing.
  const auto mixed = data::class_labels(text_labels({"0", "1", "1,0", "-1,0"}));
  CHECK(mixed.classes == std::vector<std::string>{"0", "1"});
  require_equal(mixed.labels, row_list({0, 1, 1, -1}));
}

TEST_CASE("Class labels: pairs of numbers are names", "[data]") {
  using Strings = std::vector<std::string>;
  CHECK(data::class_labels(text_labels({"2,1", "1,10", "1,1", "2,2"})).classes ==
        Strings{"1,1", "1,10", "2,1", "2,2"});  // chapters
  const Strings places = {"-1,0", "0,-1", "0,1", "1,0"};
  CHECK(data::ordered_classes(places) == places);
  require_equal(data::labels_of(text_labels({"1,0", "-1,0"}), places), row_list({3, 0}));
  CHECK(data::class_places({"0,-1", "-1", "2,0", "0,1"}, places) ==
        std::vector<int64_t>{1, -1, -2, 2});
  CHECK(data::class_labels(text_labels(places)).classes == places);
  CHECK(data::class_places({"1.1", "1,100"}, {"1,1", "1,10", "2,1"}) ==
        std::vector<int64_t>{-2, -2});
  // The name of a class is no -1.
  require_equal(data::labels_of(text_labels({"-1,0", "0,0", "1,0"}), {"-1,0", "0,0", "1,0"}),
                row_list({0, 1, 2}));
  CHECK_FALSE(data::is_unlabeled("-1,0"));
  CHECK_FALSE(data::has_decimal_commas({"1", "2.5"}));
  CHECK_FALSE(data::has_decimal_commas({"1,000", "2,000"}));
  CHECK_FALSE(data::has_decimal_commas({"1,0", "a, b"}));
  CHECK(data::has_decimal_commas({"1,0", "2,00"}));
  CHECK(data::has_decimal_commas({"1,3", "1.30"}));
  // They keep their labels where only some are looked for.
  require_equal(data::labels_of(text_labels({"-1,0"}), {"-1,0", "-1,1", "0,1"}), row_list({0}));
}

TEST_CASE("Class labels: refuses numbers that a double does not tell apart", "[data]") {
  CHECK(data::class_labels(number_labels({1, 9007199254740991})).classes.size() == 2);  // 2^53 - 1
  const auto column = number_labels({1, 9007199254740992.0});  // or the next, rounded
  const std::string expected =
      "labels_of: expected numbers below 9007199254740992 as names in column 'kind' but got "
      "9007199254740992 (larger ones are rounded; save the column as texts).";
  CHECK(error_text([&] { data::class_labels(column); }) == expected);
  CHECK(error_text([&] { data::labels_of(column, {"1", "9007199254740993"}); }) == expected);
}

TEST_CASE("Class labels: spellings of truth values are one class where all labels are such",
          "[data]") {
  const auto found =
      data::class_labels(text_labels({"True", "FALSE", "true", "1", "", "False", "TRUE"}));
  CHECK(found.classes == std::vector<std::string>{"False", "true"});
  require_equal(found.labels, row_list({1, 0, 1, 1, -1, 0, 1}));
  CHECK(data::class_labels(text_labels({"True", "no", "true"})).classes.size() == 3);
  CHECK(data::ordered_classes({"1", "0"}) == std::vector<std::string>{"0", "1"});
  require_equal(data::labels_of(text_labels({"TRUE", "0"}), {"False", "True"}), row_list({1, 0}));
  // Those of a model that tells them apart stay apart.
  CHECK(error_text([] {
          data::labels_of(text_labels({"TRUE"}), {"True", "true"});
        }).starts_with("labels_of: expected a known class but got 'TRUE'"));
}

TEST_CASE("Class labels: blanks around a name do not count, no-break spaces neither", "[data]") {
  const auto found = data::class_labels(text_labels({"ok", "ok\xC2\xA0", " ok",
                                                     "\xE2\x80\xAF"
                                                     "a b",
                                                     "\xC2\xA0", " -1"}));
  CHECK(found.classes == std::vector<std::string>{"a b", "ok"});
  require_equal(found.labels, row_list({1, 1, 1, 0, -1, -1}));
}

TEST_CASE("Class labels: errors say so where accents are encoded in another way", "[data]") {
  CHECK(error_text([] {
          data::labels_of(text_labels({"O\u0308l"}), {"\u00D6l", "gut"});
        }) ==
        "labels_of: expected a known class but got 'O\u0308l' in row 1 of column 'kind' (there is "
        "'\u00D6l', whose accents are encoded in another way; copy that name).");
  CHECK(error_text([] { data::relabeled(row_list({0}), {"O\u0308l"}, {"\u00D6l"}, "t"); }) ==
        "relabeled: expected known classes in t but got 'O\u0308l' (there is '\u00D6l', whose "
        "accents are encoded in another way; copy that name).");
}
