#include "ladder/data/better_borders.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/data/internal/graph_modes.h"
#include "ladder/data/internal/label_diffusion.h"
#include "ladder/data/internal/row_checks.h"
#include "ladder/data/internal/row_graph.h"

namespace ladder::data {

void check_options(const char* name, const BetterBorderOptions& options) {
  TORCH_CHECK(options.pairs >= 0, name, ": expected pairs of at least 0 but got ", options.pairs,
              ".");
  TORCH_CHECK(std::isfinite(options.times) && options.times > 1, name,
              ": expected times above 1 but got ", options.times, ".");
}

namespace {

constexpr int64_t kBorderModes = 6;  // of a pair of classes
constexpr double kMinSide = 0.9;     // least rows of a side, as a part of the smaller class

void check_borders(const torch::Tensor& neighbours, const torch::Tensor& classes,
                   const torch::Tensor& labels, const BetterBorderOptions& options) {
  constexpr const char* kName = "better_borders";
  TORCH_CHECK(classes.defined() && classes.dim() == 1 && classes.numel() > 0 &&
                  classes.scalar_type() == at::kLong && classes.min().item<int64_t>() >= 0,
              kName, ": expected int64 classes [rows], from 0, but got ",
              type_and_shape_text(classes), ".");
  const auto n = classes.size(0);
  check_label_rows(kName, labels, n);
  check_neighbours(kName, neighbours, n);
  check_options(kName, options);
}

// Pairs of classes by the cut between them per row of the smaller one, largest first; those without
// any are left out.
std::vector<ClassPair> pairs_by_relative_cut(const RowGraph& graph, const RowClasses& classes) {
  std::map<ClassPair, double> cuts;
  std::map<int64_t, int64_t> rows;
  for (int64_t row = 0; row < graph.rows(); ++row) {
    const auto own = classes[static_cast<size_t>(row)];
    ++rows[own];
    graph.for_edges(row, [&](const RowGraph::Edge& edge) {
      const auto other = classes[static_cast<size_t>(edge.to)];
      if (own < other) cuts[{own, other}] += static_cast<double>(edge.weight);
    });
  }
  std::vector<std::pair<double, ClassPair>> found;
  for (const auto& [pair, cut] : cuts) {
    const auto fewer = std::min(rows.at(pair[0]), rows.at(pair[1]));
    found.push_back({-cut / static_cast<double>(fewer), pair});
  }
  std::sort(found.begin(), found.end());
  std::vector<ClassPair> out;
  for (const auto& one : found) out.push_back(one.second);
  return out;
}

// Put the rows of two classes on the sides of a better border, if there is one.
void take_better_border(const RowGraph& graph, const RowClasses& labels, ClassPair pair,
                        const BetterBorderOptions& options, RowClasses& classes) {
  const TwoClasses two(classes, labels, pair);
  const auto labeled = two.labeled(0) + two.labeled(1);
  if (two.labeled(0) == 0 || two.labeled(1) == 0) return;
  const auto both = graph.part(two.rows);
  LabelDiffusion own(both, two.labels, {0.5, 0.5}, {});
  // Without labels: each would hold a few rows around it in the middle of the other class.
  LabelDiffusion free(both, RowClasses(two.now.size(), -1), {0.5, 0.5}, {});
  const auto kept = std::max(own.kept(two.now) - labeled / 10, (3 * labeled + 3) / 4);
  const auto side = smaller_side(two.now);
  double least = relative_cut(both, two.now) / options.times;
  RowClasses better;
  const auto most_agree = [&](const RowClasses& found, int64_t c) {
    int64_t right = 0;
    for (size_t i = 0; i < found.size(); ++i) right += two.labels[i] == c && found[i] == c;
    return 2 * right > two.labeled(c);
  };
  const auto take = [&](const RowClasses& found) {
    const bool fits =
        static_cast<double>(smaller_side(found)) >= kMinSide * static_cast<double>(side) &&
        own.kept(found) >= kept && most_agree(found, 0) && most_agree(found, 1);
    const double cut = fits ? relative_cut(both, found) : least;
    if (cut >= least) return;
    least = cut;
    better = found;
  };
  const auto modes = slowest_modes(both, kBorderModes, options.seed);
  for (int64_t mode = 0; mode < kBorderModes; ++mode) {
    auto found = split_by_mode(both, modes, mode, /*up=*/true, side, both.rows() - side);
    if (2 * own.kept(found) < labeled) {
      for (auto& c : found) c = 1 - c;
    }
    take(found);
    take(free.settle_border(std::move(found)));
  }
  two.write(better, pair, classes);
}

}  // namespace

torch::Tensor better_borders(const torch::Tensor& neighbours, const torch::Tensor& classes,
                             const torch::Tensor& labels, const BetterBorderOptions& options) {
  check_borders(neighbours, classes, labels, options);
  const at::NoGradGuard no_gradients;
  const auto near = neighbours.cpu().contiguous();
  const RowGraph graph(near, at::ones(near.sizes(), at::kFloat));
  const auto now = classes_of(classes), label = classes_of(labels);
  auto pairs = pairs_by_relative_cut(graph, now);
  if (std::ssize(pairs) > options.pairs) pairs.resize(static_cast<size_t>(options.pairs));
  auto then = now;
  for (const auto& pair : pairs) take_better_border(graph, label, pair, options, then);
  for (size_t i = 0; i < then.size(); ++i) {
    if (then[i] == now[i]) then[i] = -1;
  }
  return at::tensor(then, at::kLong).to(classes.device());
}

}  // namespace ladder::data
