#pragma once

#include <algorithm>
#include <vector>

namespace ladder {

/// Return the median of one value or more; of an even number, the mean of the middle two.
inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace ladder
