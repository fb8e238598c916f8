#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/program.h>
#include <tests/support/run_files.h>
#include <tests/support/temporary_folder.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

using namespace ladder::testing;
namespace fs = std::filesystem;

namespace {

const std::string kLadder = program_path("ladder");
const std::string kMachines = (source_folder() / "examples/data/machines.csv").string();

// Nine settings for 1, 3 and 9 epochs, one draw each: about 13 short runs.
Arguments tune(const TemporaryFolder& folder, const std::string& out, const Arguments& more = {}) {
  return Arguments{kLadder,        "tune",
                   kMachines,      "--label=state",
                   "--threads=1",  "--epochs=9",
                   "--draws=1",    "--layers=20,10",
                   "--device=cpu", "--out=" + (folder / out).string()} +
         more;
}

nlohmann::json record(const TemporaryFolder& folder, const std::string& out) {
  return read_json(folder / out / "tune.json");
}

}  // namespace

TEST_CASE("ladder tune: keeps the best third for three times the epochs", "[cli]") {
  const TemporaryFolder folder;
  const auto told = run_to_end(tune(folder, "t"));
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  const auto tried = record(folder, "t");
  CHECK(tried.at("epochs") == nlohmann::json({1, 3, 9}));
  const auto& trials = tried.at("trials");
  REQUIRE(trials.size() == 9);
  CHECK(trials[0].at("flags").empty());  // the defaults, which reach the end
  CHECK(trials[0].at("errors").size() == 3);
  std::vector<size_t> lengths;
  std::set<std::string> flags;
  double best = 100;
  for (const auto& trial : trials) {
    lengths.push_back(trial.at("errors").size());
    flags.insert(trial.at("flags").dump());
    CHECK_FALSE(trial.at("flags").contains("layers"));  // given, so not varied
    if (lengths.back() == 3) best = std::min(best, trial.at("errors")[2].get<double>());
  }
  CHECK(flags.size() == 9);
  const auto reach = [&](size_t rungs) {
    return std::count_if(lengths.begin(), lengths.end(), [&](size_t n) { return n >= rungs; });
  };
  CHECK((reach(2) == 3 || reach(2) == 4));  // and the defaults
  CHECK((reach(3) == 1 || reach(3) == 2));

  // What it has chosen is a settings file for training, and gives the same run again.
  const auto chosen = read_json(folder / "t/best.json");
  const auto winner = std::find_if(trials.begin(), trials.end(), [&](const nlohmann::json& trial) {
    return trial.at("flags") == chosen && trial.at("errors").size() == 3;
  });
  REQUIRE(winner != trials.end());
  CHECK(winner->at("errors")[2].get<double>() == best);
  const auto again = run_to_end(
      {kLadder, "train", kMachines, "--label=state", "--threads=1", "--epochs=9", "--layers=20,10",
       "--device=cpu", "--config", (folder / "t/best.json").string(), "--validation=0.3",
       "--no-baseline", "--no-report", "--quiet", "--out", (folder / "run").string()});
  INFO(again.err);
  REQUIRE(again.status == 0);
  CHECK(read_json(folder / "run/evaluation.json").at("held_back").at("error").get<double>() ==
        best);
  CHECK(file_bytes(folder / "t/tune.svg").starts_with("<svg "));
  const auto lines = lines_of(told.out);
  CHECK(lines.front() == "9 settings, 1 run each, up to 9 epochs");
  CHECK(lines.back().starts_with("next      ladder train "));

  // The same command starts nothing again; another one does not mix its runs with these.
  const auto repeated = run_to_end(tune(folder, "t"));
  CHECK(repeated.status == 0);
  CHECK(repeated.out.find("run 1 of") == std::string::npos);
  CHECK(record(folder, "t") == tried);
  const auto other = run_to_end(tune(folder, "t", {"--noise=0.5"}));
  CHECK(other.status == 2);
  CHECK(
      one_sentence("ladder", other.err) ==
      "expected the flags and data that " + (folder / "t").string() +
          " was started with but got others: --noise=0.5 here only (--out takes another folder).");
  CHECK(one_sentence("ladder", run_to_end(tune(folder, "t", {"--trials=3"})).err)
            .find("but got others: --trials 9 there and 3 here (") != std::string::npos);
}

TEST_CASE("ladder tune: does not vary what a file of settings sets", "[cli]") {
  const TemporaryFolder folder;
  const auto settings = (folder / "mine.json").string();
  write_file(settings, R"({"noise": 0.25, "validation": 0.4, "combinator": "gaussian"})");
  const Arguments more = {"--config=" + settings, "--trials=2", "--epochs=1"};
  const auto told = run_to_end(tune(folder, "t", more));
  INFO(told.out << told.err);
  REQUIRE(told.status == 0);
  for (const auto& trial : record(folder, "t").at("trials")) {
    for (const auto& [flag, value] : trial.at("flags").items()) CHECK(flag == "input-weight");
  }
  const auto config = read_json(folder / "t/rung-1/trial-1/draw-1/config.json");
  CHECK(config.at("noise_std") == 0.25);
  // 120 rows of DATA have a label.
  CHECK(config.at("validation") == 48);

  write_file(settings, R"({"noise": 0.3, "validation": 0.4, "combinator": "gaussian"})");
  const auto other = run_to_end(tune(folder, "t", more));
  CHECK(other.status == 2);
  CHECK(other.err.find("was started with but got others") != std::string::npos);
  write_file(settings, R"({"resume": true})");
  CHECK(run_to_end(tune(folder, "t", more)).err.find("but got --resume (") != std::string::npos);
}

