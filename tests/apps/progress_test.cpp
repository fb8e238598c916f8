#include "apps/support/progress.h"

#include <pty.h>
#include <tests/support/catch.h>

#include "tests/apps/mnist_place.h"

using ladder::apps::clock_text;
using ladder::apps::TimeLeft;
using namespace ladder::testing;

TEST_CASE("clock_text shows hours where there are any", "[cli]") {
  CHECK(clock_text(0.4) == "0:00");
  CHECK(clock_text(-3) == "0:00");
  CHECK(clock_text(61.6) == "1:02");
  CHECK(clock_text(3723) == "1:02:03");
}

TEST_CASE("TimeLeft goes by the pace since its first call", "[cli]") {
  TimeLeft left;
  // Resumed after 5,000 s that say nothing: the pace of late at first, then 10 steps a second.
  CHECK(left.text(400, 1000, 5000, 20) == "0:30");
  CHECK(left.text(500, 1000, 5010, 20) == "0:50");
  CHECK(left.text(600, 1000, 5020, 40) == "0:40");
  CHECK(left.text(1000, 1000, 5060, 10) == "0:00");
}

TEST_CASE("TimeLeft without a pace is unknown", "[cli]") {
  CHECK(TimeLeft().text(0, 1000, 0, 0) == "?");
}

TEST_CASE("ladder-mnist: on a terminal it rewrites one line", "[cli]") {
  const MnistPlace place;
  // The line is written once a second: longer than that on any machine.
  const auto command = place.command("run", {"--epochs", "100000"});
  std::vector<char*> argv;
  for (const auto& argument : command) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  winsize size{};
  size.ws_row = 24;
  size.ws_col = 60;
  int terminal = -1;
  const pid_t pid = ::forkpty(&terminal, nullptr, nullptr, &size);
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  const std::string line_begins = "\r\033[Kepoch ";
  std::string shown;
  bool interrupted = false;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::read(terminal, buffer, sizeof buffer)) > 0;) {
    shown.append(buffer, static_cast<size_t>(count));
    if (!interrupted && shown.find(line_begins) != std::string::npos) {
      interrupted = true;
      ::kill(pid, SIGINT);
    }
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  ::close(terminal);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 130);
  CHECK(interrupted);
  const auto lines = lines_of(shown);
  REQUIRE(lines.size() == 4);  // the run, the machine, how it ended, how to go on
  const auto end = lines[2].find("\r\033[Kinterrupted at step ");
  CHECK(end != std::string::npos);
  for (size_t at = shown.find(line_begins); at != std::string::npos;) {
    const auto text = at + line_begins.size() - std::string("epoch ").size();
    CHECK(shown.find('\r', text) - text < 60);
    at = shown.find(line_begins, text);
  }
}
