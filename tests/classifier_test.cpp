#include "ladder/classifier.h"

#include <c10/core/InferenceMode.h>
#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ladder/data/class_labels.h"
#include "ladder/data/shard_writer.h"
#include "ladder/data/shards.h"
#include "ladder/exports/onnx.h"
#include "ladder/io/tensor_file.h"
#include "tests/support/catch.h"
#include "tests/support/child.h"
#include "tests/support/error_text.h"
#include "tests/support/files_below.h"
#include "tests/support/require_close.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/threads.h"

namespace {

namespace data = ladder::data;
namespace train = ladder::train;
using ladder::Classifier;
using ladder::ClassifierOptions;
using ladder::testing::error_text;
using ladder::testing::file_bytes;
using ladder::testing::kFollowsForks;
using ladder::testing::kNoForks;
using ladder::testing::require_equal;
using ladder::testing::status_of_child;
using ladder::testing::TemporaryFolder;
using ladder::testing::ThreadsOfTest;

// Rows of three clouds, far apart compared with their width; a text column hints at one of them.
struct Clouds {
  data::Table table;
  torch::Tensor truth;  // int64 [rows]
};

Clouds clouds(int64_t rows, int64_t labeled, uint64_t seed = 1) {
  torch::manual_seed(seed);
  const auto truth = torch::arange(rows) % 3;
  const auto centers = torch::tensor({{0.0, 0.0}, {5.0, 0.0}, {0.0, 5.0}}, torch::kDouble);
  const auto x = centers.index_select(0, truth) + torch::randn({rows, 2}, torch::kDouble);
  data::Table table{.source = "clouds", .rows = rows};
  for (int64_t c = 0; c < 2; ++c) {
    const auto column = x.select(1, c).contiguous();
    const double* begin = column.const_data_ptr<double>();
    table.columns.push_back({.name = c == 0 ? "width" : "height",
                             .kind = data::ColumnKind::kNumber,
                             .numbers = {begin, begin + rows}});
  }
  data::Column color{.name = "color", .kind = data::ColumnKind::kText, .levels = {"red", "green"}};
  data::Column label{
      .name = "kind", .kind = data::ColumnKind::kText, .levels = {"apple", "pear", "fig"}};
  for (int64_t row = 0; row < rows; ++row) {
    const auto is = static_cast<int32_t>(truth[row].item<int64_t>());
    color.codes.push_back(is == 0 ? 0 : 1);
    label.codes.push_back(row < labeled ? is : -1);
  }
  table.columns.push_back(std::move(color));
  table.columns.push_back(std::move(label));
  return {std::move(table), truth};
}

ClassifierOptions quick(int64_t epochs = 20) {
  ClassifierOptions options;
  options.layers = {20, 10};
  options.epochs = epochs;
  return options;
}

double share_of_right(const std::vector<std::string>& names, const torch::Tensor& truth) {
  const std::vector<std::string> kinds = {"apple", "pear", "fig"};
  int64_t right = 0;
  for (size_t row = 0; row < names.size(); ++row) {
    const auto is = static_cast<size_t>(truth[static_cast<int64_t>(row)].item<int64_t>());
    right += names[row] == kinds[is] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(names.size());
}

}  // namespace

TEST_CASE("Classifier: learns clouds from two labels each and names classes", "[classifier]") {
  const auto rows = clouds(600, 6);
  Classifier classifier(quick());
  const auto report = classifier.fit(rows.table, "kind");
  CHECK(classifier.classes() == std::vector<std::string>{"apple", "fig", "pear"});
  CHECK(report.rows == 600);
  CHECK(report.labeled == 6);
  CHECK(report.held_back.method == "none");
  const auto unseen = clouds(300, 300, 9);
  // Clouds whose centers are 5 standard deviations apart overlap in 1 % of their rows.
  CHECK(share_of_right(classifier.predict(unseen.table), unseen.truth) > 0.95);
  CHECK(classifier.score(unseen.table, "kind") > 0.95);
  const auto p = classifier.predict_proba(unseen.table);
  REQUIRE(p.sizes().vec() == std::vector<int64_t>{300, 3});
  CHECK(p.ge(0).all().item<bool>());
  CHECK((p.sum(1) - 1).abs().max().item<double>() <= 3 * 0x1p-23);
}

TEST_CASE("Classifier: a saved model predicts the same, and the same model gives the same bytes",
          "[classifier]") {
  const TemporaryFolder folder;
  const auto rows = clouds(300, 30);
  Classifier classifier(quick(3));
  classifier.fit(rows.table, "kind");
  classifier.save(folder / "a.ladder");
  const auto loaded = Classifier::load(folder / "a.ladder");
  CHECK(loaded.classes() == classifier.classes());
  CHECK(loaded.label() == "kind");
  require_equal(loaded.predict_proba(rows.table), classifier.predict_proba(rows.table));
  loaded.save(folder / "b.ladder");
  CHECK(file_bytes(folder / "a.ladder") == file_bytes(folder / "b.ladder"));
  Classifier again(quick(3));
  again.fit(rows.table, "kind");
  again.save(folder / "c.ladder");
  CHECK(file_bytes(folder / "a.ladder") == file_bytes(folder / "c.ladder"));
  // Python's default torch.load opens what load_tensors opens.
  CHECK(ladder::io::load_tensors(folder / "a.ladder").contains("model.json"));
}

TEST_CASE("Classifier: columns are found by name, and an absent one is named", "[classifier]") {
  auto rows = clouds(120, 12);
  Classifier classifier(quick(2));
  classifier.fit(rows.table, "kind");
  const auto before = classifier.predict_proba(rows.table);
  std::swap(rows.table.columns[0], rows.table.columns[3]);
  require_equal(classifier.predict_proba(rows.table), before);
  rows.table.columns.erase(rows.table.columns.begin());  // the label
  require_equal(classifier.predict_proba(rows.table), before);
  rows.table.columns[0].name = "heigth";
  CHECK(error_text([&] { classifier.predict_proba(rows.table); }) ==
        "Table: expected a column 'height' in clouds but found none (did you mean 'heigth'?).");
}

TEST_CASE("Classifier: a missing value is taken, an infinite one is refused", "[classifier]") {
  auto rows = clouds(120, 12);
  rows.table.columns[0].numbers[7] = std::numeric_limits<double>::quiet_NaN();
  Classifier classifier(quick(2));
  classifier.fit(rows.table, "kind");
  CHECK(classifier.model().features->width() == 2 + 1 + 2);  // an indicator, two colors
  rows.table.columns[1].numbers[3] = std::numeric_limits<double>::infinity();
  CHECK(error_text([&] { classifier.predict_proba(rows.table); }) ==
        "Features: expected finite numbers but got inf in row 4 of column 'height' of clouds.");
}

TEST_CASE("Classifier: a batch holds at most the rows of an epoch", "[classifier]") {
  const auto rows = clouds(120, 12);
  auto options = quick(2);
  options.validation = 0;
  options.labels_alone = true;
  for (const int64_t batch : {0, 121}) {
    options.labeled_batch = batch;
    CHECK(error_text([&] { Classifier(options).fit(rows.table, "kind"); }) ==
          "Classifier: expected a labeled batch of 2 to 120 rows but got " + std::to_string(batch) +
              ".");
  }
  options.labels_alone = false;
  options.labeled_batch = {};
  options.unlabeled_batch = 10;
  options.row_weights = torch::arange(120).lt(5).to(torch::kDouble);
  CHECK(error_text([&] { Classifier(options).fit(rows.table, "kind"); }) ==
        "Classifier: expected a batch of 2 to 5 rows but got 10.");
}

TEST_CASE("Classifier: tensors with labels -1 serve as well", "[classifier]") {
  torch::manual_seed(3);
  const auto truth = torch::arange(400) % 2;
  const auto x = torch::randn({400, 3}) + 4 * truth.view({-1, 1});
  auto y = truth.clone();
  y.slice(0, 8).fill_(-1);
  Classifier classifier(quick());
  classifier.fit(x, y);
  CHECK(classifier.classes() == std::vector<std::string>{"0", "1"});
  CHECK(classifier.score(x, truth) > 0.98);
  CHECK(error_text([&] {
          classifier.fit(x, truth.to(torch::kFloat));
        }).find("Classifier: expected rows x [N, ...] and labels y as int64 [N] but got") == 0);
  CHECK(error_text([&] { classifier.fit(x, truth - 2); }) ==
        "Classifier: expected labels from 0 up, or -1 for none, but got -2.");
  CHECK(
      error_text([&] { classifier.score(x, truth + 1); }) ==
      "Classifier: expected labels of the scored rows in 0..1, or -1 for none, but got 2 (row 1).");
}

TEST_CASE("Classifier: learns alike where the caller has switched gradients off", "[classifier]") {
  const auto rows = clouds(60, 6);
  const auto learned = [&] {
    Classifier classifier(quick(2));
    classifier.fit(rows.table, "kind");
    return classifier.predict_proba(rows.table);
  };
  const auto expected = learned();
  Classifier kept(quick(2));
  {
    const c10::InferenceMode inference;
    kept.fit(rows.table, "kind");
  }
  require_equal(kept.predict_proba(rows.table), expected);
  kept.fit(rows.table, "kind");  // nothing of that mode has stayed
  require_equal(kept.predict_proba(rows.table), expected);
  const torch::NoGradGuard no_grad;
  require_equal(learned(), expected);
}

TEST_CASE("Classifier: images are scaled by the mean and scale that it keeps", "[classifier]") {
  torch::manual_seed(4);
  const auto truth = torch::arange(200) % 2;
  const auto noise = torch::randint(0, 60, {200, 1, 6, 6});
  const auto images = (noise + 120 * truth.view({-1, 1, 1, 1})).to(torch::kUInt8);
  auto y = truth.clone();
  y.slice(0, 10).fill_(-1);
  ClassifierOptions options = quick(10);
  Classifier classifier(options);
  classifier.fit(images, y);
  CHECK(classifier.score(images, truth) > 0.98);
  REQUIRE(classifier.model().images);
  const auto& kept = *classifier.model().images;
  const auto unit = images.to(torch::kDouble) / 255;
  // Sums of 7,200 numbers in float64.
  CHECK(std::abs(kept.mean[0] - unit.mean().item<double>()) <= 7200 * 0x1p-52);
  CHECK(std::abs(kept.scale[0] - unit.std(false).item<double>()) <= 7200 * 0x1p-52);
  require_equal(classifier.predict_proba(images.squeeze(1)), classifier.predict_proba(images));
  CHECK(error_text([&] { classifier.predict_proba(images.slice(2, 1)); }) ==
        "Classifier: expected images of 1 x 6 x 6 (channels, height, width) but got a tensor of "
        "shape [200, 1, 5, 6].");

  ClassifierOptions convolutional = options;
  convolutional.layers.clear();
  convolutional.convolutional = true;
  convolutional.epochs = 1;
  Classifier maps(convolutional);
  maps.fit(images, y);
  const TemporaryFolder folder;
  maps.save(folder / "maps.ladder");
  require_equal(Classifier::load(folder / "maps.ladder").predict_proba(images),
                maps.predict_proba(images));
}

TEST_CASE("Classifier: errors are measured on rows that were held back", "[classifier]") {
  const auto rows = clouds(300, 150);
  Classifier classifier(quick(5));
  const auto report = classifier.fit(rows.table, "kind");
  CHECK(report.held_back.method == "held-back rows");
  CHECK(report.held_back.rows.numel() == 15);
  CHECK(report.labeled == 135);
  CHECK(report.rows == 285);
  CHECK(report.config.validation == 15);

  ClassifierOptions folds = quick(5);
  folds.folds = 3;
  const auto by_folds = Classifier(folds).fit(clouds(300, 30).table, "kind");
  CHECK(by_folds.held_back.method == "3 folds");
  CHECK(by_folds.held_back.rows.numel() == 30);
  CHECK(by_folds.labeled == 30);
}

TEST_CASE("Classifier: of many held-back rows it has metrics in place of probabilities",
          "[classifier]") {
  const auto rows = clouds(300, 150);
  for (const int64_t folds : {0, 3}) {
    INFO(folds << " folds");
    auto options = quick(5);
    options.folds = folds;
    Classifier keeping(options);
    const auto kept = keeping.fit(rows.table, "kind").held_back;
    CHECK_FALSE(kept.metrics);
    options.max_probabilities = kept.probabilities.numel() - 1;
    Classifier measuring(options);
    const auto held = measuring.fit(rows.table, "kind").held_back;
    CHECK_FALSE(held.probabilities.defined());
    REQUIRE(held.metrics);
    CHECK(held.method == kept.method);
    require_equal(held.rows, kept.rows);
    require_equal(held.labels, kept.labels);
    const auto found = held_back_metrics(held), expected = held_back_metrics(kept);
    CHECK(found.rows == kept.rows.numel());
    CHECK(found.wrong == expected.wrong);
    CHECK(found.log_loss == expected.log_loss);
    CHECK(found.reliability.error == expected.reliability.error);
    require_equal(found.confusion, expected.confusion);
    CHECK((measuring.model().facts == keeping.model().facts));
  }
}

TEST_CASE("Classifier: names that no model file holds are refused before training",
          "[classifier]") {
  auto options = quick(1);
  options.on_start = [](const auto&, int64_t) { FAIL("trains"); };
  const auto refusal = [&](const std::function<void(data::Table&)>& change) {
    auto table = clouds(60, 30).table;
    change(table);
    return error_text([&] { Classifier(options).fit(table, "kind"); });
  };
  // Both classes would have the name "caf\uFFFD" in the file.
  CHECK(refusal([](data::Table& table) {
          table.columns.back().levels = {"caf\xe9", "caf\xe8", "fig"};
        }) ==
        "Classifier: expected names of classes in UTF-8 but got 'caf' and other bytes (convert the "
        "texts first).");
  CHECK(refusal([](data::Table& table) { table.columns[0].name = "w\xff"; }) ==
        "Classifier: expected names of columns in UTF-8 but got 'w' and other bytes (convert the "
        "texts first).");
  CHECK(refusal([](data::Table& table) { table.columns[2].levels[1] = "gr\xfcn"; }) ==
        "Classifier: expected texts of columns in UTF-8 but got 'gr' and other bytes (convert the "
        "texts first).");
  CHECK(refusal([](data::Table& table) { table.missing = {"\xff"}; }) ==
        "Classifier: expected texts of missing values in UTF-8 but got '' and other bytes (convert "
        "the texts first).");
}

TEST_CASE("Classifier: a file of any name may be trained on", "[classifier]") {
  const TemporaryFolder folder;
  auto table = clouds(60, 30).table;
  table.source = "caf\xe9.csv";
  Classifier classifier(quick(1));
  classifier.fit(table, "kind");
  classifier.put_fact("note", "na\xefve");
  classifier.save(folder / "m.ladder");
  const auto loaded = Classifier::load(folder / "m.ladder");
  const auto& facts = loaded.model().facts;
  CHECK((facts == classifier.model().facts));
  CHECK(std::count(facts.begin(), facts.end(),
                   std::pair<std::string, std::string>("data", "caf\xEF\xBF\xBD.csv")) == 1);
  ladder::exports::write_onnx(folder / "m.onnx", classifier.model());
}

TEST_CASE("Classifier: leaves the random numbers of its caller alone", "[classifier]") {
  const TemporaryFolder folder;
  const auto rows = clouds(60, 30);
  Classifier classifier(quick(1));
  torch::manual_seed(3);
  const auto expected = torch::rand({3});
  const auto still = [&] { return torch::equal(torch::rand({3}), expected); };
  torch::manual_seed(3);
  classifier.fit(rows.table, "kind");
  CHECK(still());
  torch::manual_seed(3);
  classifier.save(folder / "m.ladder");
  CHECK(still());
  torch::manual_seed(3);
  Classifier::load(folder / "m.ladder");
  CHECK(still());
}

TEST_CASE("Classifier: predicts in a child after fork", "[classifier][threads]") {
  if (!kFollowsForks) LADDER_SKIP(kNoForks);
  // As many values as LibTorch divides among threads, in each of its calls.
  const auto rows = clouds(12000, 60);
  const auto pictures = torch::randint(0, 256, {300, 1, 8, 8}, torch::kLong).to(torch::kByte);
  const auto labels = torch::arange(300) % 3;
  const auto x = torch::randn({12000, 3}), y = torch::arange(12000) % 40;
  const ThreadsOfTest threads(3);
  Classifier tables(quick(1)), tensors(quick(1)), images(quick(1));
  tables.fit(rows.table, "kind");
  tensors.fit(x, y);
  images.fit({.images = pictures, .labels = labels, .classes = {"a", "b", "c"}});
  const auto expected = tables.predict_proba(rows.table);
  const auto of_images = images.predict_proba({.images = pictures});
  const auto of_tensors = tensors.predict_proba(x);
  const auto names = tables.predict(rows.table);
  const auto right = tensors.score(x, y);
  const auto is_equal = [](const torch::Tensor& a, const torch::Tensor& b) {
    return std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;  // no threads
  };
  CHECK(status_of_child([&] {
          return tables.predict(rows.table) == names &&
                 is_equal(tensors.predict_proba(x), of_tensors) && tensors.score(x, y) == right &&
                 is_equal(tables.predict_proba(rows.table), expected) &&
                 is_equal(images.predict_proba({.images = pictures}), of_images);
        }) == 0);
}

TEST_CASE("Classifier: its facts name the last part of the source", "[classifier]") {
  auto table = clouds(60, 30).table;
  for (const char* source : {"data/rows", "data/rows/"}) {
    table.source = source;
    Classifier classifier(quick(1));
    classifier.fit(table, "kind");
    const auto& facts = classifier.model().facts;
    CHECK(std::count(facts.begin(), facts.end(),
                     std::pair<std::string, std::string>("data", "rows")) == 1);
  }
}

TEST_CASE("Classifier: a fit that fails while it trains leaves the classifier as it was",
          "[classifier]") {
  const auto rows = clouds(120, 12);
  bool fails = false;
  auto options = quick(2);
  options.callbacks.on_step = [&](int64_t step) {
    if (fails && step == 3) throw std::runtime_error("stop");
  };
  options.on_fold = [&](const ladder::FoldProgress&) {
    if (fails) throw std::runtime_error("stop");
  };
  for (const int64_t folds : {0, 3}) {
    INFO(folds << " folds");
    options.folds = folds;
    if (folds > 0) options.callbacks = {};
    Classifier classifier(options);
    fails = false;
    classifier.fit(rows.table, "kind");
    const auto probabilities = classifier.predict_proba(rows.table);
    const auto names = classifier.classes();
    const auto facts = classifier.model().facts;
    fails = true;
    CHECK_THROWS_WITH(classifier.fit(clouds(60, 60, 5).table, "color"), Catch::Contains("stop"));
    require_equal(classifier.predict_proba(rows.table), probabilities);
    CHECK(classifier.classes() == names);
    CHECK(classifier.label() == "kind");
    CHECK((classifier.model().facts == facts));
    CHECK(classifier.config().train_rows == 120);
  }
}

TEST_CASE("Classifier: facts are put before the others, once each", "[classifier]") {
  const TemporaryFolder folder;
  Classifier classifier(quick(2));
  CHECK(error_text([&] { classifier.put_fact("test error", "1 %"); }).starts_with("Classifier: "));
  classifier.fit(clouds(60, 6).table, "kind");
  const auto before = classifier.model().facts;
  classifier.put_fact("test error", "1 %");
  classifier.put_fact("test error", "2 %");
  classifier.put_fact("n\xef", "1");
  classifier.put_fact("n\xef", "2");
  CHECK(classifier.model().facts.size() == before.size() + 2);
  classifier.put_fact("test error", "2 %");
  const auto facts = classifier.model().facts;
  CHECK(facts.size() == before.size() + 2);
  CHECK(facts.front() == std::pair<std::string, std::string>("test error", "2 %"));
  classifier.save(folder / "model");
  CHECK((Classifier::load(folder / "model").model().facts == facts));
}

TEST_CASE("Classifier: folds fit the rows, or are refused before training", "[classifier]") {
  auto options = quick(2);
  options.folds = 5;
  const auto few = clouds(20, 12);  // fewer rows than the usual batch
  const auto report = Classifier(options).fit(few.table, "kind");
  CHECK(report.held_back.rows.numel() == 12);
  CHECK(report.config.unlabeled_batch == 17);  // without the largest fold, of three rows

  options.on_start = [](const auto&, int64_t) { FAIL("trains"); };
  options.folds = 13;
  CHECK(error_text([&] { Classifier(options).fit(few.table, "kind"); }) ==
        "Classifier: expected at most 12 folds, a labeled row in each, but got 13.");
  options.folds = 5;
  options.unlabeled_batch = 18;
  CHECK(error_text([&] { Classifier(options).fit(few.table, "kind"); }) ==
        "Classifier: expected a batch of 2 to 17 rows, those without a fold, but got 18.");

  // Of 20 rows with a weight each fold leaves 16 or fewer; a default gives way.
  const auto some = clouds(100, 100);
  options.unlabeled_batch = 20;
  options.row_weights = (torch::arange(100) < 20).to(torch::kDouble);
  const auto refused = error_text([&] { Classifier(options).fit(some.table, "kind"); });
  CHECK(refused.ends_with(" rows, those without a fold, but got 20."));
  options.unlabeled_batch.reset();
  options.on_start = {};
  const auto batch = Classifier(options).fit(some.table, "kind").config.unlabeled_batch;
  CHECK(batch <= 16);
  CHECK(refused.starts_with("Classifier: expected a batch of 2 to " + std::to_string(batch) + " "));
  options.on_start = [](const auto&, int64_t) { FAIL("trains"); };
  options.row_weights.reset();
  options.labels_alone = true;
  options.labeled_batch = 50;
  const auto all = clouds(60, 60);
  CHECK(error_text([&] { Classifier(options).fit(all.table, "kind"); }) ==
        "Classifier: expected a labeled batch of 2 to 48 rows, those without a fold, but got 50.");
  options.on_start = {};
  options.labeled_batch.reset();
  CHECK(Classifier(options).fit(all.table, "kind").config.labeled_batch == 48);
}

TEST_CASE("Classifier: interrupted in the folds, it is saved and goes on with the next fold",
          "[classifier]") {
  const TemporaryFolder folder;
  const auto rows = clouds(300, 30);
  auto options = quick(3);
  options.folds = 3;
  options.folder = folder / "whole";
  std::vector<ladder::FoldProgress> told;
  options.on_fold = [&](const ladder::FoldProgress& progress) {
    if (progress.ended) told.push_back(progress);
  };
  const auto whole = Classifier(options).fit(rows.table, "kind");
  CHECK(whole.fold_seconds > 0);
  CHECK(whole.folds_left == 0);
  const auto wrong =
      whole.held_back.probabilities.argmax(1).ne(whole.held_back.labels).sum().item<int64_t>();
  REQUIRE(told.size() == 3);
  for (int64_t i = 0; i < 3; ++i) {
    const auto& progress = told[static_cast<size_t>(i)];
    CHECK(progress.fold == i + 1);
    CHECK(progress.folds == 3);
    CHECK(progress.rows == 10 * (i + 1));
    CHECK(progress.network.step == progress.network.steps);
    CHECK(progress.network.epochs == 3);
  }
  CHECK(told.back().wrong == wrong);

  options.folder = folder / "parts";
  options.resume = true;
  told.clear();
  options.callbacks.stop_requested = [&] { return !told.empty(); };
  Classifier stopped(options);
  const auto cut = stopped.fit(rows.table, "kind");
  CHECK(cut.training.status == train::TrainStatus::kInterrupted);
  CHECK(cut.folds_left == 2);
  CHECK(cut.held_back.method == "none");
  const auto saved = Classifier::load(folder / "parts");
  require_equal(saved.predict_proba(rows.table), stopped.predict_proba(rows.table));
  require_equal(saved.predict_proba(rows.table),
                Classifier::load(folder / "whole").predict_proba(rows.table));
  for (const auto& [name, text] : saved.model().facts) CHECK(name != "error");

  told.clear();
  options.callbacks.stop_requested = {};
  // The folder is taken while the folds train.
  std::string second;
  auto other = options;
  other.on_fold = {};
  options.on_fold = [&, tell = options.on_fold](const ladder::FoldProgress& progress) {
    tell(progress);
    if (second.empty()) second = error_text([&] { Classifier(other).fit(rows.table, "kind"); });
  };
  const auto rest = Classifier(options).fit(rows.table, "kind");
  REQUIRE(told.size() == 2);
  CHECK(second.find("another process has it open") != std::string::npos);
  CHECK(told.front().fold == 2);
  CHECK(told.back().wrong == wrong);
  require_equal(rest.held_back.probabilities, whole.held_back.probabilities);
  CHECK(file_bytes(folder / "whole" / ladder::kModelFile) ==
        file_bytes(folder / "parts" / ladder::kModelFile));

  told.clear();  // all are kept
  const auto again = Classifier(options).fit(rows.table, "kind");
  CHECK(told.empty());
  CHECK(again.fold_seconds == rest.fold_seconds);
  require_equal(again.held_back.probabilities, whole.held_back.probabilities);
  options.folds = 2;  // others, which were not trained
  CHECK(Classifier(options).fit(rows.table, "kind").held_back.method == "2 folds");
  CHECK(told.size() == 2);
}

TEST_CASE("Classifier: test images may lack a class, and have theirs in another order",
          "[classifier]") {
  torch::manual_seed(1);
  const auto truth = torch::arange(90) % 3;
  data::Samples rows{.source = "squares"};
  rows.images =
      (truth.view({90, 1, 1, 1}) * 80 + torch::randint(20, {90, 1, 4, 4})).to(torch::kByte);
  rows.labels = truth;
  rows.classes = {"dark", "gray", "light"};
  data::Samples test{.source = "others"};
  test.images = rows.images.index({truth.ne(1)});
  test.labels = truth.index({truth.ne(1)}).eq(0).to(torch::kLong);  // light, dark
  test.classes = {"light", "dark"};
  auto as_trained = test;
  as_trained.labels = truth.index({truth.ne(1)});
  as_trained.classes = rows.classes;
  auto options = quick(10);
  const auto error_on = [&](const data::Samples& samples) {
    options.test = samples;
    return Classifier(options).fit(rows).training.last.value().test_error.value();
  };
  CHECK(error_on(test) == error_on(as_trained));
  options.test->classes = {"light", "black"};
  CHECK(error_text([&] {
          Classifier(options).fit(rows);
        }).find("expected known classes in others but got 'black'") != std::string::npos);
}

TEST_CASE("Classifier: an interrupted run continues to the same bytes", "[classifier]") {
  const TemporaryFolder folder;
  const auto rows = clouds(300, 30);
  auto options = quick(6);
  options.folder = folder / "whole";
  Classifier(options).fit(rows.table, "kind");

  options.folder = folder / "parts";
  options.resume = true;
  int64_t steps = 0;
  options.callbacks.on_step = [&](int64_t) { ++steps; };
  options.callbacks.stop_requested = [&] { return steps % 7 == 6; };
  int parts = 0;
  while (Classifier(options).fit(rows.table, "kind").training.status ==
         train::TrainStatus::kInterrupted) {
    ++parts;
    REQUIRE(parts < 100);
  }
  CHECK(parts > 2);
  CHECK(file_bytes(folder / "whole" / ladder::kModelFile) ==
        file_bytes(folder / "parts" / ladder::kModelFile));

  auto other = options;
  other.seed = 2;
  CHECK(error_text([&] {
          Classifier(other).fit(rows.table, "kind");
        }).find("was started with but got others: seed (1 there, 2 here)") != std::string::npos);
}

TEST_CASE("Classifier: balance favours rare classes", "[classifier]") {
  const auto rows = clouds(300, 60);
  for (const auto balance : {ladder::ClassBalance::kSampling, ladder::ClassBalance::kWeights}) {
    auto options = quick(5);
    options.balance = balance;
    Classifier classifier(options);
    CHECK(classifier.fit(rows.table, "kind").config.class_balance == to_string(balance));
    CHECK(classifier.is_fitted());
    CHECK(ladder::class_balance_from_string(to_string(balance)) == balance);
    // Labels of two rare classes have another weight than in plain training.
    auto rare = rows;
    auto& labels = rare.table.columns.back().codes;
    for (size_t row = 12; row < 60; ++row) {
      if (labels[row] != 0) labels[row] = -1;
    }
    const TemporaryFolder folder;
    options.folder = folder / "run";
    Classifier balanced(options), plain(quick(5));
    balanced.fit(rare.table, "kind");
    plain.fit(rare.table, "kind");
    CHECK_FALSE(torch::equal(balanced.predict_proba(rare.table), plain.predict_proba(rare.table)));
    // 20 labels of one class and 4 of each other: each of these counts, or is drawn, five times.
    const auto tensors = ladder::io::load_tensors(folder / "run/checkpoint.pt");
    const auto settings = ladder::io::tensor_text(tensors.at("state.settings"));
    const auto prints = ladder::io::tensor_text(tensors.at("state.data"));
    if (balance == ladder::ClassBalance::kWeights) {  // 28 / (3 x 20) and 28 / (3 x 4)
      CHECK_THAT(settings, Catch::Contains("class_weights\t0.4666666666666667, 2.3333333333333335, "
                                           "2.3333333333333335\n"));
      CHECK_THAT(prints, Catch::Contains("labeled\tLong [28] "));
    } else {
      CHECK_THAT(settings, Catch::Contains("class_weights\t\n"));
      CHECK_THAT(prints, Catch::Contains("labeled\tLong [60] "));
    }
  }
  CHECK(error_text([] { ladder::class_balance_from_string("even"); }) ==
        "ClassBalance: expected none, sampling or weights but got 'even'.");
}

TEST_CASE("Classifier: a class with one label, and many classes", "[classifier]") {
  auto rows = clouds(90, 4);
  CHECK(Classifier(quick(1)).fit(rows.table, "kind").labeled == 4);
  torch::manual_seed(5);
  const auto y = torch::arange(1000) % 500;
  Classifier many(quick(1));
  many.fit(torch::randn({1000, 4}), y);
  CHECK(many.classes().size() == 500);
}

TEST_CASE("Classifier: several threads predict at once", "[classifier][threads]") {
  const auto rows = clouds(600, 60);
  Classifier classifier(quick(3));
  classifier.fit(rows.table, "kind");
  const auto expected = classifier.predict_proba(rows.table);
  std::atomic<int> equal = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 5; ++k) {
        if (classifier.predict_proba(rows.table).equal(expected)) ++equal;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(equal == 20);
}

TEST_CASE("Classifier: takes the label that a reader names", "[classifier]") {
  const auto rows = clouds(60, 6);
  const data::Samples samples{.source = "clouds", .table = rows.table, .label = "kind"};
  Classifier named(quick(1));
  named.fit(samples);
  CHECK(named.label() == "kind");
  CHECK(named.classes().size() == 3);
  Classifier chosen(quick(1));
  chosen.fit(samples, "color");
  CHECK(chosen.label() == "color");
}

TEST_CASE("Classifier: labels that are classes for sure may look like a quantity or a list",
          "[classifier]") {
  auto rows = clouds(60, 12);
  auto options = quick(1);
  options.labels_are_classes = true;
  auto& label = rows.table.columns.back();
  label.levels.clear();
  for (int32_t row = 0; row < 12; ++row) {
    label.codes[static_cast<size_t>(row)] = row;
    label.levels.push_back(std::to_string(10115 + 7000 * row));
  }
  CHECK(error_text([&] {
          Classifier(quick(1)).fit(rows.table, "kind");
        }).starts_with("class_labels: expected classes but got 12 different numbers in 12 "));
  Classifier classifier(options);
  CHECK(classifier.fit(rows.table, "kind").labeled == 12);
  CHECK(classifier.classes() == label.levels);

  // So do numbers.
  auto numbers = rows;
  numbers.table.columns.back() = {.name = "kind", .numbers = {}};
  for (int64_t row = 0; row < 60; ++row) {
    numbers.table.columns.back().numbers.push_back(
        row < 12 ? 10115.0 + 7000.0 * static_cast<double>(row) : -1);
  }
  Classifier of_numbers(options);
  CHECK(of_numbers.fit(numbers.table, "kind").labeled == 12);
  CHECK(of_numbers.classes() == label.levels);

  label.levels = {"cat", "dog", "cat;dog"};
  for (size_t row = 0; row < 12; ++row) label.codes[row] = static_cast<int32_t>(row % 3);
  CHECK(error_text([&] {
          Classifier(quick(1)).fit(rows.table, "kind");
        }).starts_with("class_labels: expected one class in each row but got 'cat;dog'"));
  CHECK(classifier.fit(rows.table, "kind").labeled == 12);
  CHECK(classifier.classes() == std::vector<std::string>{"cat", "cat;dog", "dog"});

  label.levels.push_back("bird");  // which no row has
  CHECK(classifier.fit(rows.table, "kind").labeled == 12);
  CHECK(classifier.classes() == std::vector<std::string>{"cat", "cat;dog", "dog"});

  label.levels = {"cat", "-1", ""};
  CHECK(error_text([&] { classifier.fit(rows.table, "kind"); }) ==
        "Classifier: expected labels of at least 2 classes but got 1.");
}

TEST_CASE("Classifier: names what does not fit", "[classifier]") {
  const auto rows = clouds(60, 6);
  CHECK(error_text([] { Classifier::load("nowhere/model"); }) ==
        "Classifier: expected a model file or the folder of a run but got nothing at nowhere/model "
        "(check the path).");
  CHECK(error_text([] {
          Classifier().predict(torch::randn({2, 2}));
        }) == "Classifier: expected a trained classifier (call fit or load first).");
  CHECK(error_text([&] { Classifier(quick(1)).fit(rows.table, "kin"); }) ==
        "Table: expected a column 'kin' in clouds but found none (did you mean 'kind'?).");
  auto options = quick(1);
  options.minutes = 1;
  CHECK(error_text([&] { Classifier{options}; }) ==
        "Classifier: expected epochs or minutes but got both (1 and 1).");
  options = quick(1);
  options.lambda = {1, 2};
  CHECK(error_text([&] { Classifier(options).fit(rows.table, "kind"); }) ==
        "Classifier: expected 4 lambdas, one for each level from the input to the classes, but got "
        "2.");
  options = quick(1);
  options.convolutional = true;
  CHECK(error_text([&] { Classifier(options).fit(rows.table, "kind"); }) ==
        "Classifier: expected images for a convolutional network but got rows of 4 numbers (leave "
        "`convolutional` false).");
}

TEST_CASE("Classifier: names options that are out of range", "[classifier]") {
  const auto text = [](const std::function<void(ClassifierOptions&)>& change) {
    auto options = quick(1);
    change(options);
    return error_text([&] { Classifier{options}; });
  };
  CHECK(text([](auto& options) { options.device = c10::Device("meta"); }) ==
        "Classifier: expected the CPU or a CUDA device but got meta.");
  CHECK(text([](auto& options) { options.epochs = -1; }) ==
        "Classifier: expected epochs of at least 0 but got -1.");
  CHECK(text([](auto& options) { options.minutes = -0.5; }) ==
        "Classifier: expected minutes of at least 0 but got -0.5.");
  CHECK(text([](auto& options) { options.noise = -0.5; }) ==
        "Classifier: expected a noise of at least 0 but got -0.5.");
  CHECK(text([](auto& options) { options.validation = 1; }) ==
        "Classifier: expected a share of 0 to below 1 for validation but got 1.");
  CHECK(text([](auto& options) { options.folds = 1; }) ==
        "Classifier: expected 0 or at least 2 folds but got 1.");
  CHECK(text([](auto& options) {
          options.folds = 3;
          options.validation = 0.2;
        }) ==
        "Classifier: expected folds or a share for validation but got both (3 and 0.2; folds "
        "measure every labeled row).");
  CHECK(text([](auto& options) {
          options.folds = 3;
          options.validation = 0;
        }) == "(no error)");
  CHECK(text([](auto& options) { options.resume = true; }) ==
        "Classifier: expected the folder of the run to resume but got none.");
  CHECK(text([](auto& options) { options.input_weight = -1; }) ==
        "Classifier: expected an input weight of at least 0 but got -1.");
}

TEST_CASE("Classifier: names rows of another kind than it takes", "[classifier]") {
  const auto rows = clouds(60, 6);
  const auto x = torch::randn({6, 2}), y = torch::arange(6) % 2;
  data::Samples pictures{.source = "squares"};
  pictures.images = torch::randint(255, {6, 1, 4, 4}).to(torch::kByte);
  pictures.labels = y;
  pictures.classes = {"a", "b"};
  const data::Samples table{.source = "clouds", .table = rows.table};
  const auto text = [](const ClassifierOptions& options, const auto&... fitted) {
    return error_text([&] { Classifier(options).fit(fitted...); });
  };
  auto options = quick(1);
  CHECK(text(options, torch::zeros({6, 4}, torch::kByte), y) ==
        "Classifier: expected uint8 images [N, H, W] or [N, C, H, W] but got a tensor of shape "
        "[6, 4].");
  CHECK(text(options, x.to(torch::kLong), y) ==
        "Classifier: expected rows as floating numbers [N, D] or images as uint8 but got Long "
        "[6, 2].");
  CHECK(text(options, x, torch::zeros({6}, torch::kLong)) ==
        "Classifier: expected labels of at least 2 classes but got 1.");
  CHECK(text(options, x, torch::tensor({1, -1, -1, -1, -1, -1}, torch::kLong)) ==
        "Classifier: expected at least 2 labeled rows but got 1.");
  options.convolutional = true;
  CHECK(text(options, pictures) ==
        "Classifier: expected no hidden layers for a convolutional network but got 2.");
  options = quick(1);
  options.lambda = {1, 1, 1, 1};
  options.balance = ladder::ClassBalance::kWeights;
  CHECK(text(options, table, "kind") ==
        "Classifier: expected weights that follow the costs for balance 'weights' but got fixed "
        "lambdas (leave lambda empty, or take balance 'sampling').");
  options = quick(1);
  options.test = pictures;
  CHECK(text(options, table, "kind") == "Classifier: expected a table to test on but got images.");
  options.test = table;
  CHECK(text(options, pictures) == "Classifier: expected images to test on but got a table.");

  Classifier of_table(quick(1)), of_images(quick(1));
  of_table.fit(table, "kind");
  of_images.fit(pictures);
  CHECK(error_text([&] { of_table.predict(pictures); }) ==
        "Classifier: expected a table but got images in squares.");
  CHECK(error_text([&] { of_images.predict(table); }) ==
        "Classifier: expected images but got a table in clouds.");
  CHECK(error_text([&] { of_images.predict(rows.table); }) ==
        "Classifier: expected images but got a table.");
  CHECK(error_text([&] { of_images.score(pictures.images, y.to(torch::kFloat)); }) ==
        "Classifier: expected labels as int64 [6] but got Float [6].");
  CHECK(error_text([&] { of_table.score(clouds(10, 0).table, "kind"); }) ==
        "Classifier: expected a row with a label but got none of 10.");
}

TEST_CASE("Classifier: refuses images that are no bytes", "[classifier]") {
  const auto images = torch::randint(256, {20, 1, 4, 4}, torch::kByte);
  Classifier classifier(quick(1));
  classifier.fit(images, torch::arange(20) % 2);
  const std::string expected = "Classifier: expected images as uint8 [N, C, H, W] but got ";
  CHECK(error_text([&] { classifier.predict(images.to(torch::kFloat) / 255); }) ==
        expected + "Float [20, 1, 4, 4] ((x * 255).to(kByte) makes them of numbers in 0 to 1).");
  CHECK(error_text([&] { classifier.predict(images.to(torch::kLong)); }) ==
        expected + "Long [20, 1, 4, 4].");
  data::Samples floats{.images = images.to(torch::kFloat), .labels = torch::arange(20) % 2};
  floats.classes = {"a", "b"};
  CHECK(error_text([&] { classifier.predict(floats); }).starts_with(expected + "Float "));
  CHECK(error_text([&] { Classifier(quick(1)).fit(floats); }).starts_with(expected + "Float "));
}

TEST_CASE("Classifier: takes tensors of as many columns as it was trained on", "[classifier]") {
  torch::manual_seed(7);
  const auto x = torch::randn({40, 8});
  Classifier classifier(quick(1));
  classifier.fit(x, torch::arange(40) % 2);
  CHECK(error_text([&] {
          classifier.predict(torch::randn({300, 9}));
        }) == "Classifier: expected rows of 8 numbers but got [300, 9].");
  CHECK(error_text([&] { classifier.predict(x.slice(1, 0, 7)); }) ==
        "Classifier: expected rows of 8 numbers but got [40, 7].");
  CHECK(classifier.predict_proba(x.slice(0, 0, 0)).sizes() == at::IntArrayRef({0, 2}));

  // Rows of an array whose last column holds the labels may lack it.
  const auto array = [](const torch::Tensor& values) {
    data::Table table{.source = "array", .rows = values.size(0), .array_columns = values.size(1)};
    for (int64_t c = 0; c < values.size(1); ++c) {
      const auto column = values.select(1, c).to(torch::kDouble).contiguous();
      const auto* begin = column.const_data_ptr<double>();
      table.columns.push_back(
          {.name = "x" + std::to_string(c), .numbers = {begin, begin + values.size(0)}});
    }
    return table;
  };
  const auto y = (torch::arange(40) % 2).to(torch::kFloat).unsqueeze(1);
  Classifier with_label(quick(1));
  with_label.fit(array(torch::cat({x, y}, 1)), "x8");
  require_equal(with_label.predict_proba(x), with_label.predict_proba(torch::cat({x, y}, 1)));
  require_equal(with_label.predict_proba(x), with_label.predict_proba(array(x)));
  CHECK(error_text([&] { with_label.predict(x.slice(1, 0, 7)); }) ==
        "Classifier: expected rows of 9 numbers but got [40, 7].");
  Classifier label_first(quick(1));
  label_first.fit(array(torch::cat({y, x, torch::ones({40, 1})}, 1)), "x0");  // the last is dropped
  CHECK(error_text([&] {
          label_first.predict(array(torch::cat({x, torch::ones({40, 1})}, 1)));
        }).starts_with("Features: expected rows of 10 numbers, as in training, but got 9 in "));
  // One column more moves the others.
  const auto wide = array(torch::randn({4, 10}));
  const std::string moved =
      "Features: expected rows of 9 numbers, as in training, but got 10 in array (columns of "
      "arrays are known by their places alone).";
  CHECK(error_text([&] { with_label.predict(wide); }) == moved);
  const TemporaryFolder folder;
  for (const auto& [model, columns] : {std::pair(&classifier, 8), std::pair(&with_label, 9)}) {
    model->save(folder / "new");
    auto tensors = ladder::io::load_tensors(folder / "new");
    auto entries = nlohmann::json::parse(ladder::io::tensor_text(tensors.at("model.json")));
    REQUIRE(entries.at("array_columns") == columns);
    entries.erase("array_columns");  // as in files of older versions
    tensors["model.json"] = ladder::io::text_tensor(entries.dump());
    ladder::io::save_tensors(folder / "old", tensors);
    for (const char* name : {"new", "old"}) {
      const auto loaded = Classifier::load(folder / name);
      CHECK(error_text([&] {
              loaded.predict(wide);
            }).starts_with("Features: expected rows of " + std::to_string(columns) + " numbers"));
      require_equal(loaded.predict_proba(array(x)), model->predict_proba(x));
      if (columns == 9) {
        require_equal(loaded.predict_proba(array(torch::cat({x, y}, 1))), model->predict_proba(x));
      }
    }
  }

  Classifier named(quick(1));
  named.fit(clouds(60, 6).table, "kind");
  CHECK(error_text([&] {
          named.predict(torch::randn({5, 3}));
        }) ==
        "Classifier: expected a table with the columns that it was trained on but got a tensor "
        "[5, 3], whose columns have no names.");
}

TEST_CASE("Classifier: names labels that no row could teach, and what is not there",
          "[classifier]") {
  const auto x = torch::randn({6, 2}), y = torch::arange(6) % 2;
  Classifier classifier(quick(1));
  const auto far = torch::tensor(
      {int64_t{0}, int64_t{1}, int64_t{1} << 40, int64_t{-1}, int64_t{-1}, int64_t{-1}});
  CHECK(error_text([&] { classifier.fit(x, far); }) ==
        "Classifier: expected labels below 6, the number of rows, but got 1099511627776 (labels "
        "count from 0: number them anew).");
  CHECK(error_text([&] { classifier.fit(data::Samples{}); }) ==
        "Classifier: expected samples with a table, images or shards but got none of them.");
  CHECK(error_text([&] { classifier.fit(x.to_sparse(), y); }) ==
        "Classifier: expected rows as a dense tensor but got a sparse one (call to_dense()).");
  data::Samples unlabeled{.images = torch::zeros({6, 1, 4, 4}, torch::kByte)};
  CHECK(error_text([&] { classifier.fit(unlabeled); }) ==
        "Classifier: expected labels of the images as int64 [6] but got an undefined tensor.");
  unlabeled.labels = y;
  unlabeled.classes = {"a", "b"};
  CHECK(error_text([&] { classifier.fit(unlabeled); }) ==
        "Classifier: expected pixels that differ but got one value alone in 6 images.");
  classifier.fit(x, y);
  CHECK(error_text([&] { classifier.predict(data::Samples{}); }) ==
        "Classifier: expected samples with a table or images but got neither.");
  CHECK(error_text([&] { classifier.predict(torch::Tensor()); }) ==
        "Classifier: expected rows as a dense tensor but got an undefined one.");
  CHECK(error_text([&] { classifier.score(x, torch::Tensor()); }) ==
        "Classifier: expected labels as int64 [6] but got an undefined tensor.");
  CHECK(error_text([&] { classifier.score(torch::Tensor(), y); }) ==
        "Classifier: expected rows as a dense tensor but got an undefined one.");
}

TEST_CASE("Classifier: names what it does not do with shards", "[classifier]") {
  const TemporaryFolder folder;
  const auto rows = clouds(60, 6);
  const auto written = [&](const std::string& name, const std::string& label) {
    data::ShardWriter writer(folder / name, {.label = label});
    writer.add(rows.table);
    writer.finish();
    return data::Samples{.source = name,
                         .shards = std::make_shared<const data::Shards>(folder / name)};
  };
  const auto shards = written("rows", "kind"), plain = written("plain", "");
  const auto text = [&](const ClassifierOptions& options, const data::Samples& samples,
                        const std::string& label = "") {
    return error_text([&] { Classifier(options).fit(samples, label); });
  };
  auto options = quick(1);
  CHECK(text(options, shards, "color") ==
        "Classifier: expected the labels that rows was written with ('kind') but got 'color'.");
  CHECK(text(options, plain) == "Classifier: expected shards with labels but got none in " +
                                    (folder / "plain").string() +
                                    " (write them with a label column).");
  options.folds = 2;
  CHECK(text(options, shards) ==
        "Classifier: expected no folds for shards but got 2 (rows that are held back measure the "
        "error).");
  options = quick(1);
  options.row_weights = torch::ones({60}, torch::kDouble);
  CHECK(text(options, shards) == "Classifier: expected no row weights for shards but got some.");
  options = quick(1);
  options.test = shards;
  CHECK(text(options, shards) == "Classifier: expected a table to test on but got shards.");
  options.test = data::Samples{.images = torch::zeros({6, 1, 4, 4}, torch::kByte)};
  CHECK(text(options, shards) == "Classifier: expected a table to test on but got images.");
  Classifier classifier(quick(1));
  classifier.fit(rows.table, "kind");
  CHECK(error_text([&] { classifier.predict(shards); }) ==
        "Classifier: expected rows in memory but got the shards in rows (predict them in blocks: "
        "Shards::table).");
}

TEST_CASE("Classifier: refuses columns and test rows that it could not use, before training",
          "[classifier]") {
  const auto rows = clouds(60, 6);
  auto options = quick(1);
  options.callbacks.on_step = [](int64_t) { FAIL("a step was trained"); };
  CHECK(error_text([&] { Classifier(options).fit(rows.table, "kind", {"colour"}); }) ==
        "Table: expected a column 'colour' in clouds but found none (did you mean 'color'?).");
  const auto images = torch::zeros({6, 4, 4}, torch::kUInt8);
  const data::Samples pictures{
      .images = images.unsqueeze(1), .labels = torch::arange(6) % 2, .classes = {"a", "b"}};
  CHECK(error_text([&] {
          Classifier(options).fit(pictures, "", {"color", "width"});
        }) == "Classifier: expected no columns to leave out of images but got 'color', 'width'.");
  auto unknown = clouds(10, 0).table;
  unknown.source = "new rows";
  options.test = data::Samples{.source = "new rows", .table = unknown};
  CHECK(error_text([&] { Classifier(options).fit(rows.table, "kind"); }) ==
        "Classifier: expected labels of the rows to test on but got none in new rows.");
  CHECK(error_text([&] {
          Classifier(options).fit(torch::randn({20, 2}), torch::arange(20) % 2);
        }) ==
        "Classifier: expected no test rows beside a tensor of numbers but got 10 (call score after "
        "fit).");
}

TEST_CASE("Classifier: trains for about the minutes it is given", "[classifier]") {
  const TemporaryFolder folder;
  const auto rows = clouds(60, 6);
  auto options = quick(0);
  options.layers = {8};
  options.minutes = 1e-9;
  const auto least = Classifier(options).fit(rows.table, "kind");
  CHECK(least.config.epochs == 1);
  CHECK(least.training.status == train::TrainStatus::kFinished);
  // Ten minutes are enough for 30 steps of 20 rows on any machine.
  options.minutes = 10;
  options.folder = folder / "run";
  options.resume = true;
  options.callbacks.stop_requested = [] { return true; };
  const auto begun = Classifier(options).fit(rows.table, "kind");
  CHECK(begun.training.status == train::TrainStatus::kInterrupted);
  CHECK(begun.config.epochs > 10);
  // A run that goes on keeps its epochs, however fast the machine is now.
  options.minutes = 1e-9;
  const auto more = Classifier(options).fit(rows.table, "kind");
  CHECK(more.training.steps > begun.training.steps);
  CHECK(more.config.epochs == begun.config.epochs);
}

TEST_CASE("Classifier: on labels alone the labeled rows train, and no others", "[classifier]") {
  const auto rows = clouds(120, 30);
  auto options = quick(4);
  options.labeled_batch = 10;
  options.unlabeled_batch = 20;
  Classifier both(options);
  const auto of_both = both.fit(rows.table, "kind");
  CHECK(both.model().net->has_decoder());
  options.labels_alone = true;
  Classifier alone(options);
  const auto report = alone.fit(rows.table, "kind");
  CHECK(report.config.network.lambda == std::vector<double>(4, 0));
  CHECK_FALSE(alone.model().net->has_decoder());
  // The epochs are those of all rows; a step takes labeled rows and no others.
  CHECK(of_both.training.steps == 4 * (120 / 20));
  CHECK(report.training.steps == 4 * (120 / 10));
  const auto& last = report.training.last.value();
  CHECK(last.total == last.supervised.value());
  for (const auto& cost : last.denoising) CHECK_FALSE(cost.has_value());
  CHECK_FALSE(torch::equal(alone.predict_proba(rows.table), both.predict_proba(rows.table)));
}

TEST_CASE("Model file: a damaged one is refused by a sentence that names it", "[classifier]") {
  const TemporaryFolder folder;
  const auto rows = clouds(60, 6);
  Classifier classifier(quick(1));
  classifier.fit(rows.table, "kind");
  classifier.save(folder / "a.ladder");
  const auto path = folder / "b.ladder";
  const auto with = [&](const std::string& name, const torch::Tensor& tensor) {
    auto tensors = ladder::io::load_tensors(folder / "a.ladder");
    if (tensor.defined()) {
      tensors[name] = tensor;
    } else {
      tensors.erase(name);
    }
    ladder::io::save_tensors(path, tensors);
    return error_text([&] { Classifier::load(path); });
  };
  const auto edited = [&](const std::string& from, const std::string& to) {
    auto text =
        ladder::io::tensor_text(ladder::io::load_tensors(folder / "a.ladder")["model.json"]);
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    return with("model.json", ladder::io::text_tensor(text));
  };
  const std::string begin = "load_model: " + path.string() + " is no model: ";
  CHECK(with("model.json", {}) ==
        begin +
            "expected a text model.json but found none (is it a checkpoint? `ladder train "
            "--resume` continues it).");
  const std::string deep = std::string(300'000, '[') + std::string(300'000, ']');
  CHECK(with("model.json",
             ladder::io::text_tensor(R"({"format": 1, "label": "", "classes": [], "features": )" +
                                     deep + "}")) ==
        begin + "expected a JSON object in model.json but got something else.");
  CHECK(with("extra", torch::zeros({2})) ==
        begin + "expected the tensors of the network but got also extra.");
  CHECK(edited("\"format\": 1", "\"format\": 7").find(begin + "expected format 1 or 2 but got 7") ==
        0);
  CHECK(edited("dense 20", "dense 2000000").find(begin + "expected tensors of at least") == 0);
  CHECK(edited("\"fig\",\n", "").find(begin + "expected a network of 2 classes") == 0);
  CHECK(edited("\"classes\"", "\"klasses\"") ==
        begin +
            "expected the entries of a model in model.json but got \"key 'classes' not found\".");
  CHECK(edited("dense 20\",", "dense 100000000\", \"dense 100000000\", \"dense 100000000\",")
            .find(begin + "expected tensors of at least") == 0);
  const auto tensors = ladder::io::load_tensors(folder / "a.ladder");
  for (const auto& [name, tensor] : tensors) {
    if (name == "model.json") continue;
    if (name.ends_with(".batches")) {
      CHECK(with(name, torch::zeros_like(tensor)) ==
            begin + "expected stored statistics, counted by " + name +
                ", but got none (the network was saved before `calibrate`).");
    }
    CHECK(with(name, {}) == begin + "expected a tensor " + name + " but found none.");
    const std::string type = c10::toString(tensor.scalar_type());
    CHECK(with(name, tensor.unsqueeze(0)) ==
          begin + "expected " + name + " as " + type + c10::str(" ", tensor.sizes()) + " but got " +
              type + c10::str(" ", tensor.unsqueeze(0).sizes(), "."));
    if (name.ends_with(".running_var")) {
      CHECK(with(name, torch::full_like(tensor, -1)) ==
            begin + "expected variances of at least 0 in " + name + " but got others.");
    }
    if (tensor.is_floating_point()) {
      CHECK(with(name, torch::full_like(tensor, std::numeric_limits<double>::quiet_NaN())) ==
            begin + "expected finite numbers in " + name + " but got others.");
    }
  }
}

TEST_CASE("Model file: entries that fit no model are named", "[classifier]") {
  const TemporaryFolder folder;
  torch::manual_seed(2);
  data::Samples squares{.source = "squares"};
  squares.images = torch::randint(255, {20, 1, 8, 8}).to(torch::kByte);
  squares.labels = torch::arange(20) % 2;
  squares.classes = {"a", "b"};
  auto options = quick(1);
  options.layers.clear();
  options.convolutional = true;
  Classifier of_images(options), of_table(quick(1));
  of_images.fit(squares);
  of_images.save(folder / "images");
  of_table.fit(clouds(60, 6).table, "kind");
  of_table.save(folder / "table");

  using nlohmann::json;
  const auto path = folder / "changed";
  const std::string begin = "load_model: " + path.string() + " is no model: ";
  // What is said of a model after a change of its text, behind the name of the file.
  const auto text = [&](const char* model, const std::function<void(json&)>& change) {
    auto tensors = ladder::io::load_tensors(folder / model);
    auto entries = json::parse(ladder::io::tensor_text(tensors.at("model.json")));
    change(entries);
    tensors["model.json"] = ladder::io::text_tensor(entries.dump());
    ladder::io::save_tensors(path, tensors);
    const auto whole = error_text([&] { Classifier::load(path); });
    return whole.starts_with(begin) ? whole.substr(begin.size()) : whole;
  };
  CHECK(text("images", [](json&) {}) == "(no error)");
  CHECK(text("table", [](json&) {}) == "(no error)");
  CHECK(text("table", [](json& model) { model = json::array(); }) ==
        "expected a JSON object in model.json but got something else.");
  CHECK(text("images", [](json& model) { model["images"]["height"] = 0; }) ==
        "expected images of 1 to 100000 channels, rows and columns but got 0.");
  CHECK(text("images", [](json& model) { model["images"]["mean"] = json::array(); }) ==
        "expected a mean and a scale for each of 1 channels but got 0 and 1.");
  CHECK(text("table", [](json& model) { model["array_columns"] = -1; }) ==
        "expected array_columns of 0 or more but got -1.");
  CHECK(text("images", [](json& model) { model["images"]["scale"][0] = 0.0; }) ==
        "expected a scale above 0 but got 0.");
  for (const auto& [model, entry] : {std::pair("images", "images"), {"table", "features"}}) {
    CHECK(text(model, [&key = entry](json& entries) { entries.erase(key); }) ==
          "expected either features or images.");
  }
  CHECK(text("table", [](json& model) { model["config"]["input_shape"][0] = 5; }) ==
        "expected a network of inputs [4] but got [5].");
  CHECK(text("table", [](json& model) { model["config"]["layers"][0] = "dense 100000001"; }) ==
        "expected layers of at most 100000000 units but got more.");
  CHECK(
      text("images", [](json& model) { model["config"]["layers"][0] = "conv same 1000001@3x3"; }) ==
      "expected convolutions of at most 1000000 channels and kernels of at most 1000 but got "
      "more.");
}

TEST_CASE("Model file: cut at every length or changed at every byte it is refused or the same",
          "[classifier]") {
  const TemporaryFolder folder;
  const auto rows = clouds(60, 6);
  auto options = quick(1);
  options.layers = {2};
  Classifier classifier(options);
  classifier.fit(rows.table, "kind");
  classifier.save(folder / "a.ladder");
  const auto whole = file_bytes(folder / "a.ladder");
  const auto expected = classifier.predict_proba(rows.table);
  const auto path = folder / "b.ladder";
  // True if the bytes are refused by a sentence; else they must predict the same.
  const auto refused = [&](const std::string& bytes) {
    ladder::testing::write_file(path, bytes);
    Classifier loaded;
    const auto text = error_text([&] { loaded = Classifier::load(path); });
    if (text == "(no error)") {
      CHECK(loaded.predict_proba(rows.table).equal(expected));
      return false;
    }
    CHECK(text.find(": expected ") != std::string::npos);
    CHECK(text.find(path.string()) != std::string::npos);
    return true;
  };
  for (size_t length = 0; length < whole.size(); ++length) {
    INFO("cut after " << length << " of " << whole.size() << " bytes");
    CHECK(refused(whole.substr(0, length)));
  }
  size_t count = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    INFO("byte " << i << " of " << whole.size());
    auto bytes = whole;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << i % 8));
    count += refused(bytes) ? 1 : 0;
  }
  CHECK(count > 0);
  CHECK_FALSE(refused(whole));
}

