#include "tests/support/fork_server.h"

#include <csignal>
#include <map>
#include <string>

#include "tests/apps/mnist_place.h"
#include "tests/support/catch.h"
#include "tests/support/paths.h"
#include "tests/support/program.h"

using namespace ladder::testing;

TEST_CASE("ForkServer: programs answer as processes of their files do", "[programs]") {
  if (fork_server == nullptr) LADDER_SKIP("a library began a thread when it was loaded");
  const MnistPlace place;
  const std::map<std::string, std::string> variables = {
      {"LADDER_DATA", (place.folder / "none").string()}, {"RANK", "0"}, {"WORLD_SIZE", "1"}};
  std::vector<Arguments> commands = {{kMnistProgram, "--find-data"}};
  for (const auto& linked : linked_programs()) commands.push_back({linked.first, "--no-such-flag"});
  for (const auto& command : commands) {
    const auto fork = run_to_end(command, variables);
    const auto process = run_to_end(by_shell(command), variables);
    CHECK(fork.status == process.status);
    CHECK(fork.out == process.out);
    CHECK(fork.err == process.err);
  }
  // Also what they compute.
  REQUIRE(place.run("fork", {"--epochs=2"}).status == 0);
  REQUIRE(run_to_end(by_shell(place.command("process", {"--epochs=2"}))).status == 0);
  require_same_run(place, "fork", "process");
}

TEST_CASE("ForkServer: tells how a program ends", "[programs]") {
  if (fork_server == nullptr) LADDER_SKIP("a library began a thread when it was loaded");
  const MnistPlace place;
  Program program(place.command("run", {"--epochs=100000"}));
  REQUIRE(program.wait_until([&] { return !program.out().empty(); }));
  CHECK(program.running());
  program.send(SIGKILL);
  CHECK(program.wait() == -SIGKILL);
  CHECK_FALSE(program.running());
  CHECK(place.run("run", {"--epochs=x"}).status == 2);
}

TEST_CASE("ForkServer: leaves other files, and variables that are read early, to a process",
          "[programs]") {
  if (fork_server == nullptr) LADDER_SKIP("a library began a thread when it was loaded");
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
  const Arguments command = {program_path("ladder")};
  CHECK(fork_server->serves(command, environment));
  CHECK_FALSE(fork_server->serves({"/bin/sh"}, environment));
  environment.emplace_back("RANK=1");
  CHECK(fork_server->serves(command, environment));
  environment.emplace_back("OMP_NUM_THREADS=3");
  CHECK_FALSE(fork_server->serves(command, environment));
}
