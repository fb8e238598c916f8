#include "ladder/data/held_back_rows.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>
#include <utility>
#include <vector>

#include "ladder/core/random.h"

namespace ladder::data {
namespace {

// Rows of each class in a seeded order.
std::vector<std::vector<int64_t>> shuffled_classes(const torch::Tensor& labels, int64_t classes,
                                                   uint64_t seed) {
  const auto contiguous = labels.contiguous();
  const int64_t* label = contiguous.const_data_ptr<int64_t>();
  std::vector<std::vector<int64_t>> rows(static_cast<size_t>(classes));
  for (int64_t row = 0; row < contiguous.numel(); ++row) {
    if (label[row] >= 0) rows[static_cast<size_t>(label[row])].push_back(row);
  }
  std::mt19937_64 random(seed);
  for (auto& of_class : rows) {
    for (size_t i = of_class.size(); i > 1; --i) std::swap(of_class[i - 1], of_class[random() % i]);
  }
  return rows;
}

}  // namespace

torch::Tensor hold_back(const torch::Tensor& labels, int64_t classes, double share, uint64_t seed) {
  TORCH_CHECK(share >= 0 && share < 1, "hold_back: expected a share from 0 to below 1 but got ",
              share, ".");
  const auto by_class = shuffled_classes(labels, classes, stream_seed(seed, "validation"));
  int64_t labeled = 0;
  for (const auto& rows : by_class) labeled += static_cast<int64_t>(rows.size());
  const auto wanted = static_cast<int64_t>(std::llround(share * static_cast<double>(labeled)));
  // Each class gives the whole part of its share; the largest remainders fill up to `wanted`, equal
  // ones in a random order.
  std::vector<int64_t> taken;
  std::vector<std::tuple<double, int64_t, size_t>> remainders;
  const auto order = permutation(classes, stream_seed(seed, "classes that give a row more"));
  const auto* place = order.const_data_ptr<int64_t>();
  int64_t total = 0;
  for (size_t c = 0; c < by_class.size(); ++c) {
    const double exact = share * static_cast<double>(by_class[c].size());
    taken.push_back(static_cast<int64_t>(exact));
    total += taken.back();
    remainders.emplace_back(static_cast<double>(taken.back()) - exact, place[c], c);
  }
  std::sort(remainders.begin(), remainders.end());
  for (const auto& [remainder, tie, c] : remainders) {
    if (total >= wanted) break;
    if (taken[c] + 1 < static_cast<int64_t>(by_class[c].size())) {
      ++taken[c];
      ++total;
    }
  }
  std::vector<int64_t> rows;
  for (size_t c = 0; c < by_class.size(); ++c) {
    rows.insert(rows.end(), by_class[c].begin(), by_class[c].begin() + taken[c]);
  }
  std::sort(rows.begin(), rows.end());
  return at::tensor(rows, at::kLong);
}

torch::Tensor stratified_folds(const torch::Tensor& labels, int64_t classes, int64_t folds,
                               uint64_t seed) {
  const int64_t labeled = labels.ge(0).sum().item<int64_t>();
  TORCH_CHECK(folds >= 2 && folds <= labeled, "stratified_folds: expected 2 to ", labeled,
              " folds for ", labeled, " labeled rows but got ", folds, ".");
  auto fold = at::full({labels.numel()}, -1, at::kLong);
  int64_t* out = fold.data_ptr<int64_t>();
  int64_t next = 0;
  for (const auto& rows : shuffled_classes(labels, classes, stream_seed(seed, "folds"))) {
    for (const int64_t row : rows) out[row] = next++ % folds;
  }
  return fold;
}

}  // namespace ladder::data
