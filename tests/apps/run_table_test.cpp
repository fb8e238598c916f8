#include "apps/support/run_table.h"

#include <tests/support/catch.h>
#include <tests/support/temporary_folder.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/support/child_process.h"
#include "apps/support/table_text.h"

using namespace ladder::apps;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;
using nlohmann::json;
namespace fs = std::filesystem;
namespace models = ladder::models;

namespace {

const json kSettings = {{"program", "ladder-mnist"},
                        {"recipe", "mnist-100-full"},
                        {"dataset", "mnist"},
                        {"labels", 100},
                        {"epochs", 150},
                        {"noise", 0.3},
                        {"eval_every", 1},
                        {"device", "cpu"},
                        {"precision", "float32"},
                        {"product_route", "auto"}};

json config_of(const std::string& recipe, uint64_t seed, const json& changes = json::object()) {
  auto config = kSettings;
  config["recipe"] = recipe;
  config["seed"] = seed;
  config["train_rows"] = 60000;
  config.update(changes);
  return config;
}

// Folders of runs as the programs leave them.
struct Runs {
  fs::path folder_of(const std::string& recipe, uint64_t seed) const {
    const auto path = run_path(folder.path(), recipe, seed);
    fs::create_directories(path);
    return path;
  }
  void start(const std::string& recipe, uint64_t seed, const json& changes = json::object()) const {
    write_file(folder_of(recipe, seed) / "config.json", config_of(recipe, seed, changes).dump(2));
  }
  void finish(const std::string& recipe, uint64_t seed, double error,
              const json& changes = json::object()) const {
    start(recipe, seed, changes);
    const json result = {{"status", "finished"}, {"recipe", recipe},
                         {"seed", seed},         {"epochs", 150},
                         {"epoch", 150},         {"test_error", error},
                         {"seconds", 90.0},      {"training_seconds", 80.0}};
    write_file(folder_of(recipe, seed) / "result.json", result.dump(2));
  }
  RunRecord read(const std::string& recipe, uint64_t seed) const {
    return read_run(run_path(folder.path(), recipe, seed), recipe, seed, [] { return kSettings; });
  }

  TemporaryFolder folder;
};

models::Recipe recipe(const std::string& name, int64_t labels,
                      std::optional<models::Published> published) {
  models::Recipe row;
  row.name = name;
  row.dataset = "mnist";
  row.labels = labels;
  row.published = published;
  return row;
}

RunTable read(const Runs& runs, const std::vector<models::Recipe>& rows,
              const std::vector<uint64_t>& seeds) {
  return read_table(published_tables().front(), rows, seeds, runs.folder.path(),
                    [](const models::Recipe&) { return kSettings; });
}

}  // namespace

TEST_CASE("read_run: a whole run of the recipe is finished", "[programs]") {
  const Runs runs;
  runs.finish("mnist-100-full", 3, 1.02);
  const auto run = runs.read("mnist-100-full", 3);
  CHECK(run.state == RunState::kFinished);
  CHECK(run.seed == 3);
  CHECK(run.test_error == 1.02);
  CHECK(run.seconds == 80.0);
  CHECK(run.note.empty());
}

TEST_CASE("read_run: when one looks and where it runs make no other experiment", "[programs]") {
  const Runs runs;
  runs.finish("mnist-100-full", 1, 1.5,
              {{"eval_every", 5}, {"device", "cuda"}, {"product_route", "onednn"}});
  CHECK(runs.read("mnist-100-full", 1).state == RunState::kFinished);
  // A run of a version that had no such setting yet.
  auto config = config_of("mnist-100-full", 2);
  runs.finish("mnist-100-full", 2, 1.5);
  config.erase("precision");
  write_file(runs.folder_of("mnist-100-full", 2) / "config.json", config.dump());
  CHECK(runs.read("mnist-100-full", 2).state == RunState::kFinished);
}

