#include <tests/apps/reproduce_place.h>
#include <tests/support/catch.h>
#include <tests/support/paths.h>
#include <tests/support/program.h>
#include <tests/support/run_files.h>
#include <tests/support/temporary_folder.h>

#include <cmath>
#include <csignal>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

using namespace ladder::testing;
namespace fs = std::filesystem;
using nlohmann::json;
using Place = ReproducePlace;

namespace {

size_t count_of(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::vector<std::string> states(const json& row) {
  std::vector<std::string> all;
  for (const auto& run : row.at("runs")) all.push_back(run.at("state"));
  return all;
}

using States = std::vector<std::string>;

}  // namespace

TEST_CASE("ladder-reproduce: a wrong command line is answered in one sentence, status 2",
          "[programs]") {
  const Place place;
  const auto answer = [&](const Arguments& flags) {
    const auto outcome = run_to_end(Arguments{(place.folder / "bin/ladder-reproduce").string(),
                                              "--out", (place.folder / "nowhere").string()} +
                                    flags);
    CHECK(outcome.status == 2);
    CHECK(outcome.out.empty());
    return outcome.err;
  };
  CHECK(answer({"--table", "mnits"}) ==
        "ladder-reproduce: expected mnist, conv or cifar for --table but got 'mnits' (did you mean "
        "mnist?).\n");
  CHECK(answer({"--only", "mnist-100-full,mnist-100-gama"}) ==
        "ladder-reproduce: expected recipes of the table mnist for --only but got "
        "'mnist-100-gama' (did you mean mnist-100-gamma?).\n");
  CHECK(answer({"--only", "mnist-100-taught"}) ==
        "ladder-reproduce: expected recipes of the table mnist for --only but got "
        "'mnist-100-taught' (it is a row of --table conv).\n");
  CHECK(answer({"--write", "--only", "mnist-100-full"}) ==
        "ladder-reproduce: expected --report with --write but got none (a table that is run is "
        "always written).\n");
  CHECK(answer({"--", "--report"}) == "ladder-reproduce: expected a flag (--name) but got '--'.\n");
  CHECK(answer({"--report", "--threads=2\r"}) ==
        "ladder-reproduce: expected an argument without line ends but got '--threads=2\\r' (does a "
        "script have the line ends of Windows? sed -i 's/\\r$//' SCRIPT mends it).\n");
  CHECK(answer({"--only", ""}) ==
        "ladder-reproduce: expected recipes of the table mnist for --only but got ''.\n");
  CHECK(answer({"--jobs", "0"}) ==
        "ladder-reproduce: expected a whole number from 1 to 1024 for --jobs but got '0'.\n");
  CHECK(answer({"--report"}) == "ladder-reproduce: expected a folder of runs in --out but got " +
                                    (place.folder / "nowhere").string() + ".\n");
  CHECK_FALSE(fs::exists(place.folder / "nowhere"));
}

TEST_CASE("ladder-reproduce: lists the tables where none is named, and starts nothing",
          "[programs]") {
  const Place place;
  for (const Arguments& more : {Arguments{}, Arguments{"--seeds", "1..3"}}) {
    const auto bare = run_to_end(Arguments{(place.folder / "bin/ladder-reproduce").string(),
                                           "--out", (place.folder / "nowhere").string()} +
                                 more);
    CHECK(bare.status == 2);
    CHECK(bare.err.empty());
    for (const char* name : {"\n  mnist ", "\n  conv ", "\n  cifar "}) {
      CHECK(bare.out.find(name) != std::string::npos);
    }
    for (const auto& line : lines_of(bare.out)) CHECK(line.size() <= 80);
    CHECK_FALSE(fs::exists(place.folder / "nowhere"));
  }
}

TEST_CASE("ladder-reproduce: looks for the data once, before the first run", "[programs]") {
  const Place place;
  fs::remove(place.folder / "data/t10k-labels-idx1-ubyte");
  const auto outcome = place.run({"--seeds", "1..5"});
  CHECK(outcome.status == 1);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.starts_with("ladder-reproduce: expected "));
  CHECK_FALSE(fs::exists(place.file("mnist-100-full")));
}

