#include "ladder/data/neighbours.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "ladder/core/finite.h"
#include "ladder/core/floating_rows.h"
#include "ladder/core/random.h"

namespace ladder::data {
namespace {

constexpr int64_t kDistanceRows = 500;  // at a time: 20 MB of distances to 10,000 rows

}  // namespace

torch::Tensor nearest_neighbours(const torch::Tensor& x, const NeighbourOptions& options) {
  const auto k = options.k;
  TORCH_CHECK(k >= 1, "nearest_neighbours: expected k of at least 1 but got ", k, ".");
  TORCH_CHECK(options.pool >= 0, "nearest_neighbours: expected a pool of at least 0 rows but got ",
              options.pool, ".");
  const auto count = x.defined() && x.dim() >= 2 ? x.size(0) : 0;
  const bool draws = options.pool > 0 && options.pool < count;
  TORCH_CHECK((draws ? options.pool : count) > k, "nearest_neighbours: expected ",
              draws ? "a pool of " : "", "at least ", k + 1, " rows, for ", k,
              " neighbours each, but got ",
              draws         ? std::to_string(options.pool)
              : x.defined() ? c10::str(x.sizes())
                            : std::string("none"),
              ".");
  check_finite("nearest_neighbours", "x", x);
  const at::NoGradGuard no_gradients;
  const auto pool =
      (draws ? std::get<0>(permutation(count, options.seed).narrow(0, 0, options.pool).sort())
             : at::arange(count))
          .to(x.device());
  // The place of each row in the pool, or -1.
  const auto place = at::full({count}, -1, pool.options());
  place.index_copy_(0, pool, at::arange(pool.numel(), pool.options()));
  const auto others = gather_floating_rows(x, pool).flatten(1);
  const auto squares = others.square().sum(1).unsqueeze(0);
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < count; begin += kDistanceRows) {
    const auto size = std::min(kDistanceRows, count - begin);
    const auto rows = floating_rows(x.narrow(0, begin, size)).flatten(1);
    // |a - b|^2 without |a|^2, which is the same for all neighbours b of a.
    auto distances = at::addmm(squares, rows, others.t(), 1, -2);
    const auto places = place.narrow(0, begin, size);
    const auto pooled = places.ge(0).nonzero().flatten();
    distances.index_put_(
        {pooled, places.index_select(0, pooled)},
        at::full({}, std::numeric_limits<double>::infinity(), distances.options()));
    const auto nearest = std::get<1>(distances.topk(k, 1, /*largest=*/false));
    parts.push_back(pool.index_select(0, nearest.flatten()).view_as(nearest));
  }
  return at::cat(parts);
}

}  // namespace ladder::data
