#include "apps/support/report/run_report.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <utility>

#include "apps/support/report/report_html.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/files_below.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

using namespace ladder;
using namespace ladder::testing;

namespace {

namespace fs = std::filesystem;

fs::path recorded(const std::string& name) { return source_folder() / "results" / name; }

std::string setting(const apps::ReportData& data, const std::string& name) {
  for (const auto& [key, value] : data.settings) {
    if (key == name) return value;
  }
  return "(none)";
}

}  // namespace

TEST_CASE("report_of_runs: reads seeds, their baseline and the published error", "[apps]") {
  const TemporaryFolder folder;  // named seeds: more may be recorded
  for (const std::string run : {"mnist-100-full/seed-1", "mnist-100-full/seed-2",
                                "mnist-100-full/seed-3", "mnist-100-baseline/seed-1"}) {
    fs::create_directories((folder / run).parent_path());
    fs::copy(recorded(run), folder / run);
  }
  const auto data =
      apps::report_of_runs({folder / "mnist-100-full", folder / "mnist-100-baseline"});
  CHECK(data.title == "mnist-100-full");
  REQUIRE(data.runs.size() == 3);
  CHECK(data.runs[0].name == "seed 1");
  CHECK(data.runs[0].rows == 10000);
  CHECK(data.runs[0].wrong == 100);
  CHECK(data.runs[0].evaluations.size() == 30);
  CHECK(data.runs[0].status == "finished");
  CHECK(data.runs[0].steps == 90000);
  CHECK(data.runs[2].name == "seed 3");
  CHECK(data.rows_name == "test rows");
  CHECK(data.baselines.labels_alone.value() == Approx(23.52));
  CHECK(data.baselines.labels_alone_note == "mnist-100-baseline");
  CHECK(data.baselines.published.value() == Approx(1.06));
  CHECK(data.lambda.size() == 7);
  REQUIRE(data.levels.size() == 7);
  CHECK(data.levels[1] == "dense 1000");
  CHECK(data.data.labeled_rows == 100);
  CHECK(data.data.unlabeled_rows == 59900);
  CHECK(data.data.class_counts == std::vector<int64_t>(10, 10));
  CHECK(setting(data, "epochs") == "150");
  CHECK(setting(data, "lambda") == "1000, 10, 0.1, 0.1, 0.1, 0.1, 0.1");
  CHECK(setting(data, "seed") == "(none)");  // differs
  CHECK_FALSE(data.environment.empty());
  CHECK(data.warnings.empty());
  REQUIRE(data.commands.size() == 3);
  CHECK(data.commands[0].starts_with(
      "ladder-mnist --recipe mnist-100-full --seed 1 --out runs/mnist-100-full/seed-1"));
  CHECK_FALSE(data.metrics);
}

TEST_CASE("report_of_runs: labels alone of another task are left out with a warning", "[apps]") {
  const std::string begin = "The error of the labels alone is left out: ";
  const auto labels =
      apps::report_of_runs({recorded("mnist-1000-full/seed-1"), recorded("mnist-100-baseline")});
  CHECK(labels.runs.size() == 1);
  CHECK_FALSE(labels.baselines.labels_alone);
  REQUIRE(labels.warnings.size() == 1);  // though there are ten seeds
  CHECK(labels.warnings[0] == begin + "mnist-100-baseline differs from mnist-1000-full in labels.");
  CHECK(apps::report_html(labels).find("unlabeled rows remove") == std::string::npos);

  const auto other = apps::report_of_runs(
      {recorded("mnist-100-full/seed-1"), recorded("cifar-4000-conv-small-baseline/seed-1")});
  CHECK_FALSE(other.baselines.labels_alone);
  REQUIRE(other.warnings.size() == 1);
  CHECK(other.warnings[0].starts_with(
      begin + "cifar-4000-conv-small-baseline differs from mnist-100-full in "));
  for (const char* name : {"dataset", "labels", "layers", "validation"}) {
    CHECK(other.warnings[0].find(name) != std::string::npos);
  }

  // The page is about both: 1000 labels have nothing to do with this baseline.
  const auto both =
      apps::report_of_runs({recorded("mnist-100-full/seed-1"), recorded("mnist-1000-full/seed-1"),
                            recorded("mnist-100-baseline/seed-1")});
  CHECK_FALSE(both.baselines.labels_alone);

  // Published baselines of the same task stand, whatever their noise.
  const auto same = apps::report_of_runs({recorded("cifar-4000-conv-small-gamma/seed-1"),
                                          recorded("cifar-4000-conv-small-baseline/seed-1")});
  CHECK(same.baselines.labels_alone.value() == Approx(39.63));
  CHECK(same.warnings.empty());
}

