#include <tests/support/catch.h>

#include <string>
#include <vector>

#include "tests/apps/mnist_place.h"

using namespace ladder::testing;

namespace {

// The lines of a text, but those that list lost clusters: an untrained network may have some.
std::vector<std::string> lines_besides_lost(const std::string& text) {
  auto lines = lines_of(text);
  std::erase_if(lines, [](const std::string& line) { return line.starts_with("lost in "); });
  return lines;
}

}  // namespace

TEST_CASE("ladder-diagnose: prints signs and errors of runs on the same data", "[cli]") {
  const MnistPlace place;
  REQUIRE(place.run("runs", {"--epochs=1", "--quiet", "--seeds=1..3"}).status == 0);
  const Arguments program = {program_path("ladder-diagnose")};
  const auto seed = [&](int number) {
    return (place.folder / "runs" / ("seed-" + std::to_string(number))).string();
  };
  const auto told = run_to_end(program + Arguments{seed(1), seed(2), seed(3)});
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  const auto lines = lines_besides_lost(told.out);
  REQUIRE(lines.size() == 6);
  CHECK(lines[0].find("error %") != std::string::npos);
  CHECK(lines[0].find("lost %") != std::string::npos);
  CHECK(lines[1].starts_with(seed(1)));
  CHECK(lines[1].find(" as ") != std::string::npos);
  CHECK(lines[4].starts_with("rank correlation with error"));
  char error[64];
  const auto error_of = [&](const std::string& run, const char* name) {
    return read_json(place.folder / run / "result.json").at(name).get<double>();
  };
  std::snprintf(error, sizeof error, " %.2f test ", error_of("runs/seed-1", "test_error"));
  CHECK(lines[1].find(error) != std::string::npos);
  CHECK(lines[5].starts_with("vote of 3 runs: error "));
  CHECK(lines_besides_lost(run_to_end(program + Arguments{seed(1)}).out).size() == 2);
  const auto all = (place.folder / "runs").string();  // stands for its runs
  CHECK(run_to_end(program + Arguments{all}).out == told.out);

  // A run is as good as its vote with itself. Runs with validation rows are judged on these.
  REQUIRE(place.run("judged", {"--epochs=1", "--quiet", "--validation=100"}).status == 0);
  const auto judged = (place.folder / "judged").string();
  const auto twice = lines_besides_lost(run_to_end(program + Arguments{judged, judged}).out);
  REQUIRE(twice.size() == 4);
  std::snprintf(error, sizeof error, " %.2f validation ", error_of("judged", "validation_error"));
  CHECK(twice[1].find(error) != std::string::npos);
  std::snprintf(error, sizeof error, "vote of 2 runs: error %.2f %%",
                error_of("judged", "validation_error"));
  CHECK(twice[3] == error);
  CHECK(lines_besides_lost(run_to_end(program + Arguments{judged, seed(1)}).out).size() == 3);

  const auto levels = lines_besides_lost(run_to_end(program + Arguments{seed(1), "--levels"}).out);
  REQUIRE(levels.size() == 2 + 3 + 3);
  CHECK(levels[4] == "level      cost     lambda  weighted   lateral");

  const auto data = (place.folder / "data").string();
  const auto no_run = run_to_end(program + Arguments{data});
  CHECK(no_run.status == 1);
  CHECK(no_run.err == "ladder-diagnose: expected the checkpoint of a run in " + data +
                          " but found no checkpoint.pt (is it the folder of a run?).\n");

  const auto nothing = run_to_end(program);
  CHECK(nothing.status == 2);
  REQUIRE(place.run("baseline", {"--epochs=1", "--quiet", "--lambda=none"}).status == 0);
  const auto baseline = run_to_end(program + Arguments{(place.folder / "baseline").string()});
  CHECK(baseline.status == 1);
  CHECK(baseline.err == "ladder-diagnose: expected a network with a decoder but got a baseline.\n");
}

TEST_CASE("ladder-diagnose and ladder-denoising-functions: refuse a run of ladder train", "[cli]") {
  const TemporaryFolder folder;
  const auto run = (folder / "run").string();
  const auto table = (source_folder() / "examples/data/machines.csv").string();
  const auto trained = run_to_end({program_path("ladder"), "train", table, "--label=state",
                                   "--threads=1", "--epochs=1", "--layers=20,10", "--device=cpu",
                                   "--no-baseline", "--no-report", "--quiet", "--out=" + run});
  INFO(trained.err);
  REQUIRE(trained.status == 0);
  const auto sentence =
      "expected a run of ladder-mnist but got one of ladder train in " + run + ".";
  const auto diagnosed = run_to_end({program_path("ladder-diagnose"), run});
  CHECK(diagnosed.status == 1);
  CHECK(one_sentence("ladder-diagnose", diagnosed.err) == sentence);
  const auto drawn = run_to_end({program_path("ladder-denoising-functions"), "--run", run, "--out",
                                 (folder / "picture.svg").string()});
  CHECK(drawn.status == 1);
  CHECK(one_sentence("ladder-denoising-functions", drawn.err) == sentence);
}
