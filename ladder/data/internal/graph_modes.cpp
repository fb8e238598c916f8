#include "ladder/data/internal/graph_modes.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "ladder/core/random.h"

namespace ladder::data {
namespace {

constexpr int64_t kMoreColumns = 3;  // the constant mode, and two that make the others precise
constexpr int64_t kModeSteps = 300;  // after which they are told apart

// Matrices [rows, columns] whose columns are looked at under D: a b = sum of d_i a_i b_i.
class Columns {
 public:
  // Constant, then random.
  Columns(const RowGraph& graph, int64_t columns, uint64_t seed)
      : graph_(graph),
        columns_(columns),
        values_(static_cast<size_t>(graph.rows() * columns)),
        next_(values_.size()) {
    PhiloxEngine random(seed);
    for (size_t i = 0; i < values_.size(); ++i) {
      const bool constant = i % static_cast<size_t>(columns) == 0;
      values_[i] = constant ? 1.0F : static_cast<float>(random()) / 4294967296.0F - 0.5F;
    }
  }

  // values <- D^-1 W values
  void average() {
    graph_.average(values_, columns_, next_);
    std::swap(values_, next_);
  }

  void make_orthonormal() {
    for (int64_t a = 0; a < columns_; ++a) {
      for (int64_t b = 0; b < a; ++b) add(a, b, -product(values_, a, b));
      const double length = std::sqrt(product(values_, a, a));
      add(a, a, (length > 0 ? 1 / length : 0) - 1);
    }
  }

  // The eigenvectors of D^-1 W within the space of orthonormal columns, from the largest
  // eigenvalue down, but for the first: [rows, count].
  std::vector<float> modes(int64_t count) {
    graph_.average(values_, columns_, next_);
    auto within = at::empty({columns_, columns_}, at::kDouble);
    for (int64_t a = 0; a < columns_; ++a) {
      for (int64_t b = 0; b < columns_; ++b) {
        within[a][b] = (product(next_, a, b) + product(next_, b, a)) / 2;
      }
    }
    const auto vectors = std::get<1>(at::linalg_eigh(within)).contiguous();  // ascending
    const auto* turn = vectors.const_data_ptr<double>();
    std::vector<float> out;
    for (int64_t row = 0; row < graph_.rows(); ++row) {
      const auto* value = values_.data() + row * columns_;
      for (int64_t mode = 0; mode < count; ++mode) {
        double sum = 0;
        for (int64_t c = 0; c < columns_; ++c) {
          sum += static_cast<double>(value[c]) * turn[c * columns_ + columns_ - 2 - mode];
        }
        out.push_back(static_cast<float>(sum));
      }
    }
    return out;
  }

 private:
  // Of column a of `left` and column b of these.
  double product(const std::vector<float>& left, int64_t a, int64_t b) const {
    double sum = 0;
    for (int64_t row = 0; row < graph_.rows(); ++row) {
      sum += static_cast<double>(graph_.degree(row)) *
             static_cast<double>(left[static_cast<size_t>(row * columns_ + a)]) *
             static_cast<double>(values_[static_cast<size_t>(row * columns_ + b)]);
    }
    return sum;
  }

  void add(int64_t to, int64_t from, double factor) {
    for (int64_t row = 0; row < graph_.rows(); ++row) {
      auto* value = values_.data() + row * columns_;
      value[to] += static_cast<float>(factor) * value[from];
    }
  }

  const RowGraph& graph_;
  int64_t columns_;
  std::vector<float> values_, next_;
};

}  // namespace

std::vector<float> slowest_modes(const RowGraph& graph, int64_t count, uint64_t seed) {
  constexpr int64_t kOrthonormalEvery = 5;
  Columns columns(graph, count + kMoreColumns, seed);
  for (int64_t step = 0; step < kModeSteps; ++step) {
    if (step % kOrthonormalEvery == 0) columns.make_orthonormal();
    columns.average();
  }
  columns.make_orthonormal();
  return columns.modes(count);
}

RowClasses split_by_mode(const RowGraph& graph, const std::vector<float>& modes, int64_t mode,
                         bool up, int64_t least, int64_t most) {
  const auto rows = graph.rows();
  const auto count_of_modes = std::ssize(modes) / rows;
  const auto value = [&](int64_t row) {
    const float v = modes[static_cast<size_t>(row * count_of_modes + mode)];
    return up ? -v : v;
  };
  std::vector<int64_t> order(static_cast<size_t>(rows)), place(order.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return value(a) != value(b) ? value(a) < value(b) : a < b;
  });
  for (size_t i = 0; i < order.size(); ++i) {
    place[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  }
  // Of the edges between the first `count` rows and the others, from count to count.
  double cut = 0, smallest = std::numeric_limits<double>::infinity();
  int64_t best = least;
  for (int64_t count = 1; count <= most; ++count) {
    graph.for_edges(order[static_cast<size_t>(count) - 1], [&](const RowGraph::Edge& edge) {
      const bool inside = place[static_cast<size_t>(edge.to)] < count - 1;
      cut += static_cast<double>(inside ? -edge.weight : edge.weight);
    });
    const double relative = cut / static_cast<double>(std::min(count, rows - count));
    if (count >= least && relative < smallest) {
      smallest = relative;
      best = count;
    }
  }
  RowClasses out(order.size(), 1);
  for (int64_t i = 0; i < best; ++i) out[static_cast<size_t>(order[static_cast<size_t>(i)])] = 0;
  return out;
}

}  // namespace ladder::data
