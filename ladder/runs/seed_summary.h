/// One number over several seeds.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace ladder::runs {

/// Values of single runs, in the order given, and what is said about them.
struct SeedSummary {
  std::vector<double> values = {};
  double mean = 0;
  double std = 0;  ///< of a sample, divided by n - 1; NaN for a single value
  double median = 0;
  double min = 0;
  double max = 0;
};

/// Errors: no values, one that is not finite.
///
///     auto [values, mean, std, median, min, max] = summarize({1.02, 0.97, 1.11});
SeedSummary summarize(std::vector<double> values);

/// The same over a number in the result.json of each run. Errors: a folder without a finished run,
/// a result without that number.
SeedSummary summarize_runs(const std::vector<std::filesystem::path>& folders,
                           std::string_view key = "test_error");

}  // namespace ladder::runs