TEST_CASE("report_of_runs: says that a run recorded no evaluation", "[apps]") {
  const TemporaryFolder folder;
  fs::copy(recorded("mnist-100-full/seed-1/config.json"), folder / "config.json");
  const auto page = apps::report_html(apps::report_of_runs({folder.path()}));
  CHECK(page.find("No evaluation was recorded, so nobody knows") != std::string::npos);
  CHECK(page.find("No labeled rows were kept") == std::string::npos);
}

TEST_CASE("report_of_runs: a taught network is no baseline", "[apps]") {
  const TemporaryFolder folder;
  for (const std::string run :
       {"mnist-20-best/seed-1", "mnist-20-taught/seed-1", "mnist-20-taught/seed-2"}) {
    fs::create_directories((folder / run).parent_path());
    fs::copy(recorded(run), folder / run);
  }
  const auto both = apps::report_of_runs({folder / "mnist-20-best", folder / "mnist-20-taught"});
  CHECK(both.runs.size() == 3);
  CHECK_FALSE(both.baselines.labels_alone);

  const auto taught = apps::report_of_runs({folder / "mnist-20-taught"});
  CHECK(taught.warnings.empty());  // though teachers differ from seed to seed
  CHECK(taught.subtitle.find("20 labeled rows and labels that other runs gave") !=
        std::string::npos);
  const auto page = apps::report_html(taught);
  CHECK(page.find("It learns from the labeled rows and from labels that other runs gave.") !=
        std::string::npos);
  CHECK(page.find("labeled rows only") == std::string::npos);
  REQUIRE(taught.commands.size() == 2);
  CHECK(taught.commands[1] ==
        "ladder-mnist --recipe mnist-20-taught --seed 2 --out runs/mnist-20-taught/seed-2");
}

TEST_CASE("report_of_runs: takes what `ladder train` measured when a run had ended", "[apps]") {
  const TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::string& measured) {
    const auto run = folder / name;
    fs::create_directories(run);
    write_file(run / "config.json", R"({"kind": "table"})");
    write_file(run / "evaluation.json", measured);
    return run;
  };
  const auto first = write("tested/seed-1", R"({"held_back_by": "held-back rows",
      "held_back": {"rows": 30, "wrong": 3}, "held_back_labels_alone": {"error": 50},
      "test": {"rows": 200, "wrong": 10}, "test_labels_alone": {"error": 20.5}})");
  write("tested/seed-2", R"({"held_back_by": "held-back rows",
      "held_back": {"rows": 30, "wrong": 1}, "test": {"rows": 200, "wrong": 14}})");
  const auto tested = apps::report_of_runs({folder / "tested"});
  REQUIRE(tested.runs.size() == 2);
  CHECK(tested.rows_name == "test rows");
  CHECK(tested.runs[0].rows == 200);
  CHECK(tested.runs[0].wrong == 10);
  CHECK(tested.runs[1].wrong == 14);
  CHECK(tested.baselines.labels_alone.value() == 20.5);
  CHECK_FALSE(tested.own_rows);
  CHECK(apps::report_html(tested).find("Mean error of 2 seeds on 200 test rows.") !=
        std::string::npos);

  write("held/seed-1", R"({"held_back_by": "held-back rows",
      "held_back": {"rows": 30, "wrong": 3},
      "held_back_labels_alone": {"error": 50, "only_right": 1, "only_wrong": 13}})");
  write("held/seed-2",
        R"({"held_back_by": "held-back rows", "held_back": {"rows": 30, "wrong": 1}})");
  const auto held = apps::report_of_runs({folder / "held"});
  CHECK(held.rows_name == "held-back rows");
  CHECK(held.runs[1].wrong == 1);
  CHECK(held.own_rows);
  const auto one = apps::report_of_runs({folder / "held/seed-1"});
  CHECK_FALSE(one.own_rows);
  CHECK(one.baselines.labels_alone.value() == 50);
  CHECK(one.baselines.wrong_alone == std::pair<int64_t, int64_t>(1, 13));
  CHECK_FALSE(held.baselines.wrong_alone);
  write("held/seed-1", R"({"held_back_by": "held-back rows",
      "held_back": {"rows": 30, "wrong": 3},
      "held_back_labels_alone": {"error": 50, "only_right": 1e15, "only_wrong": 1e300}})");
  CHECK_FALSE(apps::report_of_runs({folder / "held/seed-1"}).baselines.wrong_alone);

  // The rows of folds are all labeled rows, in each seed.
  for (const std::string name : {"folds/seed-1", "folds/seed-2"}) {
    write(name, R"({"held_back_by": "5 folds", "held_back": {"rows": 20, "wrong": 1}})");
  }
  const auto folds = apps::report_of_runs({folder / "folds"});
  CHECK(folds.rows_name == "labeled rows, each predicted by a network that was not trained on it");
  CHECK(folds.runs[1].rows == 20);
  CHECK_FALSE(folds.own_rows);

  write_file(first / "evaluation.json", "[1]");
  CHECK(error_text([&] { apps::report_of_runs({first}); }) ==
        "report: expected " + (first / "evaluation.json").string() +
            " to be what a run measured but got \"[1]\".");
}

