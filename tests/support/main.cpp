#define CATCH_CONFIG_RUNNER

#include <sched.h>
#include <tests/support/catch.h>
#include <tests/support/fork_server.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <iostream>
#include <optional>

using namespace ladder::testing;

namespace {

constexpr int kSkipped = 4;
int skipped_tests = 0;

}  // namespace

void ladder::testing::record_skip(std::string_view reason) {
  ++skipped_tests;
  std::cout << "SKIPPED: " << reason << std::endl;
}

// Ends the process without the destructors of static objects: those of LibTorch take away its
// operators one by one, a third of the time of a short test.
[[noreturn]] void leave(int status) {
  std::cout.flush();
  std::fflush(nullptr);
  ::_exit(status);
}

// Lets no thread that begins to run put off another one. A rank that sends wakes up the receiver,
// which would take the core from it while it holds a lock of the connection: a thread of Gloo then
// asks for the lock without a pause.
void run_in_turn() {
#ifdef SCHED_BATCH
  const sched_param priority{};
  (void)::sched_setscheduler(0, SCHED_BATCH, &priority);
#endif
}

int main(int argc, char** argv) {
  Catch::Session session;
  auto& config = session.configData();
#if defined(CATCH_VERSION_MAJOR) && CATCH_VERSION_MAJOR >= 3
  config.runOrder = Catch::TestRunOrder::Randomized;
#else
  config.runOrder = Catch::RunTests::InRandomOrder;
  config.rngSeed = static_cast<unsigned int>(std::time(nullptr));
#endif
  config.warnings = Catch::WarnAbout::NoAssertions;

  const int wrong_usage = session.applyCommandLine(argc, argv);
  if (wrong_usage != 0) return wrong_usage;
  run_in_turn();
  std::optional<ForkServer> server;
  if (!linked_programs().empty() && ForkServer::is_possible()) {
    fork_server = &server.emplace(linked_programs());
  }
  const int failed = session.run();
  server.reset();
  if (failed != 0) leave(failed == kSkipped ? 1 : failed);
  leave(skipped_tests > 0 ? kSkipped : 0);
}
