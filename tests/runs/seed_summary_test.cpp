#include "ladder/runs/seed_summary.h"

#include <cmath>
#include <limits>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"

using ladder::runs::summarize;
using ladder::runs::summarize_runs;
using ladder::testing::error_text;
using ladder::testing::TemporaryFolder;
using ladder::testing::write_file;

TEST_CASE("summarize gives mean, sample deviation, median and range", "[runs]") {
  const auto summary = summarize({3, 1, 4, 1, 6});
  REQUIRE(summary.values == std::vector<double>{3, 1, 4, 1, 6});
  REQUIRE(summary.mean == Approx(3));
  REQUIRE(summary.std == Approx(std::sqrt(18.0 / 4)));
  REQUIRE(summary.median == 3);
  REQUIRE(summary.min == 1);
  REQUIRE(summary.max == 6);
  REQUIRE(summarize({1, 2, 4, 10}).median == 3);
  REQUIRE(summarize({5, 5}).std == 0);
}

TEST_CASE("summarize of one value has no deviation", "[runs]") {
  const auto summary = summarize({1.06});
  REQUIRE(summary.mean == 1.06);
  REQUIRE(summary.median == 1.06);
  REQUIRE(std::isnan(summary.std));
}

TEST_CASE("summarize refuses nothing and values that are not finite", "[runs]") {
  REQUIRE(error_text([] { summarize({}); }) ==
          "summarize: expected at least one value but got none.");
  REQUIRE(error_text([] {
            summarize({1, std::numeric_limits<double>::infinity()});
          }) == "summarize: expected finite values but got inf.");
}

TEST_CASE("summarize_runs reads the results of runs", "[runs]") {
  const TemporaryFolder folder;
  for (const auto* name : {"1", "2", "3", "4"}) {
    std::filesystem::create_directory(folder / name);
  }
  write_file(folder / "1" / "result.json", R"({"test_error": 1.0, "steps": 10})");
  write_file(folder / "2" / "result.json", R"({"test_error": 2.0, "steps": 20})");
  write_file(folder / "3" / "result.json", R"({"test_error": null})");
  const auto summary = summarize_runs({folder / "1", folder / "2"});
  REQUIRE(summary.mean == 1.5);
  REQUIRE(summarize_runs({folder / "2", folder / "1"}, "steps").values ==
          std::vector<double>{20, 10});

  REQUIRE(error_text([&] {
            summarize_runs({folder / "1", folder / "4"});
          }) == "summarize_runs: expected " + (folder / "4" / "result.json").string() +
                    " of a run that has ended but got none.");
  REQUIRE(error_text([&] { summarize_runs({folder / "3"}); }) ==
          "summarize_runs: expected a number test_error in " +
              (folder / "3" / "result.json").string() + " but got null.");
  write_file(folder / "4" / "result.json", "not json");
  REQUIRE(error_text([&] { summarize_runs({folder / "4"}); }) ==
          "summarize_runs: expected a number test_error in " +
              (folder / "4" / "result.json").string() + " but got none.");
}
