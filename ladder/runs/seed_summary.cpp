#include "ladder/runs/seed_summary.h"

#include <c10/util/Exception.h>
#include <ladder/io/internal/json.h>
#include <ladder/io/text_file.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <utility>

#include "ladder/core/internal/median.h"

namespace ladder::runs {

SeedSummary summarize(std::vector<double> values) {
  TORCH_CHECK(!values.empty(), "summarize: expected at least one value but got none.");
  for (const auto value : values) {
    TORCH_CHECK(std::isfinite(value), "summarize: expected finite values but got ", value, ".");
  }
  SeedSummary summary;
  const auto count = static_cast<double>(values.size());
  summary.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const auto value : values) {
    squares += (value - summary.mean) * (value - summary.mean);
  }
  summary.std = values.size() > 1 ? std::sqrt(squares / (count - 1))
                                  : std::numeric_limits<double>::quiet_NaN();
  summary.median = median(values);
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  summary.min = *least;
  summary.max = *most;
  summary.values = std::move(values);
  return summary;
}

SeedSummary summarize_runs(const std::vector<std::filesystem::path>& folders,
                           std::string_view key) {
  std::vector<double> values;
  for (const auto& folder : folders) {
    const auto path = folder / "result.json";
    const auto text = io::read_text_if_present(path);
    TORCH_CHECK(text, "summarize_runs: expected ", path.string(),
                " of a run that has ended but got none.");
    const auto object = io::parse_json(*text);
    const auto name = std::string(key);
    TORCH_CHECK(object.is_object() && object.contains(name) && object.at(name).is_number(),
                "summarize_runs: expected a number ", name, " in ", path.string(), " but got ",
                object.is_object() && object.contains(name) ? object.at(name).dump() : "none", ".");
    values.push_back(object.at(name).get<double>());
  }
  return summarize(std::move(values));
}

}  // namespace ladder::runs