TEST_CASE("read_run: a run with other settings is foreign, and says which", "[programs]") {
  const Runs runs;
  const auto note_of = [&](const json& changes) {
    runs.finish("mnist-100-full", 1, 1.5, changes);
    const auto run = runs.read("mnist-100-full", 1);
    CHECK(run.state == RunState::kForeign);
    CHECK_FALSE(run.test_error);
    return run.note;
  };
  CHECK(note_of({{"epochs", 10}}) == "epochs 10 instead of 150");
  CHECK(note_of({{"noise", 0.2}, {"precision", "bfloat16"}}) ==
        "noise 0.2 instead of 0.3, precision \"bfloat16\" instead of \"float32\"");
  CHECK(note_of({{"recipe", "mnist-50-full"}}) ==
        "recipe \"mnist-50-full\" instead of \"mnist-100-full\"");
  CHECK(note_of({{"seed", 2}}) == "seed 2 instead of 1");
  auto config = config_of("mnist-100-full", 1);
  config.erase("seed");
  write_file(runs.folder_of("mnist-100-full", 1) / "config.json", config.dump());
  CHECK(runs.read("mnist-100-full", 1).note == "seed absent instead of 1");
}

TEST_CASE("read_run: a run that stopped early is foreign", "[programs]") {
  const Runs runs;
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
  const Runs runs;
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
  const Runs runs;
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
  write_file(folder / "config.json", config_of("mnist-100-full", 1).dump());
  fs::remove(folder / "result.json");
  write_file(folder / "failed.json", "{\"last_line\": 3}");
  CHECK(runs.read("mnist-100-full", 1).note == "failed.json is damaged");
}

