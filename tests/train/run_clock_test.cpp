#include "ladder/train/run_clock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/support/catch.h"

using ladder::train::AwakeClock;
using ladder::train::RunClock;
using ladder::train::StepMeter;

namespace {

void sleep_ms(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

}  // namespace

TEST_CASE("AwakeClock leaves out the time in which the process was stopped", "[train]") {
  int results[2];
  REQUIRE(::pipe(results) == 0);
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const AwakeClock clock;
    ::kill(::getpid(), SIGSTOP);
    const double awake = clock.seconds();
    _exit(::write(results[1], &awake, sizeof awake) == sizeof awake ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, WUNTRACED) == child);
  REQUIRE(WIFSTOPPED(status));
  sleep_ms(2500);
  ::kill(child, SIGCONT);
  double awake = -1;
  REQUIRE(::read(results[0], &awake, sizeof awake) == sizeof awake);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WEXITSTATUS(status) == 0);
  ::close(results[0]);
  ::close(results[1]);
  REQUIRE(awake >= 0);
  REQUIRE(awake <= wall.count() - 2);  // 2.5 s stopped, of which one beat of 0.25 s counts
}

TEST_CASE("AwakeClock counts sleep and work", "[train]") {
  const AwakeClock clock;
  bool counted = false;
  for (int attempt = 0; attempt < 3 && !counted; ++attempt) {  // another may stop the tests
    const double before = clock.seconds();
    sleep_ms(1300);  // longer than the gap that a stop is recognised by
    counted = clock.seconds() - before >= 1.29;
  }
  REQUIRE(counted);
}

TEST_CASE("RunClock adds up the parts of a run and leaves pauses out of the training", "[train]") {
  RunClock clock;
  clock.start(100, 60);
  REQUIRE(clock.seconds() >= 100);
  REQUIRE(clock.seconds() < 101);
  sleep_ms(60);
  clock.pause();
  const double training = clock.training_seconds();
  REQUIRE(training >= 60.05);
  sleep_ms(60);
  REQUIRE(clock.training_seconds() == training);
  clock.pause();
  REQUIRE(clock.training_seconds() == training);
  REQUIRE(clock.seconds() >= 100.11);
  clock.go();
  sleep_ms(20);
  clock.go();
  REQUIRE(clock.training_seconds() >= training + 0.015);
  REQUIRE(clock.seconds() - 100 >= clock.training_seconds() - 60);
}

TEST_CASE("StepMeter gives steps per second since the last look", "[train]") {
  StepMeter meter;
  meter.start(10, 2.0);
  REQUIRE(meter.look(30, 4.0) == 10);
  REQUIRE(meter.last_look() == 4.0);
  REQUIRE(meter.look(35, 9.0) == 1);
  REQUIRE(meter.look(36, 9.0) == 0);
}
