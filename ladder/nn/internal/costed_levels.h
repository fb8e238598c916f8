/// Which levels of a ladder have a denoising cost.
#pragma once

#include <cstdint>
#include <vector>

namespace ladder {

/// Return the levels whose lambda is above 0, from level 0 up.
inline std::vector<int64_t> costed_levels(const std::vector<double>& lambda) {
  std::vector<int64_t> levels;
  for (size_t level = 0; level < lambda.size(); ++level) {
    if (lambda[level] > 0) levels.push_back(static_cast<int64_t>(level));
  }
  return levels;
}

}  // namespace ladder