TEST_CASE("read_table: averages the finished runs alone", "[programs]") {
  const Runs runs;
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
  const Runs runs;
  runs.finish("mnist-100-full", 1, 1.0);
  std::vector<std::string> asked;
  read_table(published_tables().front(),
             {recipe("mnist-50-full", 50, {}), recipe("mnist-100-full", 100, {})}, {1},
             runs.folder.path(), [&](const models::Recipe& one) {
               asked.push_back(one.name);
               return kSettings;
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

TEST_CASE("to_markdown: the table as the paper has it, each recipe, and what is left out",
          "[programs]") {
  const Runs runs;
  runs.finish("mnist-100-full", 1, 1.0);
  runs.finish("mnist-100-full", 2, 1.2);
  runs.finish("mnist-100-full", 3, 80.0, {{"epochs", 1}});
  runs.finish("mnist-all-full", 1, 0.57);
  runs.start("mnist-all-full", 2);
  record_failure(runs.folder_of("mnist-100-own", 1), 1, "ladder-mnist: no data.");
  runs.finish("mnist-100-own", 9, 2.0);
  const auto table =
      read(runs,
           {recipe("mnist-all-full", ladder::data::kAllLabels, models::Published{0.57, 0.02}),
            recipe("mnist-100-full", 100, models::Published{1.06, 0.37}),
            recipe("mnist-100-own", 100, {})},
           {1, 2, 3});
  CHECK(to_markdown(table) == R"(# MNIST, permutation invariant

Test error in %: mean +- sample standard deviation (number of runs); seeds 1..3.

|      | 100 labels: ours | published    | all labels: ours | published    |
|------|------------------|--------------|------------------|--------------|
| full | 1.10 +- 0.14 (2) | 1.06 +- 0.37 | 0.57 (1)         | 0.57 +- 0.02 |
| own  | -                | -            |                  |              |

| recipe         | published    | mean  | std   | median | runs   | by seed          |
|----------------|--------------|-------|-------|--------|--------|------------------|
| mnist-all-full | 0.57 +- 0.02 | 0.570 | -     | 0.570  | 1 of 3 | 1: 0.57          |
| mnist-100-full | 1.06 +- 0.37 | 1.100 | 0.141 | 1.100  | 2 of 3 | 1: 1.00, 2: 1.20 |
| mnist-100-own  | -            | -     | -     | -      | 0 of 3 |                  |

Not in the means:

- mnist-all-full, seed 2: unfinished (epoch 0 of 150)
- mnist-all-full, seed 3: missing
- mnist-100-full, seed 3: another experiment (epochs 1 instead of 150)
- mnist-100-own, seed 1: failed (ladder-mnist: no data.)
- mnist-100-own, seeds 2, 3: missing
- mnist-100-own, seed 9: there, but not asked for
)");
}

TEST_CASE("to_markdown: nothing is left out of a whole table", "[programs]") {
  const Runs runs;
  runs.finish("mnist-100-full", 1, 1.0);
  const auto text =
      to_markdown(read(runs, {recipe("mnist-100-full", 100, models::Published{1.06, 0.37})}, {1}));
  CHECK(text.ends_with("| 1 of 1 | 1: 1.00 |\n"));
}

TEST_CASE("to_json: holds every run and what is said about them", "[programs]") {
  const Runs runs;
  runs.finish("mnist-100-full", 1, 1.0);
  runs.finish("mnist-100-full", 2, 1.2);
  runs.finish("mnist-all-full", 2, 0.6);
  const auto table = read(runs,
                          {recipe("mnist-100-full", 100, models::Published{1.06, 0.37}),
                           recipe("mnist-all-full", ladder::data::kAllLabels, {})},
                          {1, 2});
  const auto object = json::parse(to_json(table).dump());
  CHECK(object.at("table") == "mnist");
  CHECK(object.at("seeds") == json({1, 2}));
  const auto& full = object.at("rows").at(0);
  CHECK(full.at("recipe") == "mnist-100-full");
  CHECK(full.at("kind") == "full");
  CHECK(full.at("labels") == 100);
  CHECK(full.at("published") == json({{"mean", 1.06}, {"std", 0.37}}));
  CHECK(full.at("ours").at("runs") == 2);
  CHECK(full.at("ours").at("mean").get<double>() == Approx(1.1));
  CHECK(full.at("ours").at("std").get<double>() == Approx(std::sqrt(0.02)));
  CHECK(full.at("runs").at(0) == json({{"seed", 1},
                                       {"state", "finished"},
                                       {"test_error", 1.0},
                                       {"seconds", 80.0},
                                       {"note", ""}}));
  const auto& all = object.at("rows").at(1);
  CHECK(all.at("labels") == "all");
  CHECK(all.at("published").is_null());
  CHECK(all.at("ours").at("std").is_null());
  CHECK(all.at("runs").at(0).at("state") == "missing");
  CHECK(all.at("runs").at(0).at("test_error").is_null());
}

TEST_CASE("seeds_text: runs of three and more are a range", "[programs]") {
  CHECK(seeds_text({}).empty());
  CHECK(seeds_text({4}) == "4");
  CHECK(seeds_text({1, 2}) == "1, 2");
  CHECK(seeds_text({1, 2, 3, 5, 7, 8, 9, 10}) == "1..3, 5, 7..10");
}

TEST_CASE("last_line: the last one with something in it", "[programs]") {
  CHECK(last_line("").empty());
  CHECK(last_line(" \n\n").empty());
  CHECK(last_line("one") == "one");
  CHECK(last_line("one\n  two \n\n") == "two");
  CHECK(last_line("one\rtwo\r\n") == "two");
}

TEST_CASE("output_of: what a program prints, or its last line when it fails", "[programs]") {
  CHECK(output_of({"/bin/sh", "-c", "echo one; echo two"}) == "one\ntwo\n");
  CHECK_THROWS_WITH(output_of({"/bin/sh", "-c", "echo one; echo no luck >&2; exit 3"}),
                    "expected status 0 of sh but got 3: no luck");
  CHECK_THROWS_WITH(
      output_of({"/no/such/program"}),
      "expected status 0 of program but got 127: expected to run /no/such/program but "
      "got \"No such file or directory\".");
}
