#include <ladder/data/features.h>
#include <tests/support/catch.h>
#include <tests/support/error_text.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

using ladder::data::Column;
using ladder::data::ColumnKind;
using ladder::data::Feature;
using ladder::data::Features;
using ladder::data::features_from_json;
using ladder::data::fit_features;
using ladder::data::kLevelHeight;
using ladder::data::kTailFrom;
using ladder::data::strange_values;
using ladder::data::Table;
using ladder::data::to_json;
using ladder::testing::error_text;

namespace {

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kDoubleEps = std::numeric_limits<double>::epsilon();

Column numbers(const std::string& name, std::vector<double> values) {
  return {.name = name, .numbers = std::move(values)};
}

// A column of texts; "" is missing.
Column texts(const std::string& name, const std::vector<std::string>& values) {
  Column column{.name = name, .kind = ColumnKind::kText};
  for (const auto& value : values) {
    const auto found = std::find(column.levels.begin(), column.levels.end(), value);
    const auto code = static_cast<int32_t>(found - column.levels.begin());
    column.codes.push_back(value.empty() ? -1 : code);
    if (!value.empty() && found == column.levels.end()) column.levels.push_back(value);
  }
  return column;
}

Table made_table(std::vector<Column> columns) {
  const Column& first = columns.at(0);
  const auto rows = static_cast<int64_t>(first.kind == ColumnKind::kText ? first.codes.size()
                                                                         : first.numbers.size());
  return {.source = "t.csv", .rows = rows, .columns = std::move(columns)};
}

std::vector<double> random_values(int64_t count, double mean, double std) {
  const torch::Tensor x = mean + std * torch::randn({count}, torch::kDouble);
  return {x.data_ptr<double>(), x.data_ptr<double>() + count};
}

torch::Tensor tensor_of(const std::vector<double>& values) {
  return torch::tensor(values, torch::kDouble);
}

// Column `index` of the inputs, in float64.
torch::Tensor input(const torch::Tensor& inputs, int64_t index) {
  return inputs.select(1, index).to(torch::kDouble);
}

double largest_difference(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

const float kMark = kLevelHeight;

}  // namespace

TEST_CASE("Features standardise numbers by clipped moments and tame their tails", "[data]") {
  torch::manual_seed(4);
  std::vector<double> values = random_values(1000, 50, 7);
  values.push_back(1e6);
  values.push_back(-1e9);
  const Features features = fit_features(made_table({numbers("a", values)}), {});

  // The same by other code: moments of all values, then twice of the clipped ones.
  const torch::Tensor x = tensor_of(values);
  double mean = x.mean().item<double>();
  double std = x.std(/*unbiased=*/false).item<double>();
  for (int round = 0; round < 2; ++round) {
    const torch::Tensor clipped = x.clamp(mean - 3 * std, mean + 3 * std);
    mean = clipped.mean().item<double>();
    std = clipped.std(/*unbiased=*/false).item<double>();
  }
  REQUIRE(features.columns.size() == 1);
  const Feature& feature = features.columns[0];
  // A sum of n terms is rounded n times, at most by eps of the largest one each; the deviations of
  // the first rounds are those of 1e9.
  const double bound = static_cast<double>(values.size()) * kDoubleEps * 1e9;
  CHECK(std::abs(feature.center - mean) <= bound);
  CHECK(std::abs(feature.scale - std) <= bound);
  CHECK_FALSE(feature.indicator);
  CHECK(feature.width() == 1);

  const torch::Tensor z = (x - feature.center) / feature.scale;
  const torch::Tensor tail = z.sign() * (kTailFrom + torch::log1p(z.abs() - kTailFrom));
  const torch::Tensor expected = torch::where(z.abs() > kTailFrom, tail, z);
  const torch::Tensor inputs = features.apply(made_table({numbers("a", values)}));
  CHECK(inputs.sizes().vec() == std::vector<int64_t>{1002, 1});
  CHECK(inputs.scalar_type() == torch::kFloat);
  const double largest = expected.abs().max().item<double>();
  CHECK(largest_difference(input(inputs, 0), expected) <=
        largest * std::numeric_limits<float>::epsilon());
  CHECK(largest < 25);  // 1e9 is no more than 3 + log(1e9)
  CHECK(inputs[1000][0].item<float>() > kTailFrom);
  CHECK(inputs[1001][0].item<float>() < -kTailFrom);
}

TEST_CASE("Features keep the spread of most values beside a few huge ones", "[data]") {
  torch::manual_seed(5);
  std::vector<double> values = random_values(2000, -3, 2);
  for (int i = 0; i < 5; ++i) values.push_back(200);
  const Feature feature = fit_features(made_table({numbers("a", values)}), {}).columns[0];
  // Without clipping the standard deviation is above 10. Two rounds shrink it by most of that.
  const double plain = tensor_of(values).std(/*unbiased=*/false).item<double>();
  CHECK(plain > 5 * 2);
  CHECK(feature.scale < 1.25 * 2);
  CHECK(feature.scale > 0.9 * 2);
}

TEST_CASE("Features mark missing numbers and put their mean in place", "[data]") {
  const Table table = made_table({numbers("a", {1, kNoNumber, 3}), numbers("b", {1, 2, 3})});
  const Features features = fit_features(table, {});
  CHECK(features.width() == 3);
  CHECK(features.columns[0].center == 2);
  CHECK(features.columns[0].scale == 1);
  const torch::Tensor inputs = features.apply(table);
  CHECK(
      torch::equal(inputs.slice(1, 0, 2), torch::tensor({{-1.F, 0.F}, {0.F, kMark}, {1.F, 0.F}})));
  // A column that had none in training has no indicator: a missing value is its mean.
  const torch::Tensor later =
      features.apply(made_table({numbers("b", {kNoNumber}), numbers("a", {kNoNumber})}));
  CHECK(torch::equal(later, torch::tensor({{0.F, kMark, 0.F}})));
}

TEST_CASE("Features use a column that has one number and is missing elsewhere", "[data]") {
  const Table table = made_table({numbers("a", {5, kNoNumber, 5, kNoNumber})});
  const Features features = fit_features(table, {});
  CHECK(features.columns[0].center == 5);
  CHECK(features.columns[0].scale == 1);
  CHECK(torch::equal(features.apply(table),
                     torch::tensor({{0.F, 0.F}, {0.F, kMark}, {0.F, 0.F}, {0.F, kMark}})));
}

TEST_CASE("Features drop columns that tell nothing, and name why", "[data]") {
  std::vector<std::string> names;
  std::vector<double> varied;
  for (int row = 0; row < 30; ++row) {
    names.push_back("row " + std::to_string(row));
    varied.push_back(row * row);
  }
  const std::vector<std::string> none(30), same(30, "x");
  std::vector<std::string> partly = same;
  partly[4].clear();
  const Table table = made_table(
      {numbers("constant", std::vector<double>(30, 7)), numbers("varied", varied),
       numbers("empty", std::vector<double>(30, kNoNumber)), texts("id", names),
       texts("same", same), texts("none", none), texts("partly", partly), texts("label", names)});
  const Features features = fit_features(table, {"label"});
  std::vector<std::string> dropped;
  for (const auto& feature : features.columns) dropped.push_back(feature.dropped);
  CHECK(dropped == std::vector<std::string>{"constant", "", "empty",
                                            "different in nearly every row", "constant", "empty",
                                            ""});
  CHECK(features.width() == 1 + 2);
  CHECK_FALSE(features.all_numbers());
  CHECK(fit_features(table, {"label", "partly"}).all_numbers());
}

TEST_CASE("Features drop numbers that count the rows", "[data]") {
  std::vector<double> from_0, from_1000, with_a_gap, with_a_hole, halves, again;
  std::vector<double> varied;
  for (int row = 0; row < 60; ++row) {
    from_0.push_back(row);
    from_1000.push_back(1000 + row);
    with_a_gap.push_back(row < 30 ? row : row + 1);
    with_a_hole.push_back(row == 5 ? kNoNumber : row);
    halves.push_back(row + .5);
    again.push_back(row % 24);  // hours
    varied.push_back(row * row);
  }
  const auto dropped = [](const Table& table) {
    std::vector<std::string> reasons;
    for (const auto& feature : fit_features(table, {}).columns) reasons.push_back(feature.dropped);
    return reasons;
  };
  Table table = made_table({numbers("x0", from_0), numbers("n", from_1000),
                            numbers("g", with_a_gap), numbers("h", with_a_hole),
                            numbers("f", halves), numbers("t", again), numbers("v", varied)});
  const std::string reason = "counts the rows";
  const std::string with_gaps = "counts rows or time";
  CHECK(dropped(table) ==
        std::vector<std::string>{reason, reason, with_gaps, with_gaps, "", "", ""});
  // In the rows of another source numbers may begin anew.
  table.parts = {24, 48};
  CHECK(dropped(table)[5] == reason);
  CHECK(dropped(table)[2] == with_gaps);
  std::vector<double> few(19);
  for (size_t row = 0; row < few.size(); ++row) few[row] = static_cast<double>(row);
  CHECK(dropped(made_table({numbers("n", few)})) == std::vector<std::string>{""});
}

TEST_CASE("Features tell counters from quantities that rows are sorted by", "[data]") {
  constexpr int kRows = 200;
  std::vector<double> seconds, newest_first, tenth_kept, one_twice, mostly_missing, sparse, halves;
  std::vector<double> shuffled;
  for (int row = 0; row < kRows; ++row) {
    seconds.push_back(1.7e9 + 60 * (row + (row > 90 ? 3 : 0)));  // a reading a minute, three lost
    newest_first.push_back(1000 - row - (row > 50 ? 1 : 0));
    tenth_kept.push_back(10 * row + row * row % 7);  // rows of a counter that a filter left
    one_twice.push_back(row < 100 ? row : row - 1);
    mostly_missing.push_back(row % 5 == 0 ? row : kNoNumber);
    sparse.push_back(1000.0 * row + row * row % 7);  // steps far above a tenth of the rows
    halves.push_back(.5 * row);
    shuffled.push_back(row * 77 % kRows);
  }
  const auto features = fit_features(
      made_table({numbers("s", seconds), numbers("n", newest_first), numbers("t", tenth_kept),
                  numbers("o", one_twice), numbers("m", mostly_missing), numbers("p", sparse),
                  numbers("h", halves), numbers("u", shuffled)}),
      {});
  const std::vector<std::string> reasons = {
      "counts rows or time", "counts rows or time", "counts rows or time", "", "", "", "", ""};
  // What rises and is used all the same has a note; rows in another order show nothing.
  const std::string rises = "rises in every row (leave it out if it counts rows or time)";
  const std::vector<std::string> notes = {"", "", "", "", rises, rises, rises, ""};
  for (size_t i = 0; i < features.columns.size(); ++i) {
    CAPTURE(features.columns[i].name);
    CHECK(features.columns[i].dropped == reasons[i]);
    CHECK(features.columns[i].note == notes[i]);
  }
  std::reverse(halves.begin(), halves.end());
  CHECK(fit_features(made_table({numbers("h", halves)}), {}).columns[0].note ==
        "falls in every row (leave it out if it counts rows or time)");
}

TEST_CASE("Features say that dates are taken as categories", "[data]") {
  const auto note = [](const std::vector<std::string>& few) {
    std::vector<std::string> cells;
    for (size_t row = 0; row < 40; ++row) cells.push_back(few[row % few.size()]);
    return fit_features(made_table({texts("d", cells)}), {}).columns[0].note;
  };
  const std::string two =
      "2 dates, taken as categories: later dates tell the network nothing (leave the column out)";
  for (const auto& dates : {std::vector<std::string>{"2024-03-01", "2024-03-02"},
                            {"01.03.2024", "2.3.2024"},
                            {"01.03.24", "02.03.24"},
                            {"3/1/24", "3/2/24"},
                            {"2024-03-01 12:30", "2024-03-01T13:00:00Z"}}) {
    CAPTURE(dates[0]);
    CHECK(note(dates) == two);
  }
  for (const auto& others : {std::vector<std::string>{"1.2.3", "1.2.4"},
                             {"2024-03-01", "unknown"},
                             {"2024-03", "2024-04"},
                             {"192.168.1.1", "10.0.0.1"},
                             {"12-34-567", "12-34-568"}}) {
    CAPTURE(others[0]);
    CHECK(note(others).empty());
  }
}

TEST_CASE("Features find identifiers that begin anew in another source", "[data]") {
  std::vector<std::string> ids;
  std::vector<double> varied;
  for (int row = 0; row < 100; ++row) {
    ids.push_back("id" + std::to_string(row % 50));
    varied.push_back(row * row);
  }
  Table table = made_table({texts("id", ids), numbers("v", varied)});
  CHECK(fit_features(table, {}).columns[0].dropped.empty());
  table.parts = {50};
  CHECK(fit_features(table, {}).columns[0].dropped == "different in nearly every row");
}

TEST_CASE("Features say what a column of texts that look like numbers lost", "[data]") {
  std::vector<std::string> sensor, units, limits;
  std::vector<double> varied;
  for (int row = 0; row < 400; ++row) {
    const auto number = std::to_string(1000 + row);
    sensor.push_back(row % 20 == 6 ? "error " + number : number);
    units.push_back(number + " C");
    limits.push_back(row % 3 == 1 ? "<5" : number);
    varied.push_back(row * row);
  }
  const auto features =
      fit_features(made_table({texts("s", sensor), texts("u", units), texts("l", limits),
                               texts("n", sensor), numbers("v", varied)}),
                   {"n"});
  CHECK(features.columns[0].dropped == "different in nearly every row");
  CHECK(features.columns[0].note ==
        "380 of 400 values are numbers; the first other is 'error 1006' in row 7");
  CHECK(features.columns[1].dropped == "different in nearly every row");
  CHECK(features.columns[1].note == "texts such as '1000 C'");
  CHECK(features.columns[2].dropped.empty());
  CHECK(features.whole_numbers == std::vector<std::string>{"v"});
  CHECK(features.columns[2].note ==
        "268 texts, 51 inputs; 267 of 400 values are numbers; the first other is '<5' in row 2");

  // Numbers with a decimal comma are numbers as well.
  std::vector<std::string> prices, faults;
  for (int row = 0; row < 400; ++row) {
    prices.push_back(std::to_string(row % 90) + ",5");
    faults.push_back(row % 7 == 3 ? "Fehler" : prices.back());
  }
  auto table = made_table({texts("p", prices), texts("f", faults)});
  CHECK(fit_features(table, {}).columns[0].note ==
        "90 texts, 51 inputs; all 400 values are numbers with a decimal comma (--decimal , reads "
        "them)");
  CHECK(fit_features(table, {}).columns[1].note ==
        "91 texts, 51 inputs; 343 of 400 values are numbers with a decimal comma; the first other "
        "is 'Fehler' in row 4");
  table.decimal = ',';  // columns of texts by will
  CHECK(fit_features(table, {}).columns[0].note == "90 texts, 51 inputs");
  CHECK(fit_features(table, {}).columns[1].note ==
        "91 texts, 51 inputs; 343 of 400 values are numbers; the first other is 'Fehler' in row 4");
}

TEST_CASE("Features count values that are unlike those of training", "[data]") {
  const Table table = made_table({numbers("n", {1, 2, 3, 4}), texts("t", {"a", "b", "a", "b"}),
                                  numbers("same", {1, 1, 1, 1})});
  const Features features = fit_features(table, {});
  const auto strange = ladder::data::strange_values(
      features, made_table({texts("t", {"c", " a ", "", "NA", "d"}),
                            numbers("n", {1000, 2, kNoNumber, -1000, 3})}));
  REQUIRE(strange.size() == 2);
  CHECK(strange[0].name == "n");
  CHECK(strange[0].present == 4);
  CHECK(strange[0].strange == 2);
  CHECK(strange[1].name == "t");
  CHECK(strange[1].present == 3);
  CHECK(strange[1].strange == 2);
  CHECK_FALSE(strange[1].rare);
  CHECK(strange[0].rows == 5);
  CHECK(strange[0].least == -1000);
  CHECK(strange[0].most == 1000);
  CHECK_FALSE(strange[0].may_be_missing);
  // "None" is a level here, no missing value.
  const auto named = fit_features(made_table({texts("t", {"None", "b", "None", "b"})}), {});
  CHECK(ladder::data::strange_values(named, made_table({texts("t", {"None", "NA"})}))[0].present ==
        1);
}

TEST_CASE("Features find a sensor that is stuck", "[data]") {
  // z = -1/3 and 3: a flag that is set in a tenth of the rows.
  std::vector<double> flag(100, 0);
  std::fill_n(flag.begin(), 10, 1);
  const auto features = fit_features(made_table({numbers("flag", flag)}), {});
  const auto strange = [&](int rows, double value) {
    const std::vector<double> same(static_cast<size_t>(rows), value);
    return ladder::data::strange_values(features, made_table({numbers("flag", same)}))[0];
  };
  // (1 + 1/9)^-n is below 1e-6 from n = 132 on: (9/10)^131 = 1.01e-6.
  CHECK_FALSE(strange(131, 0).is_stuck());
  CHECK(strange(132, 0).is_stuck());
  CHECK(strange(7, 1).is_stuck());  // (1 + 9)^-7
  CHECK_FALSE(strange(5, 1).is_stuck());
  CHECK_FALSE(strange(0, 0).is_stuck());
  auto parts = strange(100, 0);
  parts.add(strange(100, 0));
  CHECK(parts.rows == 200);
  CHECK(parts.is_stuck());
  parts.add(strange(1, 1));
  CHECK_FALSE(parts.is_stuck());
}

TEST_CASE("Features give each level an input, and rare levels share one", "[data]") {
  std::vector<std::string> values;
  for (int row = 0; row < 60; ++row) values.push_back("often");
  for (int row = 0; row < 38; ++row) values.push_back(row % 2 == 0 ? "b" : "a");
  values.insert(values.end(), {"rare", ""});
  const Table table = made_table({texts("t", values)});
  const Features features = fit_features(table, {}, {.max_levels = 50, .min_share = 0.05});
  const Feature& feature = features.columns[0];
  CHECK(feature.levels == std::vector<std::string>{"often", "a", "b"});  // by count, then by bytes
  CHECK(feature.other);
  CHECK(feature.indicator);
  CHECK(feature.width() == 5);
  const torch::Tensor rows =
      features.apply(made_table({texts("t", {"b", "unseen", "rare", "", "often"})}));
  CHECK(torch::equal(rows, torch::tensor({{0.F, 0.F, kMark, 0.F, 0.F},
                                          {0.F, 0.F, 0.F, kMark, 0.F},
                                          {0.F, 0.F, 0.F, kMark, 0.F},
                                          {0.F, 0.F, 0.F, 0.F, kMark},
                                          {kMark, 0.F, 0.F, 0.F, 0.F}})));
}

TEST_CASE("Features keep at most the levels that are asked for, but two at least", "[data]") {
  std::vector<std::string> values;
  for (int row = 0; row < 400; ++row) values.push_back("level " + std::to_string(row % 80));
  const Features most = fit_features(made_table({texts("t", values)}), {});
  CHECK(most.columns[0].levels.size() == 50);
  CHECK(most.columns[0].other);
  std::vector<std::string> one_rare(1999, "x");
  one_rare.push_back("y");
  const Features two = fit_features(made_table({texts("t", one_rare)}), {}, {.min_share = 0.01});
  CHECK(two.columns[0].levels == std::vector<std::string>{"x", "y"});
  CHECK_FALSE(two.columns[0].other);
  // Without an input for others, an unseen level is no level.
  CHECK(torch::equal(two.apply(made_table({texts("t", {"z"})})), torch::zeros({1, 2})));
}

TEST_CASE("Features read numbers where texts are expected, and missing texts as missing numbers",
          "[data]") {
  const Table table =
      made_table({texts("t", {"1", "2.5", "1", "2.5"}), numbers("n", {1, 2, 3, kNoNumber})});
  const Features features = fit_features(table, {});
  const torch::Tensor by_numbers =
      features.apply(made_table({numbers("t", {2.5, kNoNumber}), texts("n", {"", ""})}));
  CHECK(
      torch::equal(by_numbers, torch::tensor({{0.F, kMark, 0.F, kMark}, {0.F, 0.F, 0.F, kMark}})));
}

TEST_CASE("Features find columns by name and ignore others", "[data]") {
  const Table table = made_table({numbers("a", {1, 2, 3}), numbers("b", {7, 5, 9})});
  const Features features = fit_features(table, {});
  const Table other = made_table(
      {texts("extra", {"x", "y", "z"}), numbers("b", {7, 5, 9}), numbers("a", {1, 2, 3})});
  CHECK(torch::equal(features.apply(other), features.apply(table)));
  CHECK(
      features.apply({.rows = 0, .columns = {numbers("a", {}), numbers("b", {})}}).sizes().vec() ==
      std::vector<int64_t>{0, 2});
}

TEST_CASE("Features stay finite for numbers at the ends of their range", "[data]") {
  constexpr double kLargest = std::numeric_limits<double>::max();
  constexpr double kSmallest = std::numeric_limits<double>::denorm_min();
  const std::vector<std::vector<double>> columns = {{kLargest, -kLargest, 1, 2},
                                                    {kSmallest, 0, 2 * kSmallest, kSmallest},
                                                    {1e-200, 3e-200, 2e-200, 5e-200},
                                                    {1, 1 + kDoubleEps, 1, 1}};
  for (const auto& values : columns) {
    INFO(values[0]);
    const Table table = made_table({numbers("a", values)});
    const Features features = fit_features(table, {});
    CHECK(std::isfinite(features.columns[0].center));
    CHECK(std::isfinite(features.columns[0].scale));
    CHECK(features.columns[0].scale > 0);
    CHECK(features.apply(table).isfinite().all().item<bool>());
    CHECK(features.apply(made_table({numbers("a", {kLargest, -kLargest})}))
              .isfinite()
              .all()
              .item<bool>());
  }
  // In units that do not overflow, small numbers are standardised like others.
  const Features small = fit_features(made_table({numbers("a", columns[2])}), {});
  const Features same = fit_features(made_table({numbers("a", {1, 3, 2, 5})}), {});
  const double ratio = small.columns[0].scale / same.columns[0].scale;
  CHECK(std::abs(ratio / 1e-200 - 1) <= 100 * kDoubleEps);
}

TEST_CASE("Features come back from JSON as they were", "[data]") {
  torch::manual_seed(6);
  std::vector<double> values = random_values(40, 0.1, 1.0 / 3);
  values[3] = kNoNumber;
  std::vector<std::string> levels;
  for (int row = 0; row < 40; ++row)
    levels.push_back(row % 3 == 0 ? "ä \"x\"" : row % 3 == 1 ? "a,b" : "\n");
  const Table table = made_table(
      {numbers("n", values), texts("t", levels), numbers("one", std::vector<double>(40, 1))});
  const Features features = fit_features(table, {});
  const std::string json = to_json(features);
  const Features again = features_from_json(json);
  CHECK(to_json(again) == json);
  CHECK(torch::equal(again.apply(table), features.apply(table)));
  CHECK(again.columns[2].dropped == "constant");
  CHECK(again.columns[0].center == features.columns[0].center);
  CHECK(again.columns[0].scale == features.columns[0].scale);
}

TEST_CASE("Features refuse sequences, and take other texts that hold numbers", "[data]") {
  const auto fit = [](const std::vector<std::string>& cells) {
    return fit_features(made_table({texts("wave", cells)}), {});
  };
  for (const auto& cells : {std::vector<std::string>{"0.5;1", "2;3;4", "", "7"},
                            {"1 2", "1 2 3 4", "5"},
                            {"[1, 2]", "[3]", "[4, 5, 6, 7]"}}) {
    INFO(cells.front());
    const auto text = error_text([&] { fit(cells); });
    CHECK(text.starts_with("Features: expected one number or text in each cell but got lists of "));
    CHECK(
        text.ends_with("numbers in column 'wave' of t.csv (sequences are not supported; compute "
                       "summary columns, such as the mean, or leave the column out)."));
  }
  CHECK(fit({"1 2", "3 4", "1 2"}).columns[0].levels.size() == 2);
  CHECK(fit({"1,234", "99", "1,234"}).columns[0].levels.size() == 2);
  CHECK(fit({"2 doors", "4", "2 doors"}).columns[0].levels.size() == 2);
}

TEST_CASE("Features say what is wrong with a table", "[data]") {
  const Features features = fit_features(made_table({numbers("age", {1, 2, 3})}), {});
  CHECK(error_text([&] { features.apply(made_table({numbers("aje", {1})})); }) ==
        "Table: expected a column 'age' in t.csv but found none (did you mean 'aje'?).");
  CHECK(error_text([&] {
          features.apply(made_table({texts("age", {"", "old"})}));
        }) == "Features: expected a number but got 'old' in row 2 of column 'age' of t.csv.");
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  CHECK(error_text([&] {
          features.apply(made_table({numbers("age", {1, -kInfinity})}));
        }) == "Features: expected finite numbers but got -inf in row 2 of column 'age' of t.csv.");
  CHECK(error_text([&] {
          fit_features(made_table({numbers("age", {kInfinity, 1})}), {});
        }) == "Features: expected finite numbers but got inf in row 1 of column 'age' of t.csv.");
  CHECK(error_text([&] {
          fit_features(made_table({numbers("age", {1, 1})}), {});
        }) ==
        "Features: expected a column whose values vary in t.csv but got constant, empty and "
        "identifying columns only.");
  CHECK(error_text([&] {
          fit_features(made_table({numbers("age", {1, 2})}), {"age"});
        }) ==
        "Features: expected a column whose values vary in t.csv but got no column besides the "
        "label.");
  CHECK(error_text([&] {
          fit_features(made_table({numbers("age", {1, 2}), numbers("id", {3, 4})}), {"ide"});
        }) == "Table: expected a column 'ide' in t.csv but found none (did you mean 'id'?).");
  CHECK(error_text([&] { features.apply({.rows = 2, .columns = {numbers("age", {1})}}); }) ==
        "Features: expected 2 values in column 'age' but got 1.");
  Table codes = made_table({texts("t", {"a", "b", "a"})});
  codes.columns[0].codes[1] = 2;
  CHECK(
      error_text([&] { fit_features(codes, {}); }) ==
      "Features: expected codes below 2, the number of levels, in column 't' of t.csv but got 2.");
  CHECK(error_text([&] {
          to_json(fit_features(made_table({texts("t", {"a", "\xFF", "a"})}), {}));
        }) == "Features: expected names and texts in UTF-8 but got other bytes.");
}

TEST_CASE("Features say what is wrong with JSON", "[data]") {
  const auto json_error = [](const std::string& json) {
    return error_text([&] { features_from_json(json); });
  };
  CHECK(json_error("x") == "Features: expected a JSON array of columns but got no JSON.");
  CHECK(json_error(R"([{"name": )" + std::string(300'000, '[') + std::string(300'000, ']') +
                   "}]") == "Features: expected a JSON array of columns but got no JSON.");
  CHECK(json_error("{}") == "Features: expected a JSON array of columns but got object.");
  CHECK(json_error(R"([{"name": "a", "kind": "date"}])") ==
        "Features: expected column 0 to be a number or a text but got 'date'.");
  CHECK(json_error(
            R"([{"name": "a", "kind": "number", "indicator": false, "center": 1, "scale": 0}])") ==
        "Features: expected column 0 to have a scale above 0 but got 0.");
  for (const char* json :
       {"[1]", "[{}]", R"([{"name": 1}])", R"([{"name": "a", "kind": "number"}])",
        R"([{"name": "a", "kind": "number", "indicator": false, "center": null, "scale": 1}])",
        R"([{"name": "a", "kind": "text", "indicator": false, "levels": [1], "other": false}])"}) {
    INFO(json);
    CHECK(json_error(json).find("Features: expected a description of column 0 but got ") == 0);
  }
}

TEST_CASE("Features know the missing values of a table that no reader has seen", "[data]") {
  auto table = made_table({numbers("n", {1, 2, 4, kNoNumber}), texts("t", {"a", "b", "a", ""})});
  table.missing = {"-999", "unknown"};
  const Features features = fit_features(table, {});
  const auto plain =
      features.apply(made_table({numbers("n", {kNoNumber, 2}), texts("t", {"", "b"})}));
  const auto raw =
      features.apply(made_table({numbers("n", {-999, 2}), texts("t", {"unknown", "b"})}));
  CHECK(torch::equal(raw, plain));
  // Usual missing texts, also where numbers are expected, and numbers as texts.
  for (const char* missing : {"?", "NA", "-999.0", "unknown"}) {
    const auto as_texts = features.apply(made_table(
        {texts("n", {missing, "2"}), texts("t", {missing[0] == '-' ? "" : missing, "b"})}));
    CHECK(torch::equal(as_texts, plain));
  }
  // A level is a level.
  const auto levels = fit_features(made_table({texts("t", {"NA", "b", "NA", "b"})}), {});
  CHECK(
      torch::equal(levels.apply(made_table({texts("t", {"NA"})})), torch::tensor({{kMark, 0.F}})));
}

TEST_CASE("Features find truth values in every spelling", "[data]") {
  const auto spelled = [](const std::vector<std::string>& values) {
    return fit_features(made_table({texts("t", values)}), {});
  };
  const auto yes_no = torch::tensor({{kMark, 0.F}, {0.F, kMark}});
  for (const auto& [yes, no] :
       {std::pair("true", "false"), std::pair("True", "False"), std::pair("TRUE", "FALSE")}) {
    const auto features = spelled({yes, no, yes});
    for (const auto& [other_yes, other_no] :
         {std::pair("true", "false"), std::pair("True", "False"), std::pair("TRUE", "FALSE"),
          std::pair("1", "0")}) {
      CHECK(torch::equal(features.apply(made_table({texts("t", {other_yes, other_no})})), yes_no));
    }
    CHECK(torch::equal(features.apply(made_table({numbers("t", {1, 0})})), yes_no));
  }
  // Other texts are none: neither of other levels nor beside them.
  const auto features = spelled({"true", "no", "true"});
  CHECK(torch::equal(features.apply(made_table({texts("t", {"TRUE"})})), torch::zeros({1, 2})));
  // Where numbers are expected, they are 1 and 0.
  const auto counted = fit_features(made_table({numbers("n", {0, 1, 1})}), {});
  CHECK(torch::equal(counted.apply(made_table({texts("n", {"True", "false"})})),
                     counted.apply(made_table({numbers("n", {1, 0})}))));
}

TEST_CASE("Features count the spellings of one truth value as one level", "[data]") {
  const auto table = made_table({texts("t", {"True", "TRUE", "false", "True", "0", "false", "1"})});
  const auto features = fit_features(table, {});
  CHECK(features.columns[0].levels == std::vector<std::string>{"True", "false"});
  CHECK_FALSE(features.columns[0].other);
  CHECK(torch::equal(features.apply(made_table({texts("t", {"TRUE", "0", "1", "False"})})),
                     torch::tensor({{kMark, 0.F}, {0.F, kMark}, {kMark, 0.F}, {0.F, kMark}})));
  const auto constant =
      fit_features(made_table({texts("t", {"1", "true", "1"}), numbers("n", {1, 2, 3})}), {});
  CHECK(constant.columns[0].dropped == "constant");
  // Beside another text they are texts.
  CHECK(
      fit_features(made_table({texts("t", {"True", "TRUE", "x"})}), {}).columns[0].levels.size() ==
      3);
}

TEST_CASE("Features find whole numbers and days in the spellings of frames", "[data]") {
  const auto fitted = [](const std::vector<std::string>& values) {
    return fit_features(made_table({texts("t", values)}), {});
  };
  const auto of = [](const Features& features, const std::vector<std::string>& values) {
    return features.apply(made_table({texts("t", values)}));
  };
  const auto both = torch::tensor({{kMark, 0.F}, {0.F, kMark}});
  const auto none = torch::zeros({1, 2});
  for (const auto& [two, minus] : {std::pair("2", "-10"), std::pair("2.0", "-10.0")}) {
    const auto features = fitted({two, minus, two});
    CHECK(torch::equal(of(features, {"2", "-10"}), both));
    CHECK(torch::equal(of(features, {"2.0", " -10.0"}), both));
    CHECK(torch::equal(features.apply(made_table({numbers("t", {2, -10})})), both));
    for (const auto* other : {"02", "2.00", "2.", "+2", "2e0", "2.0.0"}) {
      CAPTURE(other);
      CHECK(torch::equal(of(features, {other}), none));
    }
    CHECK(strange_values(features, made_table({texts("t", {"2", "2.0", "02"})}))[0].strange == 1);
  }
  for (const auto& [first, second] : {std::pair("2020-01-31", "2020-02-01"),
                                      std::pair("2020-01-31 00:00:00", "2020-02-01 00:00:00")}) {
    const auto features = fitted({first, second, first});
    CHECK(torch::equal(of(features, {"2020-01-31", "2020-02-01"}), both));
    CHECK(torch::equal(of(features, {"2020-01-31 00:00:00", "2020-02-01 00:00:00"}), both));
    CHECK(torch::equal(of(features, {"2020-01-31 00:00:01"}), none));
  }
  // Levels stay what they are, and codes and versions are no numbers.
  CHECK(torch::equal(of(fitted({"1", "1.0", "1"}), {"1", "1.0"}), both));
  auto older = fitted({"1.0", "1", "1.0"});
  older.columns[0].levels[1] = " 1";  // as models from before may have it
  CHECK(torch::equal(of(older, {"1.0", "1"}), both));
  CHECK(torch::equal(of(fitted({"01", "02", "01"}), {"1"}), none));
  CHECK(torch::equal(of(fitted({"01", "02", "01"}), {"01.0"}), none));
  CHECK(torch::equal(of(fitted({"1.10", "1.2", "1.10"}), {"1.1"}), none));
}

TEST_CASE("Features ignore spaces around texts", "[data]") {
  const auto spaced = made_table({texts("t", {" a", "a\t", "b", " ", ""})});
  const auto plain = made_table({texts("t", {"a", "a", "b", "", ""})});
  const auto features = fit_features(spaced, {});
  CHECK(to_json(features) == to_json(fit_features(plain, {})));
  CHECK(torch::equal(features.apply(spaced), features.apply(plain)));
  const auto counted = fit_features(made_table({numbers("n", {1, 2, kNoNumber})}), {});
  CHECK(torch::equal(counted.apply(made_table({texts("n", {" 2 ", "\tNA", " "})})),
                     counted.apply(made_table({numbers("n", {2, kNoNumber, kNoNumber})}))));
  // A level of an older model may have some.
  auto older = features;
  older.columns[0].levels[0] = " a";
  CHECK(torch::equal(older.apply(made_table({texts("t", {" a", "a"})})),
                     torch::tensor({{kMark, 0.F, 0.F}, {kMark, 0.F, 0.F}})));
}

TEST_CASE("Features round missing numbers for columns in single precision only", "[data]") {
  auto table = made_table({numbers("n", {1, 2, kNoNumber})});
  table.missing = {"99999999", "-999.9"};
  const auto features = fit_features(table, {});
  const auto missing = features.apply(made_table({numbers("n", {kNoNumber})}));
  auto given = made_table({numbers("n", {100000000})});
  const auto is_missing = [&] { return torch::equal(features.apply(given), missing); };
  CHECK_FALSE(is_missing());
  given.columns[0].numbers = {double{-999.9F}};
  CHECK_FALSE(is_missing());
  given.columns[0].single = true;
  CHECK(is_missing());
  // Of 99999999 and 100000000 single precision keeps one, unless the reader has told them apart.
  given.columns[0].numbers = {100000000};
  CHECK(is_missing());
  given.missing = table.missing;
  CHECK_FALSE(is_missing());
}

TEST_CASE("Features know missing numbers among texts in other spellings", "[data]") {
  auto table = made_table({texts("t", {"a", "b", "a", ""})});
  table.missing = {"-999", "999"};
  const auto features = fit_features(table, {});
  CHECK(torch::equal(features.apply(made_table({texts("t", {"-999.0", "-9.99e2", "999", " 999"})})),
                     features.apply(made_table({texts("t", {"", "", "", ""})}))));
  // A code is another text.
  CHECK(torch::equal(features.apply(made_table({texts("t", {"0999"})})), torch::zeros({1, 3})));
}

TEST_CASE("Features refuse two columns of one name", "[data]") {
  CHECK(error_text([] {
          fit_features(
              made_table({numbers("a", {1, 2}), texts("b", {"x", "y"}), numbers("a", {3, 4})}), {});
        }) == "Features: expected different column names but got 'a' twice in t.csv (rename one).");
}
