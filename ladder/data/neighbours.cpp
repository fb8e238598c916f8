#include "ladder/data/neighbours.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "ladder/core/finite.h"
#include "ladder/core/floating_rows.h"
#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/internal/threads.h"
#include "ladder/core/random.h"
#include "ladder/ops/product.h"

namespace ladder::data {
namespace {

constexpr int64_t kDistanceRows = 500;     // at a time: 20 MB of distances to 10,000 rows
constexpr int64_t kQueries = 256;          // rows of a task
constexpr int64_t kTile = 512;             // rows of the pool at a time: products stay in the cache
constexpr int64_t kCandidates = 4;         // for each neighbour, where components stand for rows
constexpr double kVariance = 0.8;          // that the components hold
constexpr int64_t kVarianceRows = 10'000;  // that they are found from

// The rows of least distance to one row, of all that were offered.
class Nearest {
 public:
  explicit Nearest(size_t most) : most_(most) { heap_.reserve(most + 1); }

  // Offer rows first, first + 1, ... but the row `self`, by their squared norms |b|^2 and their
  // products a b with the row: |a - b|^2 without |a|^2, which is the same for all of them.
  void offer(const float* squares, const float* products, int64_t count, int64_t first,
             int64_t self) {
    constexpr int64_t kBlock = 16;
    const auto distance = [&](int64_t i) { return squares[i] - 2 * products[i]; };
    for (int64_t begin = 0; begin < count; begin += kBlock) {
      const auto end = std::min(begin + kBlock, count);
      int near = 0;
      for (auto i = begin; i < end; ++i) near |= static_cast<int>(distance(i) < worst_);
      if (near == 0) continue;
      for (auto i = begin; i < end; ++i) {
        if (distance(i) < worst_ && first + i != self) add({distance(i), first + i});
      }
    }
  }

  // Write the rows, nearest first.
  void write(int64_t* rows) {
    TORCH_INTERNAL_ASSERT(heap_.size() == most_);
    std::sort(heap_.begin(), heap_.end());
    for (const auto& [distance, row] : heap_) *rows++ = row;
  }

 private:
  void add(std::pair<float, int64_t> found) {
    heap_.push_back(found);
    std::push_heap(heap_.begin(), heap_.end());
    if (heap_.size() > most_) {
      std::pop_heap(heap_.begin(), heap_.end());
      heap_.pop_back();
    }
    if (heap_.size() == most_) worst_ = heap_.front().first;
  }