TEST_CASE("ladder-reproduce: a run that fails is told by its sentence, not by the advice below it",
          "[programs]") {
  const Place place(2,
                    "echo ladder-mnist: expected luck but got none. >&2; echo '  hope' >&2; "
                    "case \"$*\" in *--settings*) ;; *) exit 1;; esac");
  const auto outcome = place.run();
  CHECK(outcome.status == 1);
  CHECK(place.table().at("rows").at(0).at("runs").at(0).at("note") ==
        "ladder-mnist: expected luck but got none.");
}

TEST_CASE("ladder-reproduce: keeps runs of one precision apart from those of another",
          "[programs]") {
  const Place place;
  REQUIRE(place.run({"--precision", "bfloat16"}).status == 0);
  CHECK(place.read("mnist-100-full/seed-1/config.json").at("precision") == "bfloat16");
  CHECK(states(place.table().at("rows")[0]) == States{"finished"});
  CHECK(place.run({"--report"}).out.find("precision \"bfloat16\" instead of \"float32\"") !=
        std::string::npos);
  const auto report = place.run({"--report", "--write", "--precision", "bfloat16"});
  CHECK(report.out.find("precision bfloat16") != std::string::npos);
  CHECK(states(place.table().at("rows")[0]) == States{"finished"});
  CHECK(place.run({"--precision", "half"}).err ==
        "ladder-reproduce: expected float32, bfloat16, tf32 or float64 for --precision but got "
        "'half'.\n");
}

TEST_CASE("ladder-reproduce: lacks the program that runs a row", "[programs]") {
  const Place place;
  fs::remove(place.folder / "bin/ladder-mnist");
  const auto outcome = place.run();
  CHECK(outcome.status == 1);
  CHECK(outcome.err.starts_with("ladder-reproduce: expected ladder-mnist beside ladder-reproduce"));
}

TEST_CASE("ladder-reproduce: runs every row and seed, and none of them twice", "[programs]") {
  const Place place;
  const Arguments flags = {"--only", "mnist-100-full,mnist-50-gamma", "--seeds", "1,2", "--jobs",
                           "2"};
  const auto outcome = place.run(flags);
  INFO(outcome.out << outcome.err);
  REQUIRE(outcome.status == 0);
  CHECK(outcome.err.empty());
  const auto table = place.table();
  REQUIRE(table.at("rows").size() == 2);
  CHECK(table.at("rows").at(0).at("recipe") == "mnist-50-gamma");
  for (const auto& row : table.at("rows")) {
    CHECK(states(row) == States{"finished", "finished"});
    CHECK(row.at("ours").at("runs") == 2);
    double sum = 0;
    for (const auto& run : row.at("runs")) {
      const auto folder = row.at("recipe").get<std::string>() + "/seed-" +
                          std::to_string(run.at("seed").get<int>());
      const auto result = place.read(folder + "/result.json");
      CHECK(result.at("seed") == run.at("seed"));
      CHECK(result.at("test_error") == run.at("test_error"));
      sum += result.at("test_error").get<double>();
    }
    CHECK(row.at("ours").at("mean").get<double>() == Approx(sum / 2));
  }
  CHECK(outcome.out.ends_with("\n\n" + file_bytes(place.file("table.md"))));
  CHECK(outcome.out.find("mnist-100-full, seed 2: 4 of 4, in ") != std::string::npos);
  CHECK(outcome.out.find("); 1 of 4 runs ended, about 0:") != std::string::npos);
  CHECK(outcome.out.find("); 4 of 4 runs ended\n") != std::string::npos);

  const auto written = fs::last_write_time(place.file("mnist-100-full/seed-1/result.json"));
  const auto again = place.run(flags);
  CHECK(again.status == 0);
  CHECK(again.out.find(" of 4, in ") == std::string::npos);
  CHECK(fs::last_write_time(place.file("mnist-100-full/seed-1/result.json")) == written);

  // A report of fewer rows or seeds changes no file, unless it is asked to.
  const auto text = file_bytes(place.file("table.md"));
  const auto numbers = file_bytes(place.file("table.json"));
  CHECK(place.run({"--report"}).status == 0);
  CHECK(file_bytes(place.file("table.md")) == text);
  CHECK(file_bytes(place.file("table.json")) == numbers);
  fs::remove(place.file("table.md"));
  const auto report = place.run(flags + Arguments{"--report"});
  CHECK(report.status == 0);
  CHECK(report.out == text);
  CHECK_FALSE(fs::exists(place.file("table.md")));
  CHECK(place.run(flags + Arguments{"--report", "--write"}).out == text);
  CHECK(file_bytes(place.file("table.md")) == text);
  CHECK(file_bytes(place.file("table.json")) == numbers);
}