TEST_CASE("report_of_runs: says which flags change the recipe", "[apps]") {
  const auto data = apps::report_of_runs({recorded("mnist-100-conv-small-gamma-20-epochs/seed-1")});
  REQUIRE(data.commands.size() == 1);
  CHECK(data.commands[0] ==
        "ladder-mnist --recipe mnist-100-conv-small-gamma --epochs 20 --validation 10000 --seed 1 "
        "--out runs/mnist-100-conv-small-gamma-changed/seed-1");
}

TEST_CASE("report_of_runs: every recorded run makes a page", "[apps]") {
  std::set<fs::path> folders;
  for (const auto& file : files_below(source_folder() / "results")) {
    if (file.filename() == "config.json") folders.insert(file.parent_path());
  }
  CHECK(folders.size() > 10);
  for (const auto& folder : folders) {
    INFO(folder);
    const auto data = apps::report_of_runs({folder});
    CHECK(data.runs.size() == 1);
    CHECK(data.runs[0].wrong.has_value());
    const auto page = apps::report_html(data);
    CHECK(page.find("nan") == std::string::npos);
    CHECK(page.size() < 300'000);
  }
}

TEST_CASE("report_of_runs: reports runs that go on, and other programs' runs", "[apps]") {
  const TemporaryFolder folder;
  const auto run = folder / "run";
  fs::create_directory(run);
  write_file(run / "config.json", R"({"kind": "table", "noise_std": 0.3, "layers": ["a", 2],
      "environment": {"cpu": "x", "threads": 1}, "deep": {"flag": true, "none": null},
      "resumed": [{"step": 600, "environment": {"cpu": "x", "threads": 2}},
                  {"step": 700, "environment": {"cpu": "x", "threads": 1}}]})");
  const std::string line =
      R"({"epoch":1,"step":5,"learning_rate":0.002,"supervised":1.5,"denoising":[],"total":1.5,)"
      R"("validation_error":null,"test_error":null,"seconds":2,"steps_per_second":3})";
  write_file(run / "metrics.jsonl", line + "\n" + line.substr(0, 20));  // being written
  const auto data = apps::report_of_runs({run});
  REQUIRE(data.runs.size() == 1);
  CHECK(data.runs[0].name == "run");
  CHECK(data.runs[0].evaluations.size() == 1);
  CHECK(data.runs[0].status == "not finished");
  CHECK_FALSE(data.runs[0].seconds);  // evaluations know the time of all, not that of training
  CHECK(data.title == "run");
  REQUIRE(data.warnings.size() == 1);
  CHECK(data.warnings[0] == "The run has not ended (state: not finished).");
  CHECK(setting(data, "noise std") == "0.3");
  CHECK(setting(data, "layers") == "a, 2");
  CHECK(setting(data, "deep flag") == "yes");
  CHECK(setting(data, "deep none") == "none");
  CHECK(setting(data, "environment cpu") == "(none)");
  CHECK(data.environment ==
        std::vector<apps::ReportedSetting>{{"cpu", "x"},
                                           {"threads", "1"},
                                           {"from step 600", "threads 2"},
                                           {"from step 700", "as at the start"}});
  CHECK_FALSE(fs::exists(run / ".lock"));
}

