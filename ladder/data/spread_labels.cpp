#include "ladder/data/spread_labels.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "ladder/core/floating_rows.h"
#include "ladder/core/internal/tensor_text.h"
#include "ladder/data/internal/graph_modes.h"
#include "ladder/data/internal/label_diffusion.h"
#include "ladder/data/internal/row_checks.h"
#include "ladder/data/internal/row_graph.h"

namespace ladder::data {
namespace {

constexpr int64_t kPairModes = 3;   // of a pair of classes
constexpr double kMoved = 0.3;      // part of the smaller class that may go to the other one
constexpr double kNewBorder = 0.2;  // from half of the rows, that it has in common with another
constexpr int64_t kLooks = 2;       // for better borders, if classes trade places after the first

double part_equal(const RowClasses& a, const RowClasses& b) {
  const auto equal = std::inner_product(a.begin(), a.end(), b.begin(), int64_t{0}, std::plus<>(),
                                        std::equal_to<>());
  return static_cast<double>(equal) / static_cast<double>(a.size());
}

// Look for a better border between two classes.
void divide_again(const RowGraph& graph, const RowClasses& labels, ClassPair pair,
                  const SpreadLabelOptions& options, RowClasses& classes) {
  const TwoClasses two(classes, labels, pair);
  auto now = two.now;
  const auto zeros = std::count(now.begin(), now.end(), 0);
  const auto moved = static_cast<int64_t>(kMoved * static_cast<double>(smaller_side(now)));
  if (moved == 0 || two.labeled(0) == 0 || two.labeled(1) == 0) return;
  const auto both = graph.part(two.rows);
  LabelDiffusion spread(both, two.labels, {0.5, 0.5}, options);
  const auto kept = spread.kept(now);
  double least = relative_cut(both, now);
  const auto modes = slowest_modes(both, kPairModes, options.seed);
  for (int64_t mode = 0; mode < kPairModes; ++mode) {
    const auto split = [&](bool up) {
      return split_by_mode(both, modes, mode, up, zeros - moved, zeros + moved);
    };
    const auto one_way = split(true), other_way = split(false);
    const double like_now = part_equal(one_way, now);
    // Much like the border there is, or the other way round: the classes stay where they are.
    // Otherwise the labels say which side is whose, if nearly all of them agree: with too few, the
    // rounds would keep each label with few rows around it, in the middle of the other class.
    const bool is_new = std::abs(like_now - 0.5) < kNewBorder;
    const auto one_kept = spread.kept(one_way), other_kept = spread.kept(other_way);
    if (is_new && 4 * std::max(one_kept, other_kept) < 3 * kept) continue;
    const bool takes_one = is_new ? one_kept >= other_kept : like_now > 0.5;
    auto found = spread.settle_border(takes_one ? one_way : other_way);
    const auto left = std::count(found.begin(), found.end(), 0);
    const double there = relative_cut(both, found);
    if (there < least && spread.kept(found) >= kept && std::abs(left - zeros) <= moved) {
      least = there;
      now = std::move(found);
    }
  }
  two.write(now, pair, classes);
}

// Let two classes change places where more labels then agree with the rows around them; return
// whether any did. Each label holds a few rows around it, so the classes settle without labels
// first. With few labels a class can take the place of another one, all but these rows.
bool trade_places(const RowGraph& graph, const RowClasses& labels,
                  const std::vector<double>& shares, const SpreadLabelOptions& options,
                  RowClasses& classes) {
  LabelDiffusion free(graph, RowClasses(labels.size(), -1), shares, options);
  const auto settled = free.settle_border(classes);
  const auto count = shares.size();
  std::vector<int64_t> seen(count * count, 0);  // labels of one class among rows of another
  for (size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0)
      ++seen[static_cast<size_t>(labels[i]) * count + static_cast<size_t>(settled[i])];
  }
  std::vector<size_t> place(count);  // of each class: the one whose rows it gets
  std::iota(place.begin(), place.end(), size_t{0});
  bool traded = false;
  for (bool better = true; better;) {
    better = false;
    for (size_t a = 0; a < count; ++a) {
      for (size_t b = 0; b < a; ++b) {
        const auto* of_a = &seen[a * count];
        const auto* of_b = &seen[b * count];
        if (of_a[place[b]] + of_b[place[a]] <= of_a[place[a]] + of_b[place[b]]) continue;
        std::swap(place[a], place[b]);
        better = traded = true;
      }
    }
  }
  if (!traded) return false;
  std::vector<int64_t> becomes(count);
  for (size_t c = 0; c < count; ++c) becomes[place[c]] = static_cast<int64_t>(c);
  for (size_t i = 0; i < classes.size(); ++i) {
    classes[i] = becomes[static_cast<size_t>(settled[i])];
  }
  return true;
}

// Pairs of classes by the cut between them, largest first; those without any are left out.
std::vector<ClassPair> pairs_by_cut(const std::vector<double>& cuts, int64_t classes) {
  std::vector<std::pair<double, ClassPair>> found;
  for (int64_t a = 0; a < classes; ++a) {
    for (int64_t b = a + 1; b < classes; ++b) {
      const double cut = cuts[static_cast<size_t>(a * classes + b)];
      if (cut > 0) found.push_back({-cut, {a, b}});
    }
  }
  std::sort(found.begin(), found.end());
  std::vector<ClassPair> out;
  for (const auto& one : found) out.push_back(one.second);
  return out;
}

// a_ij [n, k].
at::Tensor edge_weights(const at::Tensor& x, const at::Tensor& neighbours, double sharpness) {
  constexpr int64_t kRows = 4096;  // at once
  const auto rows = neighbours.size(0), k = neighbours.size(1);
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < rows; begin += kRows) {
    const auto size = std::min(kRows, rows - begin);
    const auto own = floating_rows(x.narrow(0, begin, size)).flatten(1);
    const auto near = neighbours.narrow(0, begin, size);
    const auto squares = at::empty({size, k}, own.options());
    for (int64_t j = 0; j < k; ++j) {
      const auto theirs = gather_floating_rows(x, near.select(1, j)).flatten(1);
      squares.select(1, j).copy_((theirs - own).square().sum(1));
    }
    const auto last = squares.narrow(1, k - 1, 1);
    const auto relative = at::where(last.gt(0), squares / last, at::zeros_like(squares));
    parts.push_back(relative.mul(-sharpness).exp().to(at::kFloat));
  }
  return at::cat(parts).contiguous();
}