TEST_CASE("ladder-reproduce: a run that fails is recorded, and the others go on", "[programs]") {
  const Place place(2,
                    "case \"$*\" in *'--seed 1 '*) echo trying; echo no luck >&2; exit 3;; esac");
  const auto outcome = place.run({"--seeds", "1,2"});
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 1);
  CHECK(outcome.out.find("mnist-100-full, seed 1: failed, no luck (") != std::string::npos);
  CHECK(outcome.out.find("- mnist-100-full, seed 1: failed (no luck)\n") != std::string::npos);
  const auto row = place.table().at("rows").at(0);
  CHECK(states(row) == States{"failed", "finished"});
  CHECK(row.at("runs").at(0).at("note") == "no luck");
  CHECK(row.at("ours").at("runs") == 1);
  CHECK(file_bytes(place.file("mnist-100-full/seed-1/run.log")) == "trying\nno luck\n");

  // Mended, the run is tried again.
  place.write_program(2);
  const auto again = place.run({"--seeds", "1,2"});
  CHECK(again.status == 0);
  CHECK(states(place.table().at("rows").at(0)) == States{"finished", "finished"});
  CHECK_FALSE(fs::exists(place.file("mnist-100-full/seed-1/failed.json")));
}

TEST_CASE("ladder-reproduce: a run that is killed is a failed one", "[programs]") {
  const Place place(2, "case \"$*\" in *'--seed 1 '*) echo far; kill -9 $$;; esac");
  const auto outcome = place.run();
  CHECK(outcome.status == 1);
  CHECK(place.table().at("rows").at(0).at("runs").at(0).at("note") ==
        "ended by signal 9, Killed, after: far");
}

TEST_CASE("ladder-reproduce: interrupted, it waits for the checkpoints, and goes on there",
          "[programs]") {
  const Place place(300);
  const Arguments flags = {"--seeds", "1..3", "--jobs", "2"};
  const auto evaluations = [&](const std::string& seed) {
    return count_of(file_bytes(place.file("mnist-100-full/" + seed + "/metrics.jsonl")), "\n");
  };
  for (const int signal : {SIGINT, SIGTERM}) {
    // Both runs train, in this turn, before the signal comes.
    const auto first = evaluations("seed-1");
    const auto second = evaluations("seed-2");
    Program program(place.command(flags));
    REQUIRE(program.wait_until(
        [&] { return evaluations("seed-1") > first && evaluations("seed-2") > second; }));
    program.send(signal);
    REQUIRE(program.wait() == 130);
    CHECK(program.err().empty());
    CHECK(program.out().ends_with("interrupted; the same command goes on\n"));
    CHECK(fs::exists(place.file("mnist-100-full/seed-1/checkpoint.pt")));
    CHECK_FALSE(fs::exists(place.file("mnist-100-full/seed-1/result.json")));
    CHECK_FALSE(fs::exists(place.file("mnist-100-full/seed-1/failed.json")));
    CHECK_FALSE(fs::exists(place.file("mnist-100-full/seed-3")));
  }
  const auto report = place.run(flags + Arguments{"--report"});
  CHECK(report.status == 0);
  CHECK(report.out.find("- mnist-100-full, seed 1: unfinished (epoch ") != std::string::npos);
  CHECK(report.out.find("- mnist-100-full, seed 3: missing\n") != std::string::npos);

  const auto resumed = place.run(flags);
  INFO(resumed.out << resumed.err);
  REQUIRE(resumed.status == 0);
  CHECK(file_bytes(place.file("mnist-100-full/seed-1/run.log")).find("continuing at step ") !=
        std::string::npos);
  CHECK(place.read("mnist-100-full/seed-1/result.json").at("steps") == 3000);
  CHECK(states(place.table().at("rows").at(0)) == States{"finished", "finished", "finished"});
}

