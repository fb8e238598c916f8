#include "apps/support/run_queue.h"

#include <fcntl.h>
#include <sys/file.h>
#include <tests/support/catch.h>
#include <tests/support/temporary_folder.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

using namespace ladder::apps;
using namespace ladder::testing;

TEST_CASE("RunTimes: nothing is known before a run has ended", "[programs]") {
  const RunTimes times;
  CHECK_FALSE(times.of("full"));
  CHECK_FALSE(times.left({{"full", 5}}, {"full"}, 1));
}

TEST_CASE("RunTimes: a run takes as long as others of its kind, best those of this call",
          "[programs]") {
  RunTimes times;
  times.add("full", 100, false);
  times.add("full", 140, false);
  CHECK(times.of("full") == 120.0);
  CHECK(times.of("baseline") == 120.0);  // for want of a better one
  times.add("gamma", 30, true);
  CHECK(times.of("full") == 120.0);
  CHECK(times.of("baseline") == 30.0);
  times.add("full", 60, true);
  CHECK(times.of("full") == 60.0);
  CHECK(times.of("baseline") == 45.0);
}

TEST_CASE("RunTimes: what is left goes to the job that is free first", "[programs]") {
  RunTimes times;
  times.add("full", 100, true);
  times.add("gamma", 40, true);
  CHECK(times.left({}, {"full", "gamma", "gamma"}, 1) == 180.0);
  CHECK(times.left({}, {"full", "gamma", "gamma"}, 2) == 100.0);
  CHECK(times.left({{"full", 30}}, {}, 2) == 70.0);
  CHECK(times.left({{"full", 30}, {"gamma", 50}}, {"gamma", "gamma"}, 2) == 80.0);
  CHECK(times.left({{"gamma", 50}}, {}, 1) == 0.0);
}

TEST_CASE("run_queue: says how many runs have ended, and how long the others take", "[programs]") {
  const TemporaryFolder folder;
  std::vector<std::string> said;
  const auto run = [&](const RunTimes& times) {
    said.clear();
    std::vector<PlannedRun> plan;
    for (const std::string name : {"a", "b", "c"}) {
      plan.push_back({name, folder / name, {"/bin/sh", "-c", "echo fine"}, "quick"});
    }
    plan[1].command.back() = "echo bad >&2; exit 3";
    return run_queue(plan, {.stop_requested = [] { return false; },
                            .say = [&](const std::string& line) { said.push_back(line); },
                            .times = times});
  };
  CHECK(run({}) == QueueEnd::kAllEnded);
  REQUIRE(said.size() == 6);
  CHECK(said[0] == "a: 1 of 3, in " + (folder / "a").string());
  CHECK(said[1].starts_with("a: fine ("));
  CHECK(said[1].find("); 1 of 3 runs ended, about 0:0") != std::string::npos);
  CHECK(said[1].ends_with(" left"));
  CHECK(said[3].starts_with("b: failed, bad ("));
  CHECK(said[3].find("); 2 of 3 runs ended, about 0:0") != std::string::npos);
  CHECK(said[5].ends_with("); 3 of 3 runs ended"));

  RunTimes known;
  known.add("quick", 1200, false);
  run(known);
  REQUIRE(said.size() == 7);
  CHECK(said[0] == "0 of 3 runs ended, about 1:00:00 left");

  // A run that was continued says nothing of whole ones.
  write_file(folder / "a/checkpoint.pt", "");
  run({});
  REQUIRE(said.size() == 6);
  CHECK(said[1].ends_with("); 1 of 3 runs ended"));
}

TEST_CASE("run_queue: a run whose folder another process was faster to open has not failed",
          "[programs]") {
  const TemporaryFolder folder;
  std::vector<std::string> said;
  int lock = -1, ended = 0;
  const auto say = [&](const std::string& line) {
    said.push_back(line);
    if (lock >= 0) return;  // the first line stands before the start
    std::filesystem::create_directory(folder / "a");
    lock = ::open((folder / "a/.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    REQUIRE(::flock(lock, LOCK_EX | LOCK_NB) == 0);
  };
  CHECK(run_queue({{"a", folder / "a", {"/bin/sh", "-c", "exit 1"}, "quick"}},
                  {.stop_requested = [] { return false; },
                   .say = say,
                   .ended = [&](const PlannedRun&, int, const std::string&) { ++ended; }}) ==
        QueueEnd::kAllEnded);
  ::close(lock);
  REQUIRE(said.size() == 2);
  CHECK(said[1].starts_with("a: left to the process that trains in " + (folder / "a").string()));
  CHECK(ended == 1);  // the caller may have counted on it
  CHECK_FALSE(std::filesystem::exists(folder / "a/failed.json"));
}
