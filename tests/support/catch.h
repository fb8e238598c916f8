/// Catch2, version 2 or 3: the only header of the tests that knows which.
///
/// Tests write the names of version 2 that version 3 has moved: Approx, Catch::Contains,
/// Catch::StartsWith and Catch::EndsWith. A test of the rooms knows this list.
#pragma once

#if LADDER_CATCH2_VERSION >= 3
#include <catch2/catch_all.hpp>
#include <string>

using Catch::Approx;

namespace Catch {

/// Matches a text that holds `part`.
inline auto Contains(const std::string& part) { return Matchers::ContainsSubstring(part); }

/// Matches a text that begins with `part`, or ends with it.
using Matchers::EndsWith;
using Matchers::StartsWith;

}  // namespace Catch
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
