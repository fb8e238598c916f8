#include "ladder/train/lost_clusters.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/core/random.h"
#include "ladder/data/internal/row_checks.h"
#include "ladder/data/neighbours.h"
#include "ladder/train/internal/feature_checks.h"
#include "ladder/train/internal/k_means.h"
#include "ladder/train/internal/pair_counts.h"
#include "ladder/train/run_signs.h"

namespace ladder::train {
namespace {

void check_classes(const char* function, const at::Tensor& classes) {
  TORCH_CHECK(classes.defined() && classes.dim() == 1 && classes.numel() > 0 &&
                  classes.scalar_type() == at::kLong && classes.min().item<int64_t>() >= 0,
              function, ": expected int64 classes [rows], from 0, but got ", shape_text(classes),
              ".");
}

void check_splits(const char* function, int64_t groups, int64_t splits, int64_t min_rows) {
  TORCH_CHECK(groups >= 2, function, ": expected at least 2 groups but got ", groups, ".");
  TORCH_CHECK(splits >= 1, function, ": expected at least 1 split but got ", splits, ".");
  TORCH_CHECK(min_rows >= 1, function, ": expected min_rows of at least 1 but got ", min_rows, ".");
}

void check(const std::vector<at::Tensor>& features, const at::Tensor& classes,
           const at::Tensor& neighbours, const LostClusterOptions& options) {
  check_classes("lost_clusters", classes);
  const auto n = classes.size(0);
  check_features("lost_clusters", features, n);
  data::check_neighbours("lost_clusters", neighbours, n);
  check_options("lost_clusters", options);
}

constexpr int64_t kSearched = 100;  // neighbours of each row, of which enough lie outside its group

// How rows are split into groups, and which neighbours count.
struct Search {
  int64_t groups = 0;  // of each class, at most
  int64_t splits = 0;  // by each of the features
  double margin = 1;
  int64_t min_rows = 1;
  int64_t outside = 0;  // nearest ones outside of the group that count, of each row; 0: all
  bool discount_hubs = false;
  uint64_t seed = 1;
};

// What each neighbour counts, [n, k]: multiples of 2^-20, so that their sums are exact and do not
// depend on the order. Undefined where each counts 1.
at::Tensor neighbour_weights(const at::Tensor& neighbours, bool discount_hubs) {
  if (!discount_hubs) return {};
  const auto flat = neighbours.flatten();
  const auto times = flat.bincount({}, neighbours.size(0)).index_select(0, flat);
  return at::round(std::ldexp(1.0, 20) / times.to(at::kDouble)).view_as(neighbours);
}

// The neighbours of the rows of one class, [rows, k] each.
struct Neighbourhood {
  at::Tensor groups;  // -1 in other classes
  at::Tensor classes;
  at::Tensor weights;  // undefined: 1 each
};

// The class that each group of the rows of class `own` is lost to, or -1: [groups]. `group` is that
// of each of these rows, and `near` are their neighbours.
at::Tensor lost_to(const at::Tensor& group, const Neighbourhood& near, int64_t own, int64_t groups,
                   int64_t class_count, const Search& search) {
  auto outside = near.groups.ne(group.unsqueeze(1));
  if (search.outside > 0) outside = outside & outside.cumsum(1).le(search.outside);
  const auto pairs = (group.unsqueeze(1) * class_count + near.classes).masked_select(outside);
  const auto size = groups * class_count;
  const auto counts =
      (near.weights.defined() ? pairs.bincount(near.weights.masked_select(outside), size)
                              : pairs.bincount({}, size).to(at::kDouble))
          .view({groups, class_count});
  const auto stay = counts.select(1, own).clone();
  counts.select(1, own).zero_();
  const auto [most, other] = counts.max(1);
  const auto rows = group.bincount({}, groups);
  const auto lost =
      most.gt(search.margin * stay) & rows.ge(search.min_rows) & rows.le(group.numel() / 2);
  return at::where(lost, other, -1);
}

// The class that most splits name for each row, the least of equal ones or -1 for none, and the
// number of these splits: [rows] each. `named`: [rows, splits], -1 for none. Unlike a table of
// votes its memory does not grow with the classes.
std::pair<at::Tensor, at::Tensor> most_named(const at::Tensor& named) {
  const auto sorted = std::get<0>(named.sort(1));
  auto to = at::full_like(sorted.select(1, 0), -1), times = at::zeros_like(to);
  auto run = at::ones_like(to);
  for (int64_t split = 0; split < sorted.size(1); ++split) {
    const auto here = sorted.select(1, split);
    if (split > 0) run = at::where(here.eq(sorted.select(1, split - 1)), run + 1, 1);
    const auto more = here.ge(0) & run.gt(times);
    to = at::where(more, here, to);
    times = at::where(more, run, times);
  }
  return {to, times};
}

// The class that each row is lost to in at least half of the splits, or -1: [rows].
at::Tensor lost_by_most(const std::vector<at::Tensor>& features, const at::Tensor& classes,
                        const at::Tensor& neighbours, const Search& search) {
  const auto class_count = classes.max().item<int64_t>() + 1;
  const auto weights = neighbour_weights(neighbours, search.discount_hubs);
  const auto by_class = at::argsort(classes, /*stable=*/true, /*dim=*/0);
  const auto sizes = classes.bincount({}, class_count).cpu();
  const auto lost = at::full_like(classes, -1);
  const auto group_of = at::full_like(classes, -1);
  int64_t end = 0;
  for (int64_t own = 0; own < class_count; ++own) {
    const auto size = sizes.const_data_ptr<int64_t>()[own];
    end += size;
    const auto groups = std::min(search.groups, size / search.min_rows);
    if (groups < 2) continue;
    const auto rows = by_class.narrow(0, end - size, size);
    const auto near = neighbours.index_select(0, rows);
    Neighbourhood around{.groups = {},
                         .classes = classes.index_select(0, near.flatten()).view_as(near),
                         .weights = weights.defined() ? weights.index_select(0, rows) : weights};
    std::vector<at::Tensor> named;  // the class that each row is lost to in each split
    for (const auto& one : features) {
      const auto x = one.index_select(0, rows);
      for (int64_t split = 0; split < search.splits; ++split) {
        const auto group =
            k_means(x, groups, stream_seed(search.seed, static_cast<uint64_t>(split)));
        group_of.index_copy_(0, rows, group);
        around.groups = group_of.index_select(0, near.flatten()).view_as(near);
        named.push_back(
            lost_to(group, around, own, groups, class_count, search).index_select(0, group));
      }
    }
    group_of.index_fill_(0, rows, -1);
    const auto [to, times] = most_named(at::stack(named, 1));
    const auto splits = static_cast<int64_t>(named.size());
    lost.index_copy_(0, rows, at::where(times.mul(2).ge(splits), to, -1));
  }
  return lost;
}

}  // namespace

void check_options(const char* name, const LostClusterOptions& options) {
  check_splits(name, options.groups, options.splits, options.min_rows);
  TORCH_CHECK(options.small_groups == 0 || options.small_groups >= 2, name,
              ": expected at least 2 small_groups, or 0 for none, but got ", options.small_groups,
              ".");
  TORCH_CHECK(options.margin >= 1, name, ": expected a margin of at least 1 but got ",
              options.margin, ".");
  TORCH_CHECK(options.max_cut >= 0, name, ": expected max_cut of at least 0 but got ",
              options.max_cut, ".");
}

torch::Tensor lost_clusters(const std::vector<torch::Tensor>& features,
                            const torch::Tensor& classes, const torch::Tensor& neighbours,
                            const LostClusterOptions& options) {
  check(features, classes, neighbours, options);
  const at::NoGradGuard no_gradients;
  Search search{.groups = options.groups,
                .splits = options.splits,
                .margin = options.margin,
                .min_rows = options.min_rows,
                .discount_hubs = options.discount_hubs,
                .seed = options.seed};
  auto lost = lost_by_most(features, classes, neighbours, search);
  if (options.small_groups > 0) {
    std::vector<at::Tensor> near = {neighbours};
    for (const auto& one : features) {
      near.push_back(data::nearest_neighbours(one, {.k = neighbours.size(1), .exact = false}));
    }
    search.groups = options.small_groups;
    search.margin = 1;
    const auto small = lost_by_most(features, classes, at::cat(near, 1), search);
    lost = at::where(lost.ge(0), lost, small);
  }
  const auto moved = at::where(lost.ge(0), lost, classes);
  return neighbour_cut(neighbours, moved) > options.max_cut ? at::full_like(lost, -1) : lost;
}

void check_options(const char* name, const FeatureClusterOptions& options) {
  TORCH_CHECK(options.pool == 0 || options.pool >= 2, name,
              ": expected a pool of at least 2 rows, or 0 for all, but got ", options.pool, ".");
  check_splits(name, options.groups, options.splits, options.min_rows);
  TORCH_CHECK(options.outside >= 1 && options.outside <= kSearched, name, ": expected 1 to ",
              kSearched, " neighbours outside a group but got ", options.outside, ".");
}

torch::Tensor clusters_lost_by_features(const std::vector<torch::Tensor>& features,
                                        const torch::Tensor& classes,
                                        const FeatureClusterOptions& options) {
  constexpr const char* kName = "clusters_lost_by_features";
  check_classes(kName, classes);
  check_features(kName, features, classes.size(0));
  TORCH_CHECK(classes.size(0) >= 2, kName, ": expected at least 2 rows but got 1.");
  check_options(kName, options);
  const at::NoGradGuard no_gradients;
  const auto pool = options.pool > 0 ? std::min(options.pool, classes.size(0)) : classes.size(0);
  const auto neighbours = data::nearest_neighbours(
      features.front(),
      {.k = std::min(kSearched, pool - 1), .pool = options.pool, .seed = options.seed});
  return lost_by_most(features, classes, neighbours,
                      {.groups = options.groups,
                       .splits = options.splits,
                       .min_rows = options.min_rows,
                       .outside = options.outside,
                       .seed = options.seed});
}

std::vector<ClusterMove> cluster_moves(const torch::Tensor& classes, const torch::Tensor& lost) {
  TORCH_CHECK(classes.defined() && lost.defined() && classes.dim() == 1 &&
                  classes.sizes() == lost.sizes() && classes.scalar_type() == at::kLong &&
                  lost.scalar_type() == at::kLong,
              "cluster_moves: expected int64 classes and lost [rows] but got ", shape_text(classes),
              " and ", shape_text(lost), ".");
  const auto rows = lost.ge(0).nonzero().flatten();
  if (rows.numel() == 0) return {};
  const auto from = classes.index_select(0, rows), to = lost.index_select(0, rows);
  const auto count = std::max(from.max().item<int64_t>(), to.max().item<int64_t>()) + 1;
  const auto pairs = pair_counts(from, to, count);
  const auto first = pairs.first.cpu(), second = pairs.second.cpu(), found = pairs.rows.cpu();
  std::vector<ClusterMove> moves;
  for (int64_t i = 0; i < found.numel(); ++i) {
    moves.push_back({.from = first.const_data_ptr<int64_t>()[i],
                     .to = second.const_data_ptr<int64_t>()[i],
                     .rows = found.const_data_ptr<int64_t>()[i]});
  }
  return moves;
}

}  // namespace ladder::train