TEST_CASE("ladder-reproduce: when it is killed, its runs save and end", "[programs]") {
  const Place place(100000);
  Program program(place.command());
  const auto log = place.file("mnist-100-full/seed-1/run.log");
  REQUIRE(program.wait_until([&] { return count_of(file_bytes(log), "\n") >= 3; }));
  program.send(SIGKILL);
  CHECK(program.wait() == -SIGKILL);
  Program witness({"/bin/sleep", "300"});
  CHECK(witness.wait_until(
      [&] { return file_bytes(log).find("interrupted at step ") != std::string::npos; }));
}

TEST_CASE("ladder-reproduce: a run with other settings is left alone and not averaged",
          "[programs]") {
  const Place place(2);
  const auto seed_1 = place.file("mnist-100-full/seed-1");
  const auto foreign = run_to_end(
      {(place.folder / "bin/ladder-mnist").string(), "--out", seed_1.string(), "--noise", ".4"});
  REQUIRE(foreign.status == 0);
  const auto config = file_bytes(seed_1 / "config.json");
  const auto outcome = place.run({"--seeds", "1,2"});
  CHECK(outcome.status == 1);
  const auto row = place.table().at("rows").at(0);
  CHECK(states(row) == States{"foreign", "finished"});
  CHECK(row.at("runs").at(0).at("note") == "noise_std 0.4 instead of 0.3");
  CHECK(row.at("ours").at("runs") == 1);
  CHECK(file_bytes(seed_1 / "config.json") == config);
  CHECK_FALSE(fs::exists(seed_1 / "run.log"));
}

TEST_CASE("ladder-reproduce: goes on with a run that was started with its own eval-every",
          "[programs]") {
  const Place place(300);
  const auto seed_1 = place.file("mnist-100-full/seed-1");
  Program program({(place.folder / "bin/ladder-mnist").string(), "--out", seed_1.string(), "--seed",
                   "1", "--eval-every", "3"});
  REQUIRE(program.wait_until([&] { return program.out().find("epoch 6/") != std::string::npos; }));
  program.send(SIGINT);
  REQUIRE(program.wait() == 130);
  const auto outcome = place.run();
  INFO(outcome.out << outcome.err);
  CHECK(outcome.status == 0);
  CHECK(count_of(file_bytes(seed_1 / "metrics.jsonl"), "\n") == 100);
}

TEST_CASE("ladder-reproduce: a folder in which another process trains is left to it",
          "[programs]") {
  const Place place(100000);
  const auto seed_1 = place.file("mnist-100-full/seed-1");
  Program other(
      {(place.folder / "bin/ladder-mnist").string(), "--out", seed_1.string(), "--seed", "1"});
  REQUIRE(other.wait_until([&] { return other.out().find("epoch 2/") != std::string::npos; }));
  const auto outcome = place.run();
  CHECK(outcome.status == 1);
  CHECK(outcome.out.find("mnist-100-full, seed 1: left to the process that trains in " +
                         seed_1.string() + "\n") != std::string::npos);
  CHECK(states(place.table().at("rows").at(0)) == States{"unfinished"});
  CHECK_FALSE(fs::exists(seed_1 / "failed.json"));
  other.send(SIGINT);
  CHECK(other.wait() == 130);
}