TEST_CASE("Classifier: weights say how often rows are drawn, and are part of a run",
          "[classifier]") {
  auto data = clouds(60, 12);
  const auto options = [](std::vector<double> first, const std::filesystem::path& folder = {}) {
    auto weights = torch::ones({60}, torch::kDouble);
    for (size_t i = 0; i < first.size(); ++i) weights[static_cast<int64_t>(i)] = first[i];
    return ClassifierOptions{.layers = {8},
                             .epochs = 8,
                             .row_weights = weights,
                             .folder = folder,
                             .resume = !folder.empty()};
  };
  Classifier plain({.layers = {8}, .epochs = 8}), alike(options({}));
  Classifier twice(options(std::vector<double>(30, 2)));
  const auto steps = plain.fit(data.table, "kind").training.steps;
  CHECK(alike.fit(data.table, "kind").training.steps == steps);
  require_equal(alike.predict_proba(data.table), plain.predict_proba(data.table));
  const auto report = twice.fit(data.table, "kind");
  CHECK(report.rows == 60);
  CHECK(report.labeled == 12);
  // 90 rows are drawn in an epoch: 8 passes over 60 rows are 5.3 over these, rounded up.
  CHECK(report.config.epochs == 6);
  CHECK(report.training.steps == 6 * (90 / report.config.unlabeled_batch));
  CHECK(!torch::equal(twice.predict_proba(data.table), plain.predict_proba(data.table)));

  const TemporaryFolder folder;
  Classifier(options({2, 2}, folder / "run")).fit(data.table, "kind");
  CHECK_THAT(error_text([&] { Classifier(options({3}, folder / "run")).fit(data.table, "kind"); }),
             Catch::Contains("expected the settings and data that the run in"));
  Classifier short_weights(
      {.layers = {8}, .epochs = 8, .row_weights = torch::ones({3}, torch::kDouble)});
  CHECK(error_text([&] { short_weights.fit(data.table, "kind"); }) ==
        "Classifier: expected a weight for each of 60 rows but got weights of shape [3].");
}

