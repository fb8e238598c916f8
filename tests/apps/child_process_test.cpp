#include "apps/support/child_process.h"

#include <tests/support/catch.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <thread>

using namespace ladder::apps;

namespace {

void take_no_notice(int) {}

// An action of this process for a signal, while it lives.
class SignalAction {
 public:
  SignalAction(int signal, void (*action)(int))
      : signal_(signal), before_(std::signal(signal, action)) {}
  SignalAction(const SignalAction&) = delete;
  SignalAction& operator=(const SignalAction&) = delete;
  ~SignalAction() { std::signal(signal_, before_); }

 private:
  int signal_;
  void (*before_)(int);
};

}  // namespace

TEST_CASE("ChildProcess: a signal that comes before exec ends the child", "[programs]") {
  const SignalAction action(SIGUSR1, take_no_notice);
  for (int i = 0; i < 20; ++i) {
    ChildProcess child({"/bin/sleep", "600"}, {});
    child.send(SIGUSR1);
    std::optional<int> status;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(300);
    while (!(status = child.poll()) && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(status == -SIGUSR1);
  }
}

TEST_CASE("ChildProcess: a child gets signals, but those that are ignored", "[programs]") {
  CHECK_THROWS_WITH(output_of({"/bin/sh", "-c", "kill -USR1 $$; echo lives"}),
                    "expected status 0 of sh but got -" + std::to_string(SIGUSR1) + ": ");
  const SignalAction action(SIGUSR1, SIG_IGN);
  CHECK(output_of({"/bin/sh", "-c", "kill -USR1 $$; echo lives"}) == "lives\n");
}

TEST_CASE("last_line: the last one with something in it", "[programs]") {
  CHECK(last_line("").empty());
  CHECK(last_line(" \n\n").empty());
  CHECK(last_line("one") == "one");
  CHECK(last_line("one\n  two \n\n") == "two");
  CHECK(last_line("one\rtwo\r\n") == "two");
}

TEST_CASE("error_line: the last sentence of a program, or its last line", "[programs]") {
  CHECK(error_line("a\nladder: expected x.\n  try this\n", "/bin/ladder") == "ladder: expected x.");
  CHECK(error_line("ladder: one\nladder: two\n  more", "ladder") == "ladder: two");
  CHECK(error_line("ladder: one", "ladder") == "ladder: one");
  CHECK(error_line("a\nno ladder: here\n", "ladder") == "no ladder: here");
  CHECK(error_line("", "ladder").empty());
}

TEST_CASE("output_of: what a program prints, or its last line when it fails", "[programs]") {
  CHECK(output_of({"/bin/sh", "-c", "echo one; echo two"}) == "one\ntwo\n");
  CHECK_THROWS_WITH(output_of({"/bin/sh", "-c", "echo one; echo no luck >&2; exit 3"}),
                    "expected status 0 of sh but got 3: no luck");
  CHECK_THROWS_WITH(output_of({"/bin/sh", "-c", "echo sh: no luck >&2; echo '  try'; exit 3"}),
                    "expected status 0 of sh but got 3: sh: no luck");
  CHECK_THROWS_WITH(
      output_of({"/no/such/program"}),
      "expected status 0 of program but got 127: expected to run /no/such/program but "
      "got \"No such file or directory\".");
}
