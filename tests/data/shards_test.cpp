#include "ladder/data/shards.h"

#include <fmt/format.h>
#include <ladder/classifier.h>
#include <ladder/core/random.h>
#include <ladder/data/read_samples.h>
#include <torch/torch.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "ladder/data/npy.h"
#include "ladder/data/shard_writer.h"
#include "ladder/train/communicator.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/few_files.h"
#include "tests/support/grouping_locale.h"
#include "tests/support/ranks.h"
#include "tests/support/temporary_folder.h"

using namespace ladder;
using namespace ladder::data;
using namespace ladder::testing;

namespace {

namespace fs = std::filesystem;

// Rows first..first+rows-1 of a table: two clouds, a text, a value that is missing in each 5th row.
// Numbers are floats, as shards keep them.
Table cloud_table(int64_t rows, int64_t labeled, int64_t first = 0) {
  Table table{.source = "clouds", .rows = rows};
  Column x{.name = "x"}, y{.name = "y"};
  Column color{.name = "color", .kind = ColumnKind::kText};
  Column kind{.name = "kind", .kind = ColumnKind::kText};
  color.levels = {"red", "green"};
  kind.levels = {"right", "left"};
  for (int64_t i = first; i < first + rows; ++i) {
    const auto a = static_cast<double>(i * 7919 % 101), b = static_cast<double>(i * 104729 % 97);
    x.numbers.push_back(static_cast<float>(4 * (i % 2) + (a - 50) / 40));
    y.numbers.push_back(i % 5 == 0 ? std::numeric_limits<double>::quiet_NaN()
                                   : static_cast<float>((b - 48) / 40));
    color.codes.push_back(i % 3 == 0 ? 0 : i % 7 == 0 ? -1 : 1);
    kind.codes.push_back(i < labeled ? (i % 2 == 0 ? 1 : 0) : -1);
  }
  table.columns = {x, kind, y, color};
  return table;
}

// 1000 rows in shards of 300, written in blocks of 170.
void write_shards(const fs::path& folder, int64_t labeled = 100) {
  ShardWriter writer(folder, {.label = "kind", .rows_per_shard = 300});
  for (int64_t first = 0; first < 1000; first += 170) {
    writer.add(cloud_table(std::min<int64_t>(170, 1000 - first), labeled, first));
  }
  writer.finish();
}

void require_same_numbers(const Column& left, const Column& right, int64_t offset = 0) {
  for (size_t i = 0; i < left.numbers.size(); ++i) {
    const double there = right.numbers[i + static_cast<size_t>(offset)];
    REQUIRE((left.numbers[i] == there || (std::isnan(left.numbers[i]) && std::isnan(there))));
  }
}

ClassifierOptions quick() {
  return {.layers = {12}, .epochs = 2, .unlabeled_batch = 50, .validation = 0.2};
}

}  // namespace

