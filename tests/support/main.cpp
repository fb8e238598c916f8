#define CATCH_CONFIG_RUNNER

#include <tests/support/catch.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <iostream>

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
  const int failed = session.run();
  if (failed != 0) leave(failed == kSkipped ? 1 : failed);
  leave(skipped_tests > 0 ? kSkipped : 0);
}
