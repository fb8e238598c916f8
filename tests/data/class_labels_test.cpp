#include "ladder/data/class_labels.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

namespace {

namespace data = ladder::data;
using ladder::testing::error_text;
using ladder::testing::require_equal;

data::Column texts(const std::vector<std::string>& values) {
  data::Column column{.name = "kind", .kind = data::ColumnKind::kText};
  for (const auto& value : values) {
    const auto found = std::find(column.levels.begin(), column.levels.end(), value);
    column.codes.push_back(static_cast<int32_t>(found - column.levels.begin()));
    if (found == column.levels.end()) column.levels.push_back(value);
  }
  return column;
}

data::Column numbers(std::vector<double> values) {
  return {.name = "kind", .kind = data::ColumnKind::kNumber, .numbers = std::move(values)};
}

torch::Tensor rows(const std::vector<int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

}  // namespace

TEST_CASE("Class labels: texts are sorted by bytes, empty ones and -1 have no label", "[data]") {
  auto column = texts({"pear", "", "apple", "-1", "Pear", "pear"});
  column.codes.push_back(-1);
  const auto found = data::class_labels(column);
  CHECK(found.classes == std::vector<std::string>{"Pear", "apple", "pear"});
  require_equal(found.labels, rows({2, -1, 1, -1, 0, 2, -1}));
}

TEST_CASE("Class labels: -1 is no label however it is written", "[data]") {
  const auto found = data::class_labels(texts({"1.0", "-1.0", "0.0", "-1.000e+00", "-1"}));
  CHECK(found.classes == std::vector<std::string>{"0.0", "1.0"});
  require_equal(found.labels, rows({1, -1, 0, -1, -1}));
  for (const char* text : {"-1x", "-10", "1", "- 1", "-"}) {
    CAPTURE(text);
    CHECK_FALSE(data::is_unlabeled(text));
  }
}

TEST_CASE("Class labels: those of other names are found by name", "[data]") {
  const std::vector<std::string> classes = {"apple", "fig", "pear"};
  require_equal(data::relabeled(rows({0, 1, -1, 1}), {"pear", "apple"}, classes, "fruit"),
                rows({2, 0, -1, 0}));
  // Labels that have no name stand for none.
  require_equal(data::relabeled(rows({1, 2, -5}), {"pear", "apple"}, classes, "fruit"),
                rows({0, -1, -1}));
  require_equal(data::relabeled(rows({}), {"pear"}, classes, "fruit"), rows({}));
  CHECK(error_text([&] { data::relabeled(rows({0}), {"pea"}, classes, "fruit"); }) ==
        "relabeled: expected known classes in fruit but got 'pea' (did you mean 'pear'?).");
}

TEST_CASE("Class labels: names that are numbers are sorted by value", "[data]") {
  CHECK(data::class_labels(texts({"10", "9", "-2.5"})).classes ==
        std::vector<std::string>{"-2.5", "9", "10"});
  const double none = std::numeric_limits<double>::quiet_NaN();
  const auto found = data::class_labels(numbers({3, none, 1, -1, 10}));
  CHECK(found.classes == std::vector<std::string>{"1", "3", "10"});
  require_equal(found.labels, rows({1, -1, 0, -1, 2}));
}

TEST_CASE("Class labels: names what is missing", "[data]") {
  CHECK(error_text([] {
          data::class_labels(texts({"", "-1"}));
        }) ==
        "class_labels: expected labels in column 'kind' but got none (each value is missing or "
        "-1).");
  CHECK(error_text([] {
          data::class_labels(texts({"a", "", "a"}));
        }) == "class_labels: expected at least 2 classes in column 'kind' but got only 'a'.");
  const std::string lonely =
      "class_labels: expected at least 2 classes in column 'kind' but got only '1' (-1 means no "
      "label: ";
  CHECK(error_text([] {
          data::class_labels(texts({"1", "-1", "-1.0", "1", "", "-1"}));
        }) == lonely + "3 rows; write the class another way).");
  CHECK(error_text([] {
          data::class_labels(numbers({1, 1, -1}));
        }) == lonely + "1 row; write the class another way).");
  CHECK(error_text([] {
          data::labels_of(texts({"pear", "aple"}), {"apple", "pear"});
        }) ==
        "labels_of: expected a known class but got 'aple' in row 2 of column 'kind' (did you mean "
        "'apple'?).");
  CHECK(error_text([] {
          data::labels_of(texts({"strange"}), {"bad", "ok", "warn"});
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
  CHECK(error_text([&] { data::class_labels(numbers(prices)); }) ==
        "class_labels: expected classes but got 30 different numbers in 30 labeled rows of column "
        "'kind' (regression is not supported; replace numbers with names of ranges, such as low "
        "and high).");
  auto fractions = numbers_of_classes;
  for (auto& value : fractions) value += 0.25;
  CHECK(error_text([&] {
          data::class_labels(numbers(fractions));
        }).find("expected classes but got 30 different numbers") != std::string::npos);
  CHECK(data::class_labels(numbers(numbers_of_classes)).classes.size() == 30);
  CHECK(data::class_labels(numbers(ratings)).classes.size() == 9);
  const auto with_commas = [](int count) {
    std::vector<std::string> values;
    for (int i = 0; i < count; ++i) {
      values.push_back(std::to_string(20 + i) + "," + std::to_string(i % 7));
    }
    return values;
  };
  CHECK(error_text([&] { data::class_labels(texts(with_commas(30))); }) ==
        "class_labels: expected classes but got 30 different numbers in 30 labeled rows of column "
        "'kind' (regression is not supported; replace numbers with names of ranges, such as low "
        "and high).");
  CHECK(data::class_labels(texts(with_commas(9))).classes.size() == 9);
  std::vector<double> measured, sizes;  // many rows of each
  for (int i = 0; i < 400; ++i) {
    measured.push_back(.01 * (i % 92) - .3);
    sizes.push_back(i % 40 / 2.0);
  }
  CHECK(error_text([&] { data::class_labels(numbers(measured)); })
            .starts_with("class_labels: expected classes but got 92 different numbers in 400 "
                         "labeled rows of column 'kind' (regression is not supported;"));
  CHECK(data::class_labels(numbers(sizes)).classes.size() == 40);
  auto twice = prices;
  twice.insert(twice.end(), prices.begin(), prices.end());
  CHECK(data::class_labels(numbers(twice)).classes.size() == 30);
}

TEST_CASE("Class labels: refuses several labels in a cell, and takes names with separators",
          "[data]") {
  const auto error = [](const std::vector<std::string>& cells) {
    return error_text([&] { data::class_labels(texts(cells)); });
  };
  CHECK(error({"a", "b", "a;b", ""}) ==
        "class_labels: expected one class in each row but got 'a;b' in column 'kind' (several "
        "labels a row are not supported; make a column of each label and train one model for "
        "each).");
  CHECK(error({"red | round", "round|small", "red|small"}).find("but got 'red | round'") !=
        std::string::npos);
  CHECK(error({"x, y", "x", "y"}).find("but got 'x, y'") != std::string::npos);
  CHECK(data::class_labels(texts({"Paris, France", "Lyon, France", "Rome"})).classes.size() == 3);
  CHECK(data::class_labels(texts({"a;", "b;", ";"})).classes.size() == 3);
  // Commas of decimals are no separators.
  CHECK(data::class_labels(texts({"1", "1,5", "2", "2,5"})).classes.size() == 4);
  CHECK(data::class_labels(texts({"1,1", "1,2", "2,1", "2,2"})).classes.size() == 4);
  CHECK(error({"1", "2", "1,2"}).find("but got '1,2'") != std::string::npos);
}

TEST_CASE("Class labels: those that were read in another way are checked alike", "[data]") {
  data::ClassLabels found{.classes = {"a", "b"}, .labels = rows({0, 1, 1})};
  CHECK_NOTHROW(data::check_class_labels(found, "kind"));
  found.classes.push_back("a;b");
  CHECK(error_text([&] {
          data::check_class_labels(found, "kind");
        }).starts_with("class_labels: expected one class in each row but got 'a;b'"));
  found.classes = {"a"};
  CHECK(error_text([&] { data::check_class_labels(found, "kind"); }) ==
        "class_labels: expected at least 2 classes in column 'kind' but got only 'a'.");
}

TEST_CASE("Hold back: takes each class's share and never its last row", "[data]") {
  std::vector<int64_t> labels;
  for (int i = 0; i < 100; ++i) labels.push_back(i < 70 ? 0 : i < 99 ? 1 : 2);
  labels.insert(labels.end(), 20, -1);
  const auto all = rows(labels);
  const auto held = data::hold_back(all, 3, 0.1, 5);
  CHECK(held.numel() == 10);
  const auto of = all.index_select(0, held);
  CHECK(of.eq(0).sum().item<int64_t>() == 7);
  CHECK(of.eq(1).sum().item<int64_t>() == 3);
  require_equal(data::hold_back(all, 3, 0.1, 5), held);
  CHECK_FALSE(data::hold_back(all, 3, 0.1, 6).equal(held));
  CHECK(data::hold_back(all, 3, 0, 5).numel() == 0);
  CHECK(data::hold_back(all, 3, 0.9, 5).numel() == 90);
  CHECK(data::hold_back(rows({0, 1, 2}), 3, 0.5, 1).numel() == 0);
  CHECK(error_text([&] { data::hold_back(all, 3, 1, 5); }) ==
        "hold_back: expected a share from 0 to below 1 but got 1.");
}

TEST_CASE("Stratified folds: every labeled row is in one fold, classes evenly", "[data]") {
  std::vector<int64_t> labels;
  for (int i = 0; i < 50; ++i) labels.push_back(i % 5 == 0 ? -1 : i % 2);
  const auto all = rows(labels);
  const auto folds = data::stratified_folds(all, 2, 4, 1);
  for (int64_t fold = 0; fold < 4; ++fold) {
    const auto in = folds.eq(fold);
    CHECK(in.sum().item<int64_t>() == 10);
    CHECK(in.logical_and(all.eq(0)).sum().item<int64_t>() == 5);
  }
  CHECK(folds.eq(-1).equal(all.lt(0)));
  CHECK(error_text([&] { data::stratified_folds(all, 2, 1, 1); }) ==
        "stratified_folds: expected 2 to 40 folds for 40 labeled rows but got 1.");
  CHECK(error_text([] {
          data::stratified_folds(rows({0, 1, -1}), 2, 3, 1);
        }) == "stratified_folds: expected 2 to 2 folds for 2 labeled rows but got 3.");
}

TEST_CASE("Repeat rare: every class has as many rows as the largest", "[data]") {
  const auto labels = rows({0, 1, 0, 0, 2, 0, 2, -1});
  require_equal(data::repeat_rare(rows({0, 1, 2, 3, 4, 6}), labels, 4),
                rows({0, 1, 1, 1, 2, 3, 4, 4, 6}));
}

TEST_CASE("Repeat weighted: rows come as often as their weights say", "[data]") {
  const auto weights = torch::tensor({1.0, 0.5, 0.0, 1.5, 7.0}, torch::kDouble);
  require_equal(data::repeat_weighted(rows({0, 1, 3}), weights), rows({0, 0, 1, 3, 3, 3}));
  require_equal(data::repeat_weighted(rows({0, 2}), weights), rows({0}));
  const auto alike = torch::full({3}, 0.3, torch::kDouble);
  require_equal(data::repeat_weighted(rows({0, 1, 2}), alike), rows({0, 1, 2}));
}

TEST_CASE("Repeat weighted: other proportions are rounded, and no row is lost", "[data]") {
  const auto weights = torch::tensor({1.0, 1.7, 0.001, 5.3}, torch::kDouble);
  const auto counts = torch::bincount(data::repeat_weighted(rows({0, 1, 2, 3}), weights), {}, 4);
  const double all = data::kMostRepeats * 4;
  for (int64_t row : {0, 1, 3}) {
    const double wanted = all * weights[row].item<double>() / weights.sum().item<double>();
    CAPTURE(row);
    CHECK(std::abs(static_cast<double>(counts[row].item<int64_t>()) - wanted) < 1);
  }
  CHECK(counts[2].item<int64_t>() == 1);
}

TEST_CASE("Repeat weighted: refuses weights below 0 and rows without a weight", "[data]") {
  const auto of = [](const std::vector<double>& values) {
    const auto weights = torch::tensor(values, torch::kDouble);
    return error_text([&] { data::repeat_weighted(rows({0, 1}), weights); });
  };
  CHECK(of({1, -2}) ==
        "repeat_weighted: expected finite weights of at least 0 but got -2 (row 1).");
  CHECK(of({0, 0}) == "repeat_weighted: expected a row with a weight above 0 but got none of 2.");
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
  const auto found = data::class_labels(texts(names));
  CHECK(found.classes == names);
  require_equal(found.labels, rows({0, 1, 2}));
  CHECK(data::ordered_classes({"123456789012345", "123456789012345.000"}).size() == 1);
  CHECK(data::ordered_classes({"1234567890123456", "1234567890123456.0"}).size() == 2);
  CHECK(data::ordered_classes({"0.00000000000000000001", "1e-20"}).size() == 1);
}

TEST_CASE("Class labels: spellings of truth values are one class where all labels are such",
          "[data]") {
  const auto found = data::class_labels(texts({"True", "FALSE", "true", "1", "", "False", "TRUE"}));
  CHECK(found.classes == std::vector<std::string>{"False", "true"});
  require_equal(found.labels, rows({1, 0, 1, 1, -1, 0, 1}));
  CHECK(data::class_labels(texts({"True", "no", "true"})).classes.size() == 3);
  CHECK(data::ordered_classes({"1", "0"}) == std::vector<std::string>{"0", "1"});
  require_equal(data::labels_of(texts({"TRUE", "0"}), {"False", "True"}), rows({1, 0}));
  // Those of a model that tells them apart stay apart.
  CHECK(error_text([] {
          data::labels_of(texts({"TRUE"}), {"True", "true"});
        }).starts_with("labels_of: expected a known class but got 'TRUE'"));
}

TEST_CASE("Class labels: blanks around a name do not count, no-break spaces neither", "[data]") {
  const auto found = data::class_labels(texts({"ok", "ok\xC2\xA0", " ok",
                                               "\xE2\x80\xAF"
                                               "a b",
                                               "\xC2\xA0", " -1"}));
  CHECK(found.classes == std::vector<std::string>{"a b", "ok"});
  require_equal(found.labels, rows({1, 1, 1, 0, -1, -1}));
}

TEST_CASE("Class labels: notes say what is merged, left out or looks odd", "[data]") {
  using Notes = std::vector<std::string>;
  const auto notes = [](const data::Column& column) {
    return data::label_notes(column, data::class_labels(column).classes);
  };
  CHECK(notes(texts({"yes", "no", "", "yes"})) == Notes{});
  CHECK(notes(texts({"0", "-1", "1", "-1.0"})) == Notes{"-1 means no label: 2 rows"});
  CHECK(notes(numbers({0, 1, -1})) == Notes{"-1 means no label: 1 row"});
  CHECK(notes(texts({"1.1", "1.10", "1.2"})) == Notes{"labels '1.1' and '1.10' are one class"});
  CHECK(notes(texts({"OK", "ok", "bad"})) ==
        Notes{"classes 'OK' and 'ok' differ only in case or spaces"});
  CHECK(notes(texts({"GR\u00DCN", "gr\u00FCn", "rot"})) ==
        Notes{"classes 'GR\u00DCN' and 'gr\u00FCn' differ only in case or spaces"});
  CHECK(notes(texts({"\u00D6lfleck", "O\u0308lfleck", "gut"})) ==
        Notes{"classes 'O\u0308lfleck' and '\u00D6lfleck' differ only in the encoding of their "
              "accents"});
  CHECK(notes(texts({"\u00D6l", "O\u0308l", "\u00F6l", "gut"})) ==
        Notes{"classes 'O\u0308l', '\u00D6l' and '\u00F6l' differ only in case, spaces or the "
              "encoding of their accents"});
  CHECK(notes(texts({"ok", "-"})) ==
        Notes{"class '-' looks like a missing value (--missing '-' if it means no label)"});
  auto column = texts({"ok", "bad"});
  column.missing_texts = {{"NA", 3}, {"None", 1}};
  CHECK(notes(column) == Notes{"missing values mean no label: 3 rows 'NA', 1 row 'None'"});
}

TEST_CASE("Class labels: notes name classes of a single labeled row", "[data]") {
  using Notes = std::vector<std::string>;
  const std::vector<std::string> classes = {"gut", "Lagerschaden", "Lagerschden", "Riss"};
  std::vector<int64_t> labels(60, -1);
  for (size_t row = 0; row < 18; ++row) labels[row] = static_cast<int64_t>(row % 2);
  labels[20] = 2;
  labels[40] = 3;
  CHECK(data::single_row_notes(rows(labels), classes) ==
        Notes{"class 'Lagerschden' has a single labeled row (did you mean 'Lagerschaden'?)",
              "class 'Riss' has a single labeled row"});
  // With fewer labels a single one is usual.
  labels[0] = -1;
  CHECK(data::single_row_notes(rows(labels), classes) == Notes{});
  CHECK(data::single_row_notes(rows({0, 1, -1}), {"a", "b"}) == Notes{});

  std::vector<std::string> many = {"a"};
  std::vector<int64_t> of_many(40, 0);
  for (int64_t c = 1; c <= 5; ++c) {
    many.push_back(std::to_string(c) + "xyz");
    of_many.push_back(c);
  }
  const auto notes = data::single_row_notes(rows(of_many), many);
  REQUIRE(notes.size() == 4);
  CHECK(notes[2] == "class '3xyz' has a single labeled row");
  CHECK(notes[3] == "2 more classes have a single labeled row");
}

TEST_CASE("Class labels: errors say so where accents are encoded in another way", "[data]") {
  CHECK(error_text([] {
          data::labels_of(texts({"O\u0308l"}), {"\u00D6l", "gut"});
        }) ==
        "labels_of: expected a known class but got 'O\u0308l' in row 1 of column 'kind' (there is "
        "'\u00D6l', whose accents are encoded in another way; copy that name).");
  CHECK(error_text([] { data::relabeled(rows({0}), {"O\u0308l"}, {"\u00D6l"}, "t"); }) ==
        "relabeled: expected known classes in t but got 'O\u0308l' (there is '\u00D6l', whose "
        "accents are encoded in another way; copy that name).");
}

TEST_CASE("hold_back gives rows of other classes for other seeds", "[data]") {
  // A tenth of 20 classes of 3 rows: 6 rows, of 6 classes.
  const auto labels = torch::arange(60) % 20;
  auto seen = torch::zeros({20}, torch::kBool);
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const auto rows = data::hold_back(labels, 20, 0.1, seed);
    CHECK(rows.numel() == 6);
    seen.index_fill_(0, labels.index_select(0, rows), true);
  }
  CHECK(seen.all().item<bool>());  // one class is never drawn with a chance of 20 (14/20)^40
}
