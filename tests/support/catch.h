#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include <string_view>

namespace ladder::testing {

/// Records that the running test could not do its work, and prints `SKIPPED: <reason>`.
///
/// A program in which a test was skipped and none failed exits with status 4, which ctest reports
/// as Skipped, never as Passed.
void record_skip(std::string_view reason);

}  // namespace ladder::testing

/// Leaves the test case as skipped: `if (!data) LADDER_SKIP("set LADDER_DATA to run it");`.
#define LADDER_SKIP(reason)                 \
  do {                                      \
    ::ladder::testing::record_skip(reason); \
    SUCCEED("skipped");                     \
    return;                                 \
  } while (false)