TEST_CASE("ladder-reproduce: a damaged config.json fails its run and no other", "[programs]") {
  const Place place;
  REQUIRE(place.run().status == 0);
  write_file(place.file("mnist-100-full/seed-1/config.json"), "{\"epochs\": 2");
  const auto outcome = place.run({"--seeds", "1,2"});
  CHECK(outcome.status == 1);
  const auto row = place.table().at("rows").at(0);
  CHECK(states(row) == States{"failed", "finished"});
  CHECK(row.at("runs").at(0).at("note") == "config.json is not the configuration of a run");
}

TEST_CASE("ladder-reproduce: takes spaces in lists, and says which signal stopped it",
          "[programs]") {
  const Place place(100000);
  Program program(place.command({"--only", "mnist-100-full, mnist-50-gamma", "--seeds", "1, 2"}));
  REQUIRE(program.wait_until([&] {
    return count_of(file_bytes(place.file("mnist-50-gamma/seed-1/metrics.jsonl")), "\n") >= 2;
  }));
  program.send(SIGHUP);
  CHECK(program.wait() == 130);
  CHECK(program.out().find(": 1 of 4, in ") != std::string::npos);
  CHECK(program.out().ends_with("SIGHUP: interrupted; the same command goes on\n"));
  CHECK(fs::exists(place.file("mnist-50-gamma/seed-1/checkpoint.pt")));
}

TEST_CASE("ladder-reproduce: runs of two machines make one table when copied together",
          "[programs]") {
  const Place place;
  REQUIRE(place.run({"--seeds", "1"}).status == 0);
  REQUIRE(place.run({"--seeds", "2"}, "other").status == 0);
  CHECK(place.table().at("rows").at(0).at("ours").at("runs") == 1);
  REQUIRE(run_to_end({"/bin/cp", "-R", (place.folder / "other/mnist-100-full").string(),
                      (place.folder / "runs").string()})
              .status == 0);
  const auto report = place.run({"--seeds", "1,2", "--report", "--write"});
  REQUIRE(report.status == 0);
  const auto row = place.table().at("rows").at(0);
  CHECK(states(row) == States{"finished", "finished"});
  const double first = row.at("runs").at(0).at("test_error");
  const double second = row.at("runs").at(1).at("test_error");
  CHECK(row.at("ours").at("mean").get<double>() == Approx((first + second) / 2));
  CHECK(row.at("ours").at("std").get<double>() ==
        Approx(std::abs(first - second) / std::sqrt(2.0))
            .margin(4 * std::numeric_limits<double>::epsilon() * (first + second)));
  CHECK(report.out.find("by seed") != std::string::npos);
}

TEST_CASE("ladder-mnist: prints its settings as config.json will have them", "[programs]") {
  const Place place;
  REQUIRE(place.run().status == 0);
  const auto printed = run_to_end(
      {(place.folder / "bin/ladder-mnist").string(), "--recipe", "mnist-100-full", "--settings"});
  REQUIRE(printed.status == 0);
  CHECK(printed.err.empty());
  auto config = place.read("mnist-100-full/seed-1/config.json");
  for (const char* key : {"environment", "seed", "train_rows", "test_rows", "data"})
    config.erase(key);
  CHECK(json::parse(printed.out) == config);

  const auto whole =
      run_to_end({program_path("ladder-mnist"), "--recipe", "mnist-all-full", "--settings"});
  REQUIRE(whole.status == 0);
  const auto settings = json::parse(whole.out);
  CHECK(settings.at("train_rows") == 60000);
  CHECK(settings.at("test_rows") == 10000);
  CHECK(settings.at("labels") == "all");
  CHECK(settings.at("epochs") == 150);
}