void check_spread(const torch::Tensor& x, const torch::Tensor& neighbours,
                  const torch::Tensor& labels, const SpreadLabelOptions& options) {
  TORCH_CHECK(x.defined() && x.dim() >= 2, "spread_labels: expected rows x [n, ...] but got ",
              shape_text(x), ".");
  const auto n = x.size(0);
  check_neighbours("spread_labels", neighbours, n);
  check_label_rows("spread_labels", labels, n);
  const auto highest = labels.max().item<int64_t>();
  TORCH_CHECK(highest >= 0, "spread_labels: expected a label of at least one row but got none.");
  TORCH_CHECK(options.classes == 0 || options.classes > highest,
              "spread_labels: expected labels below ", options.classes, " classes but got ",
              highest, ".");
  const auto classes = options.classes > 0 ? options.classes : highest + 1;
  TORCH_CHECK(classes <= kMaxSpreadClasses, "spread_labels: expected at most ", kMaxSpreadClasses,
              " classes but got ", classes, " (it compares each class with each other one).");
  double sum = 0;
  for (const auto share : options.shares) sum += share;
  TORCH_CHECK(options.shares.empty() ||
                  (static_cast<int64_t>(options.shares.size()) == classes &&
                   *std::min_element(options.shares.begin(), options.shares.end()) > 0 &&
                   std::abs(sum - 1) < 1e-6),
              "spread_labels: expected a share above 0 for each of ", classes,
              " classes, together 1, but got ", options.shares, ".");
  TORCH_CHECK(std::isfinite(options.sharpness) && options.sharpness >= 0,
              "spread_labels: expected a sharpness of at least 0 but got ", options.sharpness, ".");
  TORCH_CHECK(options.share_tolerance >= 0 && options.share_tolerance < 1,
              "spread_labels: expected a share_tolerance from 0 to below 1 but got ",
              options.share_tolerance, ".");
  const auto at_least = [](const char* name, int64_t value, int64_t least) {
    TORCH_CHECK(value >= least, "spread_labels: expected ", name, " of at least ", least,
                " but got ", value, ".");
  };
  at_least("first_steps", options.first_steps, 1);
  at_least("steps", options.steps, 1);
  at_least("fine_steps", options.fine_steps, 1);
  at_least("rounds", options.rounds, 0);
  at_least("pairs", options.pairs, 0);
}

}  // namespace

torch::Tensor spread_labels(const torch::Tensor& x, const torch::Tensor& neighbours,
                            const torch::Tensor& labels, const SpreadLabelOptions& options) {
  check_spread(x, neighbours, labels, options);
  const at::NoGradGuard no_gradients;
  const auto near = neighbours.cpu().contiguous();
  const RowGraph graph(near, edge_weights(x, neighbours, options.sharpness).cpu());
  const auto own = classes_of(labels);
  const auto count =
      options.classes > 0 ? options.classes : *std::max_element(own.begin(), own.end()) + 1;
  auto shares = options.shares;
  if (shares.empty()) {
    shares.assign(static_cast<size_t>(count), 1 / static_cast<double>(count));
  }
  LabelDiffusion spread(graph, own, shares, options);
  const auto trade = [&](RowClasses& classes) {
    return trade_places(graph, own, shares, options, classes);
  };
  auto classes = spread.settle(spread.first());
  if (trade(classes)) classes = spread.settle(std::move(classes));
  for (int64_t look = 0; look < kLooks; ++look) {
    auto pairs = pairs_by_cut(graph.cuts(classes, count), count);
    if (static_cast<int64_t>(pairs.size()) > options.pairs) {
      pairs.resize(static_cast<size_t>(options.pairs));
    }
    for (const auto& pair : pairs) divide_again(graph, own, pair, options, classes);
    if (!trade(classes)) break;
    classes = spread.settle_border(std::move(classes));
  }
  for (size_t i = 0; i < own.size(); ++i) {
    if (own[i] >= 0) classes[i] = own[i];
  }
  return at::tensor(classes, at::kLong).to(labels.device());
}

}  // namespace ladder::data
