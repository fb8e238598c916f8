#include "ladder/train/internal/pair_counts.h"

#include <ATen/ATen.h>

namespace ladder::train {

PairCounts pair_counts(const at::Tensor& first, const at::Tensor& second, int64_t classes) {
  const auto [pairs, _, rows] =
      at::_unique2(first.mul(classes).add_(second), /*sorted=*/true, /*return_inverse=*/false,
                   /*return_counts=*/true);
  return {.first = pairs.div(classes, "floor"), .second = pairs.remainder(classes), .rows = rows};
}

}  // namespace ladder::train
