#include "ladder/runs/run_table.h"

#include <tests/support/catch.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/runs/recorded_runs.h"

using namespace ladder::runs;
using namespace ladder::testing;
using nlohmann::json;
namespace fs = std::filesystem;
namespace models = ladder::models;

TEST_CASE("read_run: a whole run of the recipe is finished", "[programs]") {
  const RecordedRuns runs;
  runs.finish("mnist-100-full", 3, 1.02);
  const auto run = runs.read("mnist-100-full", 3);
  CHECK(run.state == RunState::kFinished);
  CHECK(run.seed == 3);
  CHECK(run.test_error == 1.02);
  CHECK(run.seconds == 80.0);
  CHECK(run.note.empty());
}

TEST_CASE("read_run: when one looks and where it runs make no other experiment", "[programs]") {
  const RecordedRuns runs;
  runs.finish("mnist-100-full", 1, 1.5,
              {{"eval_every", 5}, {"device", "cuda"}, {"product_route", "onednn"}});
  CHECK(runs.read("mnist-100-full", 1).state == RunState::kFinished);
  // Of an earlier version: with the names of its settings, and without one that it did not have.
  auto config = config_json("mnist-100-full", 2);
  runs.finish("mnist-100-full", 2, 1.5);
  config.erase("precision");
  write_file(runs.folder_of("mnist-100-full", 2) / "config.json", config.dump());
  CHECK(runs.read("mnist-100-full", 2).state == RunState::kFinished);
}

TEST_CASE("read_run: a run with other settings is foreign, and says which", "[programs]") {
  const RecordedRuns runs;
  const auto note_of = [&](const json& changes) {
    runs.finish("mnist-100-full", 1, 1.5, changes);
    const auto run = runs.read("mnist-100-full", 1);
    CHECK(run.state == RunState::kForeign);
    CHECK_FALSE(run.test_error);
    return run.note;
  };
  CHECK(note_of({{"epochs", 10}}) == "epochs 10 instead of 150");
  CHECK(note_of({{"noise_std", 0.2}, {"precision", "bfloat16"}}) ==
        "noise_std 0.2 instead of 0.3, precision \"bfloat16\" instead of \"float32\"");
  CHECK(note_of({{"recipe", "mnist-50-full"}}) ==
        "recipe \"mnist-50-full\" instead of \"mnist-100-full\"");
  CHECK(note_of({{"seed", 2}}) == "seed 2 instead of 1");
  CHECK(note_of({{"scaled_lambda", true}}) == "scaled_lambda true instead of false");
  CHECK(note_of({{"environment", {{"ranks", 4}}}}) == "ranks 4 instead of 1");
  auto config = config_json("mnist-100-full", 1);
  config.erase("seed");
  write_file(runs.folder_of("mnist-100-full", 1) / "config.json", config.dump());
  CHECK(runs.read("mnist-100-full", 1).note == "seed absent instead of 1");
}

TEST_CASE("read_run: a taught run has labels that nobody knew before", "[programs]") {
  const RecordedRuns runs;
  runs.finish("mnist-20-taught", 1, 0.6, {{"taught", "0123456789abcdef"}});
  CHECK(runs.read("mnist-20-taught", 1).state == RunState::kFinished);
  runs.finish("mnist-20-best", 1, 0.6, {{"taught", "0123456789abcdef"}});
  CHECK(runs.read("mnist-20-best", 1).state == RunState::kForeign);
}

TEST_CASE("read_run: a run that stopped early is foreign", "[programs]") {
  const RecordedRuns runs;
  runs.finish("mnist-100-full", 1, 1.5);
  const auto path = runs.folder_of("mnist-100-full", 1) / "result.json";
  auto result = json::parse(ladder::testing::file_bytes(path));
  result["status"] = "stopped early";
  result["epoch"] = 40;
  write_file(path, result.dump());
  const auto run = runs.read("mnist-100-full", 1);
  CHECK(run.state == RunState::kForeign);
  CHECK(run.note == "stopped early at epoch 40 of 150");
}

TEST_CASE("read_run: a run without a result is unfinished, failed or missing", "[programs]") {
  const RecordedRuns runs;
  CHECK(runs.read("mnist-100-full", 1).state == RunState::kMissing);

  runs.start("mnist-100-full", 1);
  const auto folder = runs.folder_of("mnist-100-full", 1);
  CHECK(runs.read("mnist-100-full", 1).state == RunState::kUnfinished);
  CHECK(runs.read("mnist-100-full", 1).note == "epoch 0 of 150");
  write_file(folder / "metrics.jsonl", "{\"epoch\":5}\n{\"epoch\":10}\n{\"epo");
  CHECK(runs.read("mnist-100-full", 1).note == "epoch 10 of 150");

  record_failure(folder, 1, "ladder-mnist: no memory \xff.");
  CHECK(runs.read("mnist-100-full", 1).state == RunState::kFailed);
  CHECK(runs.read("mnist-100-full", 1).note == "ladder-mnist: no memory \xef\xbf\xbd.");
  runs.finish("mnist-100-full", 1, 1.25);  // by another attempt
  CHECK(runs.read("mnist-100-full", 1).state == RunState::kFinished);
  fs::remove(folder / "result.json");
  forget_failure(folder);
  CHECK(runs.read("mnist-100-full", 1).state == RunState::kUnfinished);

  record_failure(runs.folder_of("mnist-100-full", 2), 1, "no data");
  CHECK(runs.read("mnist-100-full", 2).state == RunState::kFailed);
  CHECK(runs.read("mnist-100-full", 2).note == "no data");
}

