#include "apps/commands/tune_outcome.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "apps/support/svg_panel.h"

namespace ladder::apps {

std::string trials_table(const std::vector<Trial>& trials, const std::vector<int64_t>& epochs) {
  auto text = fmt::format("\n{:>5}", "trial");
  for (const auto count : epochs) {
    text += fmt::format("  {:>9}", fmt::format("{} ep.", count));
  }
  text += "  settings\n";
  std::vector<size_t> order(trials.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto& one = trials[a].errors;
    const auto& other = trials[b].errors;
    return one.size() != other.size() ? one.size() > other.size() : is_better(trials[a], trials[b]);
  });
  for (const auto place : order) {
    const auto& trial = trials[place];
    text += fmt::format("{:>5}", trial.number);
    for (size_t i = 0; i < epochs.size(); ++i) {
      text += i < trial.errors.size() ? fmt::format("  {:>7.2f} %", trial.errors[i])
                                      : fmt::format("  {:>9}", "");
    }
    text += fmt::format("  {}\n", trial.text());
  }
  return text;
}

std::string trials_picture(const std::vector<Trial>& trials, const std::vector<int64_t>& epochs,
                           size_t best) {
  const std::vector<double> lengths(epochs.begin(), epochs.end());
  std::vector<double> errors;
  for (const auto& trial : trials) {
    errors.insert(errors.end(), trial.errors.begin(), trial.errors.end());
  }
  SvgPanel panel("Errors on held-back rows by length of training",
                 "A line for each trial; those that do well go on.",
                 log_axis_over(lengths, "epochs"), axis_over(errors, false, "", " %"),
                 {.width = 520, .height = 300, .right = 90});
  for (const auto& trial : trials) {
    const bool is_best = &trial == &trials[best];
    const std::vector<double> x(lengths.begin(),
                                lengths.begin() + static_cast<int64_t>(trial.errors.size()));
    panel.line(x, trial.errors, is_best ? "accent" : "quiet",
               is_best ? fmt::format("trial {}", trial.number) : std::string());
    panel.dots(x, trial.errors, is_best ? "accent" : "quiet", 2.5);
  }
  return SvgPanel::page({panel}, 1);
}

}  // namespace ladder::apps