TEST_CASE("Shards: hold the rows that were written", "[data]") {
  const TemporaryFolder folder;
  CHECK_FALSE(is_shards(folder.path()));
  write_shards(folder / "s");
  REQUIRE(is_shards(folder / "s"));
  const Shards shards(folder / "s");
  CHECK(shards.rows() == 1000);
  CHECK(shards.label() == "kind");
  CHECK(shards.classes() == std::vector<std::string>{"left", "right"});
  REQUIRE(shards.columns().size() == 3);
  CHECK(shards.columns()[0].name == "x");
  CHECK_FALSE(shards.columns()[0].missing);
  CHECK(shards.columns()[1].missing);
  CHECK(shards.columns()[2].levels == std::vector<std::string>{"red", "green"});
  for (const int part : {0, 1, 2, 3}) {
    const auto array = read_npy(folder / "s" / fmt::format("rows-0000{}.npy", part));
    CHECK(array.sizes() == at::IntArrayRef({part < 3 ? 300 : 100, 3}));
  }

  const auto whole = cloud_table(1000, 100);
  const auto all = shards.table(0, 1000);
  require_same_numbers(all.column("x"), whole.column("x"));
  require_same_numbers(all.column("y"), whole.column("y"));
  CHECK(all.column("color").codes == whole.column("color").codes);
  const auto rows = torch::tensor({999, 0, 299, 300, 301, 5, 5}, torch::kInt64);
  const auto some = shards.table(rows);
  const auto labels = shards.labels(rows);
  for (int64_t i = 0; i < rows.numel(); ++i) {
    const auto row = static_cast<size_t>(rows[i].item<int64_t>());
    CHECK(some.column("x").numbers[static_cast<size_t>(i)] == whole.column("x").numbers[row]);
    CHECK(some.column("color").codes[static_cast<size_t>(i)] == whole.column("color").codes[row]);
    CHECK(labels[i].item<int64_t>() == (row >= 100 ? -1 : row % 2 == 0 ? 0 : 1));
  }
  CHECK(torch::equal(shards.labeled_rows(), torch::arange(100)));
  CHECK(shards.sample(40, 1).rows == 40);
  CHECK(shards.sample(40, 1).column("x").numbers == shards.sample(40, 1).column("x").numbers);
  CHECK(shards.sample(40, 1).column("x").numbers != shards.sample(40, 2).column("x").numbers);
  CHECK_NOTHROW(shards.verify());
  CHECK_THROWS_WITH(shards.table(torch::tensor({1000}, torch::kInt64)),
                    Catch::Contains("Shards: expected rows in 0..999 but got 1000."));
}

TEST_CASE("Shards: have the same fingerprint in every locale", "[data]") {
  const TemporaryFolder folder;
  write_shards(folder / "s");
  const auto shards = std::make_shared<const Shards>(folder / "s");
  const auto rows = row_source(shards, fit_features(shards->table(0, 1000), {}));
  const auto expected = rows->fingerprint();
  CHECK(expected.starts_with("Shards [1000, "));
  const GroupingLocale commas;
  CHECK(rows->fingerprint() == expected);
}