TEST_CASE("Classifier: errors are those of rows that did not train", "[classifier]") {
  // Labels drawn at random can be learned by heart but not predicted.
  auto rows = clouds(300, 300);
  torch::manual_seed(5);
  const auto drawn = torch::randint(2, {300});
  for (int64_t c = 0; c < 20; ++c) {  // by which each row is known
    const auto values = torch::randn({300}, torch::kDouble);
    const double* begin = values.const_data_ptr<double>();
    rows.table.columns.insert(rows.table.columns.begin(), {.name = "x" + std::to_string(c),
                                                           .kind = data::ColumnKind::kNumber,
                                                           .numbers = {begin, begin + 300}});
  }
  auto& codes = rows.table.columns.back().codes;
  for (size_t row = 0; row < codes.size(); ++row) {
    codes[row] = static_cast<int32_t>(drawn[static_cast<int64_t>(row)].item<int64_t>());
  }
  for (const int64_t folds : {0, 3}) {
    auto options = quick(150);
    options.layers = {200};
    options.noise = 0.01;
    options.labels_alone = true;  // no other cost
    options.folds = folds;
    if (folds == 0) options.validation = 0.5;
    Classifier classifier(options);
    const auto report = classifier.fit(rows.table, "kind");
    const auto& held = report.held_back;
    const auto wrong = held.probabilities.argmax(1).ne(held.labels).to(torch::kDouble);
    const double error = wrong.mean().item<double>();
    // Five standard deviations of as many fair coins.
    const double bound = 5 * 0.5 / std::sqrt(static_cast<double>(wrong.numel()));
    CHECK(std::abs(error - 0.5) < bound);
    // The rows that trained are known by heart, so a leak would show.
    const auto right = classifier.predict_proba(rows.table)
                           .argmax(1)
                           .eq(data::labels_of(rows.table.columns.back(), classifier.classes()));
    const auto seen = folds == 0 ? right.sum().item<int64_t>() -
                                       right.index_select(0, held.rows).sum().item<int64_t>()
                                 : right.sum().item<int64_t>();
    const auto count = folds == 0 ? 150 : 300;
    CHECK(static_cast<double>(seen) / count - 0.5 > bound);
    if (folds == 0) {
      CHECK(torch::equal(classifier.predict_proba(rows.table).index_select(0, held.rows),
                         held.probabilities));
    }
  }
}