TEST_CASE("report_of_runs: warns about runs that are not seeds of one experiment", "[apps]") {
  const auto data =
      apps::report_of_runs({recorded("mnist-100-full/seed-1"), recorded("mnist-1000-full/seed-1")});
  REQUIRE(data.runs.size() == 2);
  CHECK(data.runs[0].name != data.runs[1].name);
  REQUIRE(data.warnings.size() == 1);
  CHECK(data.warnings[0].starts_with("The runs are not seeds of one experiment: "));
  CHECK(data.warnings[0].find("labels") != std::string::npos);
}

TEST_CASE("report_of_runs: all runs of one name get their folders behind it", "[apps]") {
  const TemporaryFolder folder;
  for (const std::string name : {"a/seed-1", "b/seed-1", "b/seed-2"}) {
    fs::create_directories(folder / name);
    write_file(folder / name / "config.json",
               name.ends_with("2") ? R"({"seed": 2})" : R"({"seed": 1})");
  }
  const auto data =
      apps::report_of_runs({folder / "a/seed-1", folder / "b/seed-1", folder / "b/seed-2"});
  REQUIRE(data.runs.size() == 3);
  CHECK(data.runs[0].name == "seed 1 in " + (folder / "a/seed-1").string());
  CHECK(data.runs[1].name == "seed 1 in " + (folder / "b/seed-1").string());
  CHECK(data.runs[2].name == "seed 2");
}

TEST_CASE("report_of_runs: leaves out counts that count nothing", "[apps]") {
  const TemporaryFolder folder;
  write_file(folder / "config.json", "{}");
  for (const std::string steps : {"1e300", "-1", "true"}) {
    write_file(folder / "result.json", R"({"training_seconds": 2, "steps": )" + steps + "}");
    const auto data = apps::report_of_runs({folder.path()});
    REQUIRE(data.runs.size() == 1);
    INFO(steps);
    CHECK_FALSE(data.runs[0].steps);
    CHECK(apps::report_html(data).find("--9") == std::string::npos);
  }
}

TEST_CASE("report_of_runs: says what is wrong with a folder", "[apps]") {
  const TemporaryFolder folder;
  const auto path = folder.path().string();
  CHECK(error_text([] { apps::report_of_runs({}); }) ==
        "report: expected at least one run folder but got none.");
  CHECK(error_text([&] { apps::report_of_runs({folder.path()}); }) ==
        "report: expected a run in " + path +
            " but got no config.json there (give a run folder, or one that holds seed-1, ...).");
  write_file(folder / "config.json", "[1]");
  CHECK(error_text([&] { apps::report_of_runs({folder.path()}); }) ==
        "report: expected " + path + "/config.json to be a JSON object but got \"[1]\".");
  const std::string deep = std::string(300'000, '[') + std::string(300'000, ']');
  write_file(folder / "config.json", R"({"kind": )" + deep + "}");
  CHECK(error_text([&] {
          apps::report_of_runs({folder.path()});
        }).starts_with("report: expected " + path + "/config.json to be a JSON object but got"));
  write_file(folder / "config.json", "{}");
  write_file(folder / "result.json", "broken");
  CHECK(error_text([&] { apps::report_of_runs({folder.path()}); }) ==
        "report: expected " + path + "/result.json to be the result of a run but got \"broken\".");
  write_file(folder / "result.json", "{\n  \"epoch\": 3,\n");  // one line, whatever the file has
  CHECK(error_text([&] { apps::report_of_runs({folder.path()}); }) ==
        "report: expected " + path + "/result.json to be the result of a run but got \"{…\".");
  write_file(folder / "metrics.jsonl", "{}\n");
  CHECK(error_text([&] { apps::report_of_runs({folder.path()}); }) ==
        "RunFolder: expected an evaluation in metrics.jsonl but got \"{}\".");
}
