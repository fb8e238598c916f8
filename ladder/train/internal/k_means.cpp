#include "ladder/train/internal/k_means.h"

#include <ATen/ATen.h>

#include "ladder/core/random.h"

namespace ladder::train {

at::Tensor k_means(const at::Tensor& x, int64_t groups, uint64_t seed, int64_t rounds) {
  auto centres =
      x.index_select(0, permutation(x.size(0), seed).narrow(0, 0, groups).to(x.device()));
  at::Tensor group;
  for (int64_t round = 0; round < rounds; ++round) {
    // |x - c|^2 without |x|^2, which is the same for all centres.
    const auto squares = centres.square().sum(1).unsqueeze(0);
    group = at::addmm(squares, x, centres.t(), 1, -2).argmin(1);
    const auto rows = group.bincount({}, groups).clamp_min(1).to(x.scalar_type()).unsqueeze(1);
    // On a GPU index_add_ adds in any order; a product gives the same bits each time.
    centres = (x.is_cuda() ? at::one_hot(group, groups).to(x.scalar_type()).t().mm(x)
                           : at::zeros_like(centres).index_add_(0, group, x))
                  .div_(rows);
  }
  return group;
}

}  // namespace ladder::train
