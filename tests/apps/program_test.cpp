#include <tests/support/catch.h>

#include <csignal>
#include <random>
#include <regex>

#include "tests/apps/mnist_place.h"

using namespace ladder::testing;
namespace fs = std::filesystem;
using nlohmann::json;

TEST_CASE("ladder-mnist: interrupted, it says how to go on, and ends as if it had not been",
          "[cli]") {
  const MnistPlace place;
  const Arguments length = {"--epochs", "60"};
  REQUIRE(place.run("straight", length).status == 0);
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string out = "run-" + std::to_string(signal);
    Program program(place.command(out, length));
    REQUIRE(
        program.wait_until([&] { return program.out().find("epoch 3/") != std::string::npos; }));
    program.send(signal);
    REQUIRE(program.wait() == 130);
    CHECK(program.err().empty());
    const auto lines = lines_of(program.out());
    CHECK(std::regex_match(lines[lines.size() - 2],
                           std::regex(R"(interrupted at step \d+, saved in .*; to go on:)")));
    CHECK(lines.back().starts_with("  " + kMnistProgram + " --data-dir="));
    CHECK(lines.back().ends_with(" --resume"));
    CHECK_FALSE(fs::exists(place.file(out, "result.json")));

    const auto again = place.run(out, length);
    CHECK(again.status == 2);
    CHECK(mnist_sentence(again.err) == "expected an empty folder but got a run in " +
                                           (place.folder / out).string() +
                                           " (--resume continues it, --out takes another folder).");

    const auto resumed = place.run(out, length + Arguments{"--resume"});
    REQUIRE(resumed.status == 0);
    CHECK(resumed.out.find("continuing at step ") != std::string::npos);
    CHECK(resumed.out.find("note:") == std::string::npos);
    require_same_run(place, "straight", out);
  }
}

TEST_CASE("ladder-mnist: killed twenty times at any moment, it ends as if it had not been",
          "[cli][slow]") {
  const MnistPlace place;
  const Arguments length = {"--epochs", "300", "--quiet"};
  REQUIRE(place.run("straight", length).status == 0);
  const auto often = length + Arguments{"--checkpoint-every", "0.02", "--resume"};
  std::mt19937 random(1);
  int killed = 0;
  int resumed = 0;
  for (int attempt = 0; attempt < 60 && killed < 20; ++attempt) {
    const auto metrics = place.file("run", "metrics.jsonl");
    const auto before = file_bytes(metrics).size();
    resumed += fs::exists(place.file("run", "checkpoint.pt"));
    Program program(place.command("run", often));
    // Either in the start or once the run goes on, so that it comes forward.
    if (attempt % 4 != 0) {
      program.wait_until([&] { return file_bytes(metrics).size() > before; });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 60));
    program.send(attempt % 5 == 4 ? SIGINT : SIGKILL);
    killed += program.wait() != 0;
  }
  CHECK(killed >= 20);
  CHECK(resumed >= 10);
  const auto last = place.run("run", often);
  INFO(last.err);
  REQUIRE(last.status == 0);
  require_same_run(place, "straight", "run");
}

TEST_CASE("ladder-mnist: a second interruption ends it at once", "[cli]") {
  const MnistPlace place;
  for (const int second : {SIGINT, SIGTERM}) {
    const std::string out = "run-" + std::to_string(second);
    // Steps long enough to be in the midst of one.
    Program program(place.command(out, {"--epochs", "1000", "--layers=3000,3000,10",
                                        "--lambda=10,1,.1,.1", "--batch-size=200"}));
    REQUIRE(program.wait_until([&] { return fs::exists(place.file(out, "config.json")); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    program.send(SIGINT);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    program.send(second);
    CHECK(program.wait() == -second);
    CHECK(program.out().find("interrupted") == std::string::npos);
  }
}

TEST_CASE("ladder-mnist: a folder that cannot be made and a full disk are failures, status 1",
          "[cli]") {
  const MnistPlace place;
  write_file(place.folder / "file", "x");
  const auto folder = place.run("file/run", {"--epochs", "1"});
  CHECK(folder.status == 1);
  CHECK(mnist_sentence(folder.err).find("expected to create the folder") != std::string::npos);

  auto command = place.command("run", {"--epochs", "1"});
  const auto full = run_to_end(
      Arguments{"/bin/sh", "-c", "trap '' XFSZ; ulimit -f 16; exec \"$@\"", "sh"} + command);
  CHECK(full.status == 1);
  CHECK(lines_of(full.err).size() == 1);
  CHECK(mnist_sentence(full.err).find("checkpoint.pt") != std::string::npos);
  CHECK_FALSE(fs::exists(place.file("run", "checkpoint.pt")));
}