TEST_CASE("ladder tune: the defaults win a tie, and fewer changes win among others", "[cli]") {
  const TemporaryFolder folder;
  // Runs of both lengths that have ended already: none is started.
  const auto ended = [&](int trial, const std::string& error) {
    for (const std::string rung : {"t/rung-1", "t/rung-2"}) {
      const auto run = folder / rung / ("trial-" + std::to_string(trial)) / "draw-1";
      fs::create_directories(run);
      write_file(run / "evaluation.json", "{\"held_back\": {\"error\": " + error + "}}");
    }
  };
  const auto tuned = [&] {
    const auto outcome = run_to_end(tune(folder, "t", {"--trials=3", "--epochs=1"}));
    INFO(outcome.err);
    REQUIRE(outcome.status == 0);
    return outcome.out;
  };
  for (const int trial : {1, 2, 3}) ended(trial, "25.0");
  CHECK(tuned().find("\nbest      trial 1: defaults (no setting was better than the defaults)\n"
                     "error     25.00 %, mean of 1 draw of held-back rows\n") != std::string::npos);
  CHECK(read_json(folder / "t/best.json").empty());

  ended(1, "50.0");
  CHECK(tuned().find("\nerror     25.00 % (the defaults: 50.00 %), mean of 1 draw") !=
        std::string::npos);
  const auto trials = record(folder, "t").at("trials");
  CHECK(read_json(folder / "t/best.json").size() ==
        std::min(trials[1].at("flags").size(), trials[2].at("flags").size()));
}

TEST_CASE("ladder tune: a folder takes one command at a time", "[cli]") {
  const TemporaryFolder folder;
  Program first(tune(folder, "t", {"--epochs=900"}));
  REQUIRE(first.wait_until([&] { return first.out().find("9 settings") != std::string::npos; }));
  const auto second = run_to_end(tune(folder, "t", {"--epochs=900"}));
  CHECK(second.status == 1);
  CHECK(one_sentence("ladder", second.err) ==
        "expected " + (folder / "t").string() +
            " for this run alone but another process has it open (wait for its end or choose "
            "another folder).");
  CHECK(first.running());
  first.send(SIGINT);
  CHECK(first.wait() == 130);
}

TEST_CASE("ladder tune: goes on after an interruption", "[cli]") {
  const TemporaryFolder folder;
  REQUIRE(run_to_end(tune(folder, "straight", {"--trials=3"})).status == 0);
  Program cut(tune(folder, "cut", {"--trials=3"}));
  REQUIRE(cut.wait_until([&] { return cut.out().find("run 2 of 3") != std::string::npos; }));
  cut.send(SIGINT);
  CHECK(cut.wait() == 130);
  CHECK(cut.out().ends_with("interrupted; the same command goes on\n"));
  REQUIRE(run_to_end(tune(folder, "cut", {"--trials=3"})).status == 0);
  CHECK(record(folder, "cut").at("trials") == record(folder, "straight").at("trials"));
}

TEST_CASE("ladder tune: says what it does not take and what fails", "[cli]") {
  const TemporaryFolder folder;
  const auto sentence = [&](const Arguments& more, int status = 2) {
    const auto outcome = run_to_end(tune(folder, "t", more));
    CHECK(outcome.status == status);
    return one_sentence("ladder", outcome.err);
  };
  CHECK(sentence({"--seeds=1..3"}) ==
        "expected flags that each run may have but got --seeds (--draws says how many runs, "
        "--epochs how long the last ones are; the test rows are for the model that you train "
        "afterwards).");
  CHECK(sentence({"--test", kMachines}).find("but got --test (") != std::string::npos);
  CHECK(sentence({"--folds=3"}).find("but got --folds (") != std::string::npos);
  CHECK(sentence({"--resume"}) ==
        "expected flags that each run may have but got --resume (ladder tune sets it).");
  CHECK(sentence({"--trials=1"}).find("--trials") != std::string::npos);
  CHECK(sentence({"--lamda=3"}).find("--lamda") != std::string::npos);
  CHECK(sentence({"--label=none"}, 1).find("none") != std::string::npos);
  CHECK(sentence({"--validation=0"}) ==
        "expected labeled rows that each run holds back, to compare settings by, but got none "
        "(--validation 0.3 takes such a share; a class keeps its last labeled row).");
  CHECK(one_sentence("ladder", run_to_end({kLadder, "tune"}).err) ==
        "expected DATA but got none (ladder tune DATA [FLAGS]).");
  CHECK_FALSE(fs::exists(folder / "t"));

  // A name that is no UTF-8 is in the records, which are JSON.
  const auto data = folder / "machines-\xE4.csv";
  fs::copy_file(kMachines, data);
  const auto latin = run_to_end({kLadder, "tune", data.string(), "--label=state", "--threads=1",
                                 "--epochs=1", "--draws=1", "--trials=2", "--layers=20,10",
                                 "--device=cpu", "--out=" + (folder / "latin").string()});
  CHECK(latin.status == 1);
  CHECK(one_sentence("ladder", latin.err)
            .starts_with("expected trial 1 (defaults) to train but it failed: "));
  CHECK(fs::exists(folder / "latin/tune.json"));

  const auto help = run_to_end({kLadder, "tune", "--help"});
  CHECK(help.status == 0);
  CHECK(help.out.find("\n  ladder tune DATA [FLAGS]\n") != std::string::npos);
  CHECK(lines_of(help.out).size() <= 40);
  for (const auto& line : lines_of(help.out)) CHECK(line.size() <= 80);
}