TEST_CASE("Classifier: test rows change nothing in the model", "[classifier]") {
  const TemporaryFolder folder;
  const auto rows = clouds(300, 30), test = clouds(60, 40, 9);
  std::vector<ladder::io::TensorMap> models;
  for (const bool with_test : {false, true}) {
    auto options = quick(3);
    if (with_test) options.test = data::Samples{.source = "test", .table = test.table};
    Classifier classifier(options);
    const auto report = classifier.fit(rows.table, "kind");
    if (with_test) CHECK(report.config.test_rows == 40);  // those with a label
    classifier.save(folder / "model");
    auto tensors = ladder::io::load_tensors(folder / "model");
    tensors.erase("model.json");  // which tells the error on them
    models.push_back(std::move(tensors));
  }
  REQUIRE(models[0].size() == models[1].size());
  for (const auto& [name, tensor] : models[0]) CHECK(torch::equal(tensor, models[1].at(name)));
}

TEST_CASE("Classifier: a gray picture is one of a colour model", "[classifier]") {
  torch::manual_seed(1);
  data::Samples rows{.source = "squares"};
  rows.images = torch::randint(255, {60, 3, 4, 4}).to(torch::kByte);
  rows.labels = torch::arange(60) % 2;
  rows.classes = {"a", "b"};
  Classifier classifier(quick(2));
  classifier.fit(rows);
  const auto gray = torch::randint(255, {5, 1, 4, 4}).to(torch::kByte);
  CHECK(torch::equal(classifier.predict_proba(gray),
                     classifier.predict_proba(gray.expand({-1, 3, -1, -1}).contiguous())));
}