TEST_CASE("read_run: files that are damaged make a failed run", "[programs]") {
  const RecordedRuns runs;
  runs.finish("mnist-100-full", 1, 1.5);
  const auto folder = runs.folder_of("mnist-100-full", 1);
  for (const char* text : {"", "{\"status\":", "[]", "{\"status\": \"finished\"}",
                           "{\"status\":\"finished\",\"epoch\":150,\"epochs\":150,"
                           "\"test_error\":null,\"training_seconds\":1}"}) {
    write_file(folder / "result.json", text);
    const auto run = runs.read("mnist-100-full", 1);
    INFO(text);
    CHECK(run.state == RunState::kFailed);
    CHECK_FALSE(run.test_error);
    CHECK(run.note == "result.json is not the result of a run");
  }
  write_file(folder / "config.json", "{");
  CHECK(runs.read("mnist-100-full", 1).state == RunState::kFailed);
  CHECK(runs.read("mnist-100-full", 1).note == "config.json is not the configuration of a run");
  write_file(folder / "config.json", config_json("mnist-100-full", 1).dump());
  fs::remove(folder / "result.json");
  write_file(folder / "failed.json", "{\"last_line\": 3}");
  CHECK(runs.read("mnist-100-full", 1).note == "failed.json is damaged");
}

TEST_CASE("read_table: averages the finished runs alone", "[programs]") {
  const RecordedRuns runs;
  const std::vector<double> errors = {1.0, 1.2, 1.4, 1.0};
  for (size_t i = 0; i < errors.size(); ++i) {
    runs.finish("mnist-100-full", i + 1, errors[i]);
  }
  runs.finish("mnist-100-full", 5, 80.0, {{"epochs", 1}});
  runs.start("mnist-100-full", 6);
  record_failure(runs.folder_of("mnist-100-full", 7), -9, "killed");
  runs.finish("mnist-100-full", 12, 3.0);
  runs.finish("mnist-100-full", 11, 3.0);
  fs::create_directories(runs.folder / "mnist-100-full/seed-x");
  fs::create_directories(runs.folder / "mnist-100-full/notes");

  const auto table =
      read(runs, {recipe("mnist-100-full", 100, {}), recipe("mnist-100-gamma", 100, {})},
           {1, 2, 3, 4, 5, 6, 7, 8});
  REQUIRE(table.rows.size() == 2);
  const auto& row = table.rows[0];
  CHECK(row.test_errors() == errors);
  CHECK(row.other_seeds == std::vector<uint64_t>{11, 12});
  const auto summary = row.summary();
  REQUIRE(summary);
  CHECK(summary->mean == Approx(1.15));
  CHECK(summary->std == Approx(std::sqrt(0.11 / 3)));
  CHECK(summary->median == Approx(1.1));
  std::vector<std::string> states;
  for (const auto& run : row.runs) states.push_back(to_string(run.state));
  CHECK(states == std::vector<std::string>{"finished", "finished", "finished", "finished",
                                           "foreign", "unfinished", "failed", "missing"});
  CHECK_FALSE(table.rows[1].summary());
  CHECK(table.rows[1].test_errors().empty());
}

TEST_CASE("read_table: asks for the settings of recipes that have a run", "[programs]") {
  const RecordedRuns runs;
  runs.finish("mnist-100-full", 1, 1.0);
  std::vector<std::string> asked;
  read_table(published_tables().front(),
             {recipe("mnist-50-full", 50, {}), recipe("mnist-100-full", 100, {})}, {1},
             runs.folder.path(), [&](const models::Recipe& one) {
               asked.push_back(one.name);
               return recipe_settings();
             });
  CHECK(asked == std::vector<std::string>{"mnist-100-full"});
}

TEST_CASE("published_tables: every recipe with a published error is a row of one table",
          "[programs]") {
  std::vector<std::string> rows;
  for (const auto& table : published_tables()) {
    for (const auto& row : rows_of(table, models::recipes(), /*ours=*/false)) {
      CHECK(row.published);
      rows.push_back(row.name);
    }
  }
  std::vector<std::string> expected;
  for (const auto& one : models::recipes()) {
    if (one.published) expected.push_back(one.name);
  }
  std::sort(rows.begin(), rows.end());
  std::sort(expected.begin(), expected.end());
  CHECK(rows == expected);

  const auto& mnist = published_tables().front();
  CHECK(rows_of(mnist, models::recipes(), false).size() >= 13);
  CHECK(rows_of(mnist, models::recipes(), true).size() >= 16);
  const auto& conv = models::find_recipe("mnist-100-conv-small-gamma");
  const auto& cifar = models::find_recipe("cifar-4000-conv-large-gamma");
  CHECK_FALSE(published_tables()[0].holds(conv));
  CHECK(published_tables()[1].holds(conv));
  CHECK_FALSE(published_tables()[1].holds(cifar));
  CHECK(published_tables()[2].holds(cifar));
  CHECK(kind_of(conv) == "conv-small-gamma");
  CHECK(kind_of(cifar) == "conv-large-gamma");
  CHECK(kind_of(models::find_recipe("mnist-all-full")) == "full");
}
