#include "apps/commands/tune_trials.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ladder/classifier.h>
#include <ladder/core/random.h>

#include <algorithm>
#include <optional>
#include <variant>

namespace ladder::apps {
namespace {

// A flag of `ladder train` that trials vary, and its values.
struct Dimension {
  std::string flag;
  std::vector<std::string> values;  // "" leaves the default
};

std::vector<Dimension> dimensions_of(const TrainRequest& request, const runs::RunConfig& config) {
  const bool images = request.rows.images.defined();
  std::vector<Dimension> all;
  const auto add = [&](const std::string& flag, std::vector<std::string> values) {
    if (!given(request.flags, flag)) all.push_back({flag, std::move(values)});
  };
  add("noise", images ? std::vector<std::string>{"", "0.2", "0.3", "0.5", "0.7"}
                      : std::vector<std::string>{"", "0.1", "0.2", "0.45", "0.6", "0.9"});
  if (request.options.lambda.empty() && !request.options.convolutional) {
    add("input-weight", {"", "1", "3", "30", "100"});
  }
  if (!request.options.convolutional) {
    std::vector<int64_t> units;
    for (const auto& layer : config.network.layers) {
      units.push_back(std::get<models::Dense>(layer).units);
    }
    units.pop_back();  // the classes
    std::vector<int64_t> half, twice;
    for (const auto width : units) {
      half.push_back(std::max(width / 2, 2 * config.classes));
      twice.push_back(2 * width);
    }
    add("layers",
        {"", fmt::format("{}", fmt::join(half, ",")), fmt::format("{}", fmt::join(twice, ","))});
  }
  add("combinator", {"", "", "vanilla", "amlp-2-2-2"});
  return all;
}

}  // namespace

bool given(const GivenFlags& flags, const std::string& name) {
  return std::any_of(flags.begin(), flags.end(),
                     [&](const auto& one) { return one.first == name; });
}

bool is_better(const Trial& a, const Trial& b) {
  const double first = a.errors.back(), second = b.errors.back();
  return first != second ? first < second : a.flags.size() < b.flags.size();
}

runs::RunConfig settled(const TrainRequest& request) {
  std::optional<runs::RunConfig> config;
  auto options = request.options;
  options.validation = request.options.validation.value_or(kHeldBackByDraw);
  options.on_start = [&](const runs::RunConfig& found, int64_t) { config = found; };
  options.callbacks.stop_requested = [] { return true; };
  Classifier(options).fit(request.rows, request.label, request.ignore);
  return config.value();
}

std::vector<Trial> trials_of(const TrainRequest& request, const runs::RunConfig& config,
                             int64_t count) {
  const auto dimensions = dimensions_of(request, config);
  const auto seed = request.options.seed;
  std::vector<Trial> trials = {{.number = 1}};
  constexpr int64_t kMaxDraws = 10'000;  // where there are fewer settings than trials
  for (int64_t draw = 0; draw < kMaxDraws && static_cast<int64_t>(trials.size()) < count; ++draw) {
    Trial trial{.number = static_cast<int64_t>(trials.size()) + 1};
    for (const auto& [flag, values] : dimensions) {
      const auto place = stream_seed(seed, fmt::format("tune {} {}", flag, draw)) % values.size();
      if (!values[place].empty()) trial.flags.emplace_back(flag, values[place]);
    }
    const auto alike = [&](const Trial& other) { return other.flags == trial.flags; };
    if (std::none_of(trials.begin(), trials.end(), alike)) trials.push_back(std::move(trial));
  }
  return trials;
}

}  // namespace ladder::apps