TEST_CASE("Shards: keep which texts were missing, and know an index that is none of theirs",
          "[data]") {
  const TemporaryFolder folder;
  auto table = cloud_table(20, 20);
  table.missing = {"-999"};
  table.decimal = ',';
  table.decimal_given = true;
  ShardWriter writer(folder / "s", {.label = "kind"});
  writer.add(table);
  writer.finish();
  CHECK(Shards(folder / "s").missing() == table.missing);
  CHECK(Shards(folder / "s").table(0, 2).missing == table.missing);
  CHECK(Shards(folder / "s").decimal() == ',');
  CHECK(fit_features(Shards(folder / "s").table(0, 20), {}).decimal == ',');

  for (const char* text : {R"({"format": 2})", R"({"format": null})", "[]", "{}", "no JSON"}) {
    CAPTURE(text);
    fs::create_directories(folder / "other");
    write_file(folder / "other/index.json", text);
    CHECK_FALSE(is_shards(folder / "other"));
  }
  write_file(folder / "other/index.json", R"({"format": "ladder shards", "version": )" +
                                              std::string(300'000, '[') +
                                              std::string(300'000, ']') + "}");
  CHECK(
      error_text([&] { Shards(folder / "other"); }).starts_with("Shards: expected the index of "));
  write_file(folder / "other/index.json", R"({"a": {"format": "ladder shards"}, "b": 1})");
  CHECK_FALSE(is_shards(folder / "other"));
  write_file(folder / "other/index.json", R"({"a": [1, {"b": "c"}], "format": "ladder shards"})");
  CHECK(is_shards(folder / "other"));
  // One of another program may be larger than any index.
  {
    std::ofstream out(folder / "other/index.json");
    out << R"({"a": [)";
    for (int i = 0; i < 70; ++i) out << std::string(1 << 20, ' ');
    out << "]}";
  }
  CHECK_FALSE(is_shards(folder / "other"));
  write_file(folder / "other/index.json", R"({"format": "ladder shards", "version": "1"})");
  CHECK(is_shards(folder / "other"));
  CHECK(error_text([&] { Shards(folder / "other"); }) ==
        "Shards: expected version 1 in " + (folder / "other/index.json").string() +
            " but got \"1\" (a newer version of this library wrote it).");
}

TEST_CASE("Shards: labels of one value are one class, however they are spelled", "[data]") {
  const TemporaryFolder folder;
  ShardWriter writer(folder / "s", {.label = "kind"});
  auto block = cloud_table(6, 6);  // left and right in turn
  block.columns[1].levels = {"1.0", "0"};
  writer.add(block);
  block.columns[1].levels = {"1", "0.0"};
  writer.add(block);
  block.columns[1].levels = {"10", "1.00"};
  writer.add(block);
  writer.finish();
  const Shards shards(folder / "s");
  CHECK(shards.classes() == std::vector<std::string>{"0", "1", "10"});
  CHECK(torch::equal(shards.labels(torch::arange(18)),
                     torch::tensor({0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 2, 1, 2, 1, 2})));
  CHECK_NOTHROW(shards.verify());
}

TEST_CASE("Shards: decimal commas of labels are judged over all blocks", "[data]") {
  const TemporaryFolder folder;
  const auto shards_of = [&](const std::string& name,
                             std::vector<std::vector<std::string>> blocks) {
    ShardWriter writer(folder / name, {.label = "kind"});
    for (auto& levels : blocks) {
      auto block = cloud_table(6, 6);
      block.decimal = ',';
      block.columns[1].levels = std::move(levels);  // in turn
      writer.add(block);
    }
    writer.finish();
    return Shards(folder / name);
  };
  using Strings = std::vector<std::string>;
  CHECK(shards_of("one", {{"1,0", "2,0"}, {"1,3", "1.0"}}).classes() ==
        Strings{"1.0", "1,3", "2,0"});
  // What -1 means is judged at the end, too, as in a table.
  CHECK(shards_of("minus", {{"-1.0", "0,5"}, {"-1,0", "1,5"}}).classes() == Strings{"0,5", "1,5"});
  CHECK(shards_of("two", {{"1,0", "2,0"}, {"1,0", "krank"}}).classes() ==
        Strings{"1,0", "2,0", "krank"});
  const auto some = shards_of("some", {{"1", "0"}, {"-1,0", "1,0"}});
  CHECK(some.classes() == Strings{"0", "1"});
  CHECK(torch::equal(some.labels(torch::arange(12)),
                     torch::tensor({0, 1, 0, 1, 0, 1, 1, -1, 1, -1, 1, -1})));
  CHECK(torch::equal(some.labeled_rows(), torch::tensor({0, 1, 2, 3, 4, 5, 6, 8, 10})));
  CHECK(shards_of("lists", {{"1", "2"}, {"1", "1,2"}}).classes() == Strings{"1", "1,2", "2"});
  CHECK(error_text([&] {
          Classifier(quick()).fit(read_samples(folder / "lists"));
        }).find("expected one class in each row but got '1,2'") != std::string::npos);
}

TEST_CASE("Shards: labels that a double does not tell apart are refused", "[data]") {
  const TemporaryFolder folder;
  ShardWriter writer(folder / "s", {.label = "kind"});
  auto block = cloud_table(2, 2);
  block.columns[1] = {
      .name = "kind", .kind = ColumnKind::kNumber, .numbers = {1, 9007199254740992.0}};
  CHECK(error_text([&] { writer.add(block); })
            .starts_with("ShardWriter: expected numbers below 9007199254740992 as names in column "
                         "'kind'"));
}

TEST_CASE("Shards: labels that are quantities or lists are refused as those in memory are",
          "[data]") {
  const TemporaryFolder folder;
  const auto error = [&](const std::string& name, const std::vector<std::string>& labels) {
    auto table = cloud_table(static_cast<int64_t>(labels.size()), 0);
    table.columns[1].levels = labels;
    for (size_t row = 0; row < labels.size(); ++row) {
      table.columns[1].codes[row] = static_cast<int32_t>(row);
    }
    ShardWriter writer(folder / name, {.label = "kind"});
    writer.add(table);
    writer.finish();
    return error_text([&] { Classifier(quick()).fit(read_samples(folder / name)); });
  };
  std::vector<std::string> prices;
  for (int i = 0; i < 40; ++i) prices.push_back(std::to_string(1000 + 137 * i));
  CHECK(error("prices", prices)
            .starts_with("class_labels: expected classes but got 40 different numbers in 40 "
                         "labeled rows of column 'kind'"));
  CHECK(error("lists", {"a", "b", "a;b"})
            .starts_with("class_labels: expected one class in each row but got 'a;b'"));
}

TEST_CASE("Shards: inputs are those of the tables, though levels are looked up once", "[data]") {
  const TemporaryFolder folder;
  Table table{.source = "made", .rows = 60};
  table.missing = {"-999", "none"};
  Column x{.name = "x"}, flag{.name = "flag", .kind = ColumnKind::kText};
  Column kind{.name = "kind", .kind = ColumnKind::kText};
  Column count{.name = "count", .kind = ColumnKind::kText};
  flag.levels = {"true", "false", "TRUE", "no value"};
  kind.levels = {"a", " a", "b", "rare", "?", "c\t"};
  count.levels = {"1", "2.5", "NA", "7"};
  for (int32_t row = 0; row < 60; ++row) {
    x.numbers.push_back(row % 11 == 3 ? -999.9F : static_cast<float>(row % 7));
    flag.codes.push_back(row % 10 == 9 ? -1 : row % 4);
    kind.codes.push_back(row % 13 == 5 ? -1 : row % 6);
    count.codes.push_back(row % 4);
  }
  table.columns = {x, flag, kind, count};
  ShardWriter writer(folder / "s", {.rows_per_shard = 25});
  writer.add(table);
  writer.finish();
  const auto shards = std::make_shared<const Shards>(folder / "s");
  auto features = fit_features(table, {"x"}, {.max_levels = 3});
  const Feature number{.name = "x", .center = 3, .scale = 2, .indicator = true};
  features.columns.insert(features.columns.begin() + 1, number);
  features.missing.push_back("-999.9");
  const auto rows = torch::tensor({59, 3, 0, 24, 25, 9, 14, 3}, torch::kInt64);
  const auto codes = shards->codes(rows);
  CHECK(codes.column("kind").codes == shards->table(rows).column("kind").codes);
  CHECK(codes.column("kind").levels.empty());
  const auto expected = features.apply(shards->table(rows));
  CHECK(torch::equal(row_source(shards, features)->inputs(rows), expected));
  CHECK(expected[1][features.columns[0].width() + 1].item<float>() == kLevelHeight);  // -999.9
  // Texts where numbers are expected need their levels.
  features.columns.back() = number;
  features.columns.back().name = "count";
  CHECK(torch::equal(row_source(shards, features)->inputs(rows),
                     features.apply(shards->table(rows))));
}

TEST_CASE("Shards: train the network that the rows in memory train", "[data]") {
  const TemporaryFolder folder;
  write_shards(folder / "s");
  Classifier in_memory(quick()), from_shards(quick());
  const auto expected = in_memory.fit(cloud_table(1000, 100), "kind");
  const auto report = from_shards.fit(read_samples(folder / "s"));
  CHECK(report.rows == expected.rows);
  CHECK(report.labeled == expected.labeled);
  CHECK(torch::equal(report.held_back.rows, expected.held_back.rows));
  CHECK(torch::equal(report.held_back.probabilities, expected.held_back.probabilities));
  const auto parameters = in_memory.model().net->named_parameters();
  for (const auto& parameter : from_shards.model().net->named_parameters()) {
    INFO(parameter.key());
    CHECK(torch::equal(parameter.value(), parameters[parameter.key()]));
  }
  CHECK(torch::equal(from_shards.predict_proba(cloud_table(50, 0, 2000)),
                     in_memory.predict_proba(cloud_table(50, 0, 2000))));
}

TEST_CASE("Shards: a run goes on where it stopped, and notices other shards", "[data]") {
  const TemporaryFolder folder;
  write_shards(folder / "s");
  auto options = quick();
  options.folder = folder / "whole";
  Classifier whole(options);
  whole.fit(read_samples(folder / "s"));
  options.folder = folder / "parts";
  options.resume = true;
  int64_t left = 20;
  options.callbacks.stop_requested = [&] { return left-- == 0; };
  CHECK(Classifier(options).fit(read_samples(folder / "s")).training.status ==
        train::TrainStatus::kInterrupted);
  options.callbacks.stop_requested = {};
  Classifier rest(options);
  rest.fit(read_samples(folder / "s"));
  CHECK(file_bytes(folder / "whole/model.ladder") == file_bytes(folder / "parts/model.ladder"));

  write_shards(folder / "other", 90);
  CHECK_THROWS_WITH(Classifier(options).fit(read_samples(folder / "other")),
                    Catch::Contains("expected the settings and data that the run in"));
}

TEST_CASE("Shards: a run by blocks goes on by blocks", "[data]") {
  const TemporaryFolder folder;
  write_shards(folder / "s");
  const auto rows = read_samples(folder / "s");
  CHECK(rows.shards->random_read_seconds() > 0);
  CHECK(rows.shards->block_sizes() == BlockSizes{.rows = (1 << 20) / 12, .blocks = 64});
  CHECK_NOTHROW(rows.shards->expect(torch::arange(1000)));

  auto options = quick();
  options.folder = folder / "one";
  const auto by_default = Classifier(options).fit(rows);
  const auto chosen = by_default.config.block_rows;
  CHECK((chosen == 0 || chosen == rows.shards->block_sizes().rows));  // as the disk is

  options.blocks.emplace();
  options.folder = folder / "rows";
  CHECK(Classifier(options).fit(rows).config.block_rows == 0);
  options.blocks = BlockSizes{.rows = 64, .blocks = 4};
  options.folder = folder / "whole";
  Classifier whole(options);
  const auto report = whole.fit(rows);
  CHECK(report.config.block_rows == 64);
  CHECK(report.config.window_blocks == 4);
  CHECK(file_bytes(folder / "whole/model.ladder") != file_bytes(folder / "rows/model.ladder"));

  options.folder = folder / "parts";
  options.resume = true;
  int64_t left = 20;
  options.callbacks.stop_requested = [&] { return left-- == 0; };
  CHECK(Classifier(options).fit(rows).training.status == train::TrainStatus::kInterrupted);
  options.callbacks.stop_requested = {};
  options.blocks.reset();  // those of the run
  CHECK(Classifier(options).fit(rows).config.block_rows == 64);
  CHECK(file_bytes(folder / "whole/model.ladder") == file_bytes(folder / "parts/model.ladder"));

  options.blocks.emplace();
  CHECK_THROWS_WITH(Classifier(options).fit(rows),
                    Catch::Contains("was started with but got others: block_rows (64 there, 0 "
                                    "here)"));
}

TEST_CASE("Shards: ranks shuffle by the blocks of the first one", "[data]") {
  if (!train::has_communicator()) LADDER_SKIP(kNoCommunicator);
  const TemporaryFolder folder;
  write_shards(folder / "s");
  const auto errors = errors_of_ranks(2, [&](const std::shared_ptr<train::Communicator>& ranks) {
    auto options = quick();
    options.ranks = ranks;
    options.blocks = ranks->rank() == 0 ? BlockSizes{.rows = 64, .blocks = 4} : BlockSizes{};
    Classifier classifier(options);
    const auto report = classifier.fit(read_samples(folder / "s"));
    expect(report.config.block_rows == 64, "the blocks of rank 0");
    expect(report.config.window_blocks == 4, "the window of rank 0");
    for (const auto& parameter : classifier.model().net->parameters()) {
      const auto all = ranks->all_gather(parameter.detach().flatten());
      expect(all[0].equal(all[1]), "the same network on both ranks");
    }
  });
  CHECK(errors == std::vector<std::string>(2));
}

TEST_CASE("Shards: what is damaged, missing or changed is named", "[data]") {
  const TemporaryFolder folder;
  write_shards(folder / "s");
  const auto shard = folder / "s/rows-00002.npy";
  const auto name = shard.string();
  const auto bytes = file_bytes(shard);

  SECTION("missing") {
    fs::remove(shard);
    CHECK_THROWS_WITH(
        Shards(folder / "s"),
        Catch::Contains("Shards: expected the shard " + name +
                        " but got no file (put it back, or convert the data again)."));
  }
  SECTION("cut short") {
    fs::resize_file(shard, bytes.size() - 4);
    CHECK_THROWS_WITH(Shards(folder / "s"),
                      Catch::Contains("Shards: expected 3600 bytes of values for the shape [300, "
                                      "3] but got 3596 in " +
                                      name + " (it is truncated)."));
  }
  SECTION("one bit") {
    auto other = bytes;
    other[1000] = static_cast<char>(other[1000] ^ 1);
    write_file(shard, other);
    const Shards shards(folder / "s");
    CHECK_THROWS_WITH(shards.verify(), Catch::Contains("of " + name + " but got ") &&
                                           Catch::Contains("(the shard is damaged or was changed"));
    CHECK_THROWS_WITH(Classifier(quick()).fit(read_samples(folder / "s")),
                      Catch::Contains("the shard is damaged"));
  }
  SECTION("another array") {
    fs::copy_file(folder / "s/rows-00003.npy", shard, fs::copy_options::overwrite_existing);
    CHECK_THROWS_WITH(Shards(folder / "s"),
                      Catch::Contains("Shards: expected float32 [300, 3] in C order in " + name +
                                      " but got f32 [100, 3]"));
  }
  SECTION("changed while it is read") {
    const Shards shards(folder / "s");
    CHECK(shards.table(0, 10).rows == 10);
    {
      std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(500);
      file.put('x');
    }
    fs::last_write_time(shard, fs::file_time_type::clock::now() + std::chrono::seconds(5));
    CHECK_THROWS_WITH(shards.table(590, 610),
                      Catch::Contains("Shards: expected " + name +
                                      " as it was when it was opened but it has changed since"));
    CHECK(shards.table(0, 10).rows == 10);  // of another file
    CHECK(shards.labels(torch::arange(590, 610)).numel() == 20);
  }
  SECTION("cut short while it is read") {
    const Shards shards(folder / "s");
    fs::resize_file(shard, 200);
    CHECK_THROWS_WITH(shards.table(850, 860),
                      Catch::Contains("bytes in " + name + " but it ends at "));
  }
  SECTION("an index that points elsewhere") {
    auto index = nlohmann::json::parse(file_bytes(folder / "s/index.json"));
    index["shards"][0]["inputs"] = "../rows-00000.npy";
    write_file(folder / "s/index.json", index.dump());
    CHECK_THROWS_WITH(Shards(folder / "s"), Catch::Contains("Shards: expected names of files in "));
  }
}

TEST_CASE("Shards: may have more files than the process may open", "[data]") {
  const TemporaryFolder folder;
  const auto whole = cloud_table(640, 640);
  ShardWriter writer(folder / "s", {.label = "kind", .rows_per_shard = 10});
  writer.add(whole);
  writer.finish();
  const auto first = folder / "s/rows-00000.npy";
  const auto order = permutation(640, 3);
  torch::Tensor labels;
  Table shuffled, all;
  std::string changed, unread;
  {
    const FewFiles few(12);
    const Shards shards(folder / "s");
    all = shards.table(0, 640);
    shuffled = shards.table(order);
    labels = shards.labels(torch::arange(640));
    shards.verify();
    // It is closed by now, and opened again for its rows.
    fs::last_write_time(first, fs::file_time_type::clock::now() + std::chrono::seconds(5));
    changed = error_text([&] { shards.table(0, 10); });
  }
  {
    const FewFiles none(0);
    unread = error_text([&] { read_npy(first); });
  }
  require_same_numbers(all.column("x"), whole.column("x"));
  CHECK(all.column("color").codes == whole.column("color").codes);
  for (int64_t i = 0; i < 640; ++i) {
    const auto row = static_cast<size_t>(order[i].item<int64_t>());
    REQUIRE(shuffled.column("x").numbers[static_cast<size_t>(i)] == whole.column("x").numbers[row]);
    REQUIRE(labels[i].item<int64_t>() == (i % 2 == 0 ? 0 : 1));
  }
  CHECK(changed.starts_with("Shards: expected " + first.string() +
                            " as it was when it was opened but it has changed since"));
  CHECK(unread == "read_npy: expected a readable file but could not open " + first.string() +
                      " (too many files are open: close some, or allow more by ulimit -n).");
}

TEST_CASE("ShardWriter: refuses what shards cannot hold", "[data]") {
  const TemporaryFolder folder;
  write_shards(folder / "s");
  CHECK_THROWS_WITH(ShardWriter(folder / "s"),
                    Catch::Contains("ShardWriter: expected a folder without shards but got some"));
  ShardWriter writer(folder / "t", {.label = "kind"});
  CHECK_THROWS_WITH(writer.finish(), Catch::Contains("ShardWriter: expected rows but got none."));
  writer.add(cloud_table(10, 10));
  auto large = cloud_table(1, 1);
  large.columns[0].numbers[0] = 1e39;
  CHECK_THROWS_WITH(
      writer.add(large),
      Catch::Contains("ShardWriter: expected numbers that float32 holds in column 'x' "
                      "of clouds but got 1e+39."));
  auto text = cloud_table(1, 1);
  text.columns[0] = {.name = "x", .kind = ColumnKind::kText, .codes = {0}, .levels = {"a"}};
  CHECK_THROWS_WITH(writer.add(text),
                    Catch::Contains("ShardWriter: expected numbers in column 'x' of clouds as in "
                                    "the rows before but got texts."));
  auto other = cloud_table(1, 1);
  other.columns[0].name = "z";
  CHECK_THROWS_WITH(writer.add(other), Catch::Contains("'x'"));
  Table ids{.source = "ids", .rows = kMaxShardLevels + 1};
  Column id{.name = "id", .kind = ColumnKind::kText};
  for (int64_t i = 0; i < ids.rows; ++i) {
    id.levels.push_back(std::to_string(i));
    id.codes.push_back(static_cast<int32_t>(i));
  }
  ids.columns = {id};
  ShardWriter wide(folder / "w");
  CHECK_THROWS_WITH(wide.add(ids),
                    Catch::Contains("ShardWriter: expected at most 10000 different texts in column "
                                    "'id' of ids but got more (an identifier? --ignore leaves it "
                                    "out)."));
  CHECK_FALSE(is_shards(folder / "t"));  // not finished
  const auto array = [](int64_t columns) {
    Table table{.source = "array", .rows = 1, .array_columns = columns};
    table.columns = {{.name = "x0", .kind = ColumnKind::kNumber, .numbers = {1}}};
    return table;
  };
  ShardWriter arrays(folder / "a");
  arrays.add(array(2));
  CHECK_THROWS_WITH(arrays.add(array(3)),
                    Catch::Contains("ShardWriter: expected rows of 2 numbers as before but got 3 "
                                    "in array (columns of arrays are known by their places "
                                    "alone)."));
  arrays.finish();
  CHECK(Shards(folder / "a").array_columns() == 2);
  CHECK(Shards(folder / "a").table(0, 1).array_columns == 2);
  CHECK(Shards(folder / "s").array_columns() == 0);
  // Few levels may be too long for the index.
  Table letters{.source = "letters", .rows = 340};
  Column letter{.name = "letter", .kind = ColumnKind::kText};
  for (int64_t i = 0; i < letters.rows; ++i) {
    letter.levels.push_back(std::to_string(i) + std::string(100'000, 'x'));
    letter.codes.push_back(static_cast<int32_t>(i));
  }
  letters.columns = {letter};
  ShardWriter long_texts(folder / "l");
  CHECK_THROWS_WITH(long_texts.add(letters),
                    Catch::Contains("ShardWriter: expected at most 32 MiB of different texts but "
                                    "got more with column 'letter' of letters (--ignore leaves a "
                                    "column out)."));
}
