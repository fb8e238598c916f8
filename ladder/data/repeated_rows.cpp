#include "ladder/data/repeated_rows.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

namespace ladder::data {

torch::Tensor repeat_rare(const torch::Tensor& labeled, const torch::Tensor& labels,
                          int64_t classes) {
  const auto rows = labeled.contiguous();
  const auto all = labels.contiguous();
  std::vector<std::vector<int64_t>> by_class(static_cast<size_t>(classes));
  for (int64_t i = 0; i < rows.numel(); ++i) {
    const int64_t row = rows.const_data_ptr<int64_t>()[i];
    by_class[static_cast<size_t>(all.const_data_ptr<int64_t>()[row])].push_back(row);
  }
  size_t most = 0;
  for (const auto& of_class : by_class) most = std::max(most, of_class.size());
  std::vector<int64_t> repeated;
  for (const auto& of_class : by_class) {
    for (size_t i = 0; !of_class.empty() && i < most; ++i) {
      repeated.push_back(of_class[i % of_class.size()]);
    }
  }
  std::sort(repeated.begin(), repeated.end());
  return at::tensor(repeated, at::kLong);
}

torch::Tensor repeat_weighted(const torch::Tensor& rows, const torch::Tensor& weights) {
  const auto given = rows.contiguous();
  const auto all = weights.to(at::kDouble).contiguous();
  std::vector<int64_t> row;
  std::vector<double> weight;
  for (int64_t i = 0; i < given.numel(); ++i) {
    const int64_t at = given.const_data_ptr<int64_t>()[i];
    const double w = all.const_data_ptr<double>()[at];
    TORCH_CHECK(w >= 0 && std::isfinite(w),
                "repeat_weighted: expected finite weights of at least 0 but got ", w, " (row ", at,
                ").");
    if (w > 0) {
      row.push_back(at);
      weight.push_back(w);
    }
  }
  TORCH_CHECK(!row.empty(),
              "repeat_weighted: expected a row with a weight above 0 but got none of ",
              given.numel(), ".");
  // Only ratios count: a power of two, which is exact, keeps the sum from an overflow.
  const int exponent = std::ilogb(*std::max_element(weight.begin(), weight.end()));
  for (double& w : weight) w = std::ldexp(w, -exponent);
  const double least = *std::min_element(weight.begin(), weight.end());
  const auto limit = kMaxRepeats * static_cast<int64_t>(row.size());
  const auto is_whole = [least](double w) {
    const double ratio = w / least;
    return std::abs(ratio - std::round(ratio)) <= 1e-9 * ratio;
  };
  const double sum = std::accumulate(weight.begin(), weight.end(), 0.0);
  std::vector<int64_t> count(row.size(), 1);
  if (std::all_of(weight.begin(), weight.end(), is_whole) &&
      sum / least <= static_cast<double>(limit) + 0.5) {
    for (size_t i = 0; i < row.size(); ++i) count[i] = std::llround(weight[i] / least);
  } else {
    std::vector<std::pair<double, size_t>> remainder;
    int64_t left = limit;
    for (size_t i = 0; i < row.size(); ++i) {
      const double wanted = static_cast<double>(limit) * (weight[i] / sum);
      count[i] = std::max<int64_t>(1, static_cast<int64_t>(wanted));
      left -= count[i];
      remainder.emplace_back(static_cast<double>(count[i]) - wanted, i);
    }
    std::sort(remainder.begin(), remainder.end());  // those that miss most come first
    for (size_t i = 0; i < remainder.size() && left > 0; ++i, --left) ++count[remainder[i].second];
  }
  std::vector<int64_t> repeated;
  for (size_t i = 0; i < row.size(); ++i) {
    repeated.insert(repeated.end(), static_cast<size_t>(count[i]), row[i]);
  }
  return at::tensor(repeated, at::kLong);
}

}  // namespace ladder::data
