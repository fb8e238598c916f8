/// The settings that `ladder tune` tries.
#pragma once

#include <ladder/runs/run_config.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "apps/commands/train_request.h"

namespace ladder::apps {

/// Share of the labels that each draw holds back. It is large, since an error over a few rows
/// varies much.
inline constexpr double kHeldBackByDraw = 0.3;

/// Flags of `ladder train` and their values, as TrainRequest has them.
using GivenFlags = std::vector<std::pair<std::string, std::string>>;

/// Return whether a flag is among them.
bool given(const GivenFlags& flags, const std::string& name);

/// One choice of settings: flags of `ladder train`, by their names.
struct Trial {
  int64_t number = 0;
  std::vector<std::pair<std::string, std::string>> flags = {};  ///< none: the defaults
  std::vector<double> errors = {};                              ///< mean over the draws, by rung

  std::string text() const {
    std::string all;
    for (const auto& [name, value] : flags) {
      all += (all.empty() ? "" : ", ") + name + " " + value;
    }
    return all.empty() ? "defaults" : all;
  }
};

/// Return whether `a` has the lower error at its last rung. Of equal ones, the one that changes
/// less is better: the defaults change nothing.
bool is_better(const Trial& a, const Trial& b);

/// Return the settings that the defaults come to, by starting a run that ends at once.
runs::RunConfig settled(const TrainRequest& request);

/// Return the defaults, then settings at random, no two alike: at most `count`. Settings that the
/// request has as flags are not varied.
std::vector<Trial> trials_of(const TrainRequest& request, const runs::RunConfig& config,
                             int64_t count);

}  // namespace ladder::apps