  size_t most_;
  std::vector<std::pair<float, int64_t>> heap_;
  float worst_ = std::numeric_limits<float>::infinity();
};

// For each row of x, float32 [n, d], the places of its `most` nearest rows of `others` [p, d],
// nearest first, by products of this precision. `place` is that of each row itself, or -1.
at::Tensor search(const at::Tensor& x, const at::Tensor& others, const at::Tensor& place,
                  int64_t most, ops::ProductPrecision precision) {
  const auto count = x.size(0);
  const auto squares = others.square().sum(1);
  auto nearest = at::empty({count, most}, place.options());
  const auto* const own = place.const_data_ptr<int64_t>();
  auto* const found = nearest.mutable_data_ptr<int64_t>();
  const auto plan = ops::default_product_plan(precision);
  const ops::ProductScope whole(plan);  // those of the tasks then change nothing of the process
  threads::for_tasks((count + kQueries - 1) / kQueries, [&](int64_t task) {
    const at::NoGradGuard no_gradients;
    const ops::ProductScope scope(plan);
    const auto begin = task * kQueries;
    const auto size = std::min(kQueries, count - begin);
    const auto rows = x.narrow(0, begin, size);
    std::vector<Nearest> lists(static_cast<size_t>(size), Nearest(static_cast<size_t>(most)));
    for (int64_t first = 0; first < others.size(0); first += kTile) {
      const auto width = std::min(kTile, others.size(0) - first);
      const auto products = ops::linear(rows, others.narrow(0, first, width));
      for (int64_t i = 0; i < size; ++i) {
        lists[static_cast<size_t>(i)].offer(squares.const_data_ptr<float>() + first,
                                            products.const_data_ptr<float>() + i * width, width,
                                            first, own[begin + i]);
      }
    }
    for (int64_t i = 0; i < size; ++i) {
      lists[static_cast<size_t>(i)].write(found + (begin + i) * most);
    }
  });
  return nearest;
}

float dot(const float* a, const float* b, int64_t count) {
  constexpr int64_t kLanes = 16;  // sums side by side, which a compiler keeps in vectors
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < count; ++i) sums[0] += a[i] * b[i];
  return std::accumulate(sums, sums + kLanes, 0.0F);
}

// The `k` nearest of the candidates [n, m] of each row, which are rows of `others`.
at::Tensor choose(const at::Tensor& x, const at::Tensor& others, const at::Tensor& candidates,
                  int64_t k) {
  const auto squares = others.square().sum(1);
  const auto units = x.size(1), most = candidates.size(1);
  auto nearest = at::empty({x.size(0), k}, candidates.options());
  const auto* const rows = x.const_data_ptr<float>();
  const auto* const pool = others.const_data_ptr<float>();
  const auto* const norms = squares.const_data_ptr<float>();
  const auto* const places = candidates.const_data_ptr<int64_t>();
  auto* const chosen = nearest.mutable_data_ptr<int64_t>();
  threads::for_tasks((x.size(0) + kQueries - 1) / kQueries, [&](int64_t task) {
    std::vector<std::pair<float, int64_t>> near(static_cast<size_t>(most));
    const auto end = std::min((task + 1) * kQueries, x.size(0));
    for (auto i = task * kQueries; i < end; ++i) {
      for (int64_t j = 0; j < most; ++j) {
        const auto place = places[i * most + j];
        near[static_cast<size_t>(j)] = {
            norms[place] - 2 * dot(rows + i * units, pool + place * units, units), place};
      }
      std::partial_sort(near.begin(), near.begin() + k, near.end());
      for (int64_t j = 0; j < k; ++j) chosen[i * k + j] = near[static_cast<size_t>(j)].second;
    }
  });
  return nearest;
}

// The principal components that hold kVariance of the variance of x [n, d]: [d, components].
// Undefined where these are not much fewer than d.
at::Tensor components(const at::Tensor& x, uint64_t seed) {
  const auto d = x.size(1);
  auto sample = x;
  if (x.size(0) > kVarianceRows) {
    sample = x.index_select(0, permutation(x.size(0), seed).narrow(0, 0, kVarianceRows));
  }
  const auto centred = sample - sample.mean(0);
  const auto products = at::mm(centred.t(), centred);
  if (!products.isfinite().all().item<bool>()) return {};          // of long rows
  const auto [variances, directions] = at::linalg_eigh(products);  // ascending
  const auto held = variances.clamp_min(0).flip(0).cumsum(0);
  const auto wanted = held.select(0, d - 1) * kVariance;
  const auto count = held.lt(wanted).sum().item<int64_t>() + 1;
  if (4 * count > d) return {};
  return directions.narrow(1, d - count, count).contiguous();
}

// What is compared, |b|^2 - 2 a b, is at most 3 times the largest squared length.
void check_lengths(const at::Tensor& rows) {
  const bool doubles = rows.scalar_type() == at::kDouble;
  if (!doubles && rows.scalar_type() != at::kFloat) return;
  TORCH_CHECK((2 * rows.norm(2, 1)).square().isfinite().all().item<bool>(),
              "nearest_neighbours: expected rows whose squared length is below 2^",
              doubles ? 1022 : 126, " but got longer ones (divide x by a number).");
}

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
              " neighbours each, but got ", draws ? std::to_string(options.pool) : shape_text(x),
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
  if (others.is_cpu() && others.scalar_type() == at::kFloat) {
    const auto rows = draws ? floating_rows(x).flatten(1) : others;
    check_lengths(rows);
    const auto most = std::min(kCandidates * k, pool.numel() - 1);
    const auto basis = options.exact ? at::Tensor() : components(others, options.seed);
    const auto places = basis.defined()
                            ? choose(rows, others,
                                     search(rows.mm(basis), others.mm(basis), place, most,
                                            ops::ProductPrecision::kBFloat16),
                                     k)
                            : search(rows, others, place, k, ops::ProductPrecision::kFloat32);
    return pool.index_select(0, places.flatten()).view_as(places);
  }
  const auto squares = others.square().sum(1).unsqueeze(0);
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < count; begin += kDistanceRows) {
    const auto size = std::min(kDistanceRows, count - begin);
    const auto rows = floating_rows(x.narrow(0, begin, size)).flatten(1);
    check_lengths(rows);
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

SharedNeighbours::SharedNeighbours(torch::Tensor inputs, torch::Tensor rows,
                                   const NeighbourOptions& options)
    : inputs_(std::move(inputs)), rows_(std::move(rows)), options_(options) {}

const torch::Tensor& SharedNeighbours::get() {
  std::call_once(once_, [&] {
    found_ =
        nearest_neighbours(rows_.defined() ? inputs_.index_select(0, rows_) : inputs_, options_);
    if (!found_.is_cpu()) {  // others read them on streams of their own
      const auto device = found_.device();
      c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
    }
    inputs_.reset();  // not needed any more
    rows_.reset();
  });
  return found_;
}

}  // namespace ladder::data
