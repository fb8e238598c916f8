#include "ladder/data/internal/row_graph.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "ladder/core/internal/threads.h"

namespace ladder::data {

RowGraph::RowGraph(const torch::Tensor& neighbours, const torch::Tensor& weights) {
  const auto rows = neighbours.size(0), k = neighbours.size(1);
  const auto* to = neighbours.const_data_ptr<int64_t>();
  const auto* weight = weights.const_data_ptr<float>();
  begin_.assign(static_cast<size_t>(rows) + 1, 0);
  for (int64_t i = 0; i < rows; ++i) {
    begin_[static_cast<size_t>(i) + 1] += k;
    for (int64_t j = 0; j < k; ++j) ++begin_[static_cast<size_t>(to[i * k + j]) + 1];
  }
  std::partial_sum(begin_.begin(), begin_.end(), begin_.begin());
  edges_.resize(static_cast<size_t>(begin_.back()));
  auto next = begin_;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i * k; j < (i + 1) * k; ++j) {
      const float half = weight[j] / 2;
      edges_[static_cast<size_t>(next[static_cast<size_t>(i)]++)] = {to[j], half};
      edges_[static_cast<size_t>(next[static_cast<size_t>(to[j])]++)] = {i, half};
    }
  }
  add_up();
}

RowGraph RowGraph::part(const std::vector<int64_t>& rows) const {
  std::vector<int64_t> place(degree_.size(), -1);
  for (size_t i = 0; i < rows.size(); ++i) {
    place[static_cast<size_t>(rows[i])] = static_cast<int64_t>(i);
  }
  RowGraph out;
  out.begin_.push_back(0);
  for (const auto row : rows) {
    for_edges(row, [&](const Edge& edge) {
      const auto to = place[static_cast<size_t>(edge.to)];
      if (to >= 0) out.edges_.push_back({to, edge.weight});
    });
    out.begin_.push_back(static_cast<int64_t>(out.edges_.size()));
  }
  out.add_up();
  return out;
}

void RowGraph::average(const std::vector<float>& in, int64_t columns,
                       std::vector<float>& out) const {
  for_row_blocks(rows(), columns * 2 * (begin_.back() / std::max<int64_t>(rows(), 1)),
                 [&](int64_t begin, int64_t end) {
                   for (auto row = begin; row < end; ++row) {
                     auto* sum = out.data() + row * columns;
                     std::fill(sum, sum + columns, 0.0F);
                     for_edges(row, [&](const Edge& edge) {
                       const auto* value = in.data() + edge.to * columns;
                       for (int64_t c = 0; c < columns; ++c) sum[c] += edge.weight * value[c];
                     });
                     const float scale = degree(row) > 0 ? 1 / degree(row) : 0;
                     for (int64_t c = 0; c < columns; ++c) sum[c] *= scale;
                   }
                 });
}

std::vector<double> RowGraph::cuts(const RowClasses& classes, int64_t count) const {
  std::vector<double> out(static_cast<size_t>(count * count), 0.0);
  for (int64_t row = 0; row < rows(); ++row) {
    const auto own = classes[static_cast<size_t>(row)] * count;
    for_edges(row, [&](const Edge& edge) {
      out[static_cast<size_t>(own + classes[static_cast<size_t>(edge.to)])] +=
          static_cast<double>(edge.weight);
    });
  }
  return out;
}

void RowGraph::add_up() {
  degree_.assign(begin_.size() - 1, 0.0F);
  for (size_t i = 0; i < degree_.size(); ++i) {
    for_edges(static_cast<int64_t>(i), [&](const Edge& edge) { degree_[i] += edge.weight; });
  }
}

RowClasses classes_of(const torch::Tensor& values) {
  const auto given = values.cpu().contiguous();
  const auto* first = given.const_data_ptr<int64_t>();
  return {first, first + given.numel()};
}

TwoClasses::TwoClasses(const RowClasses& classes, const RowClasses& labels_of_all, ClassPair pair) {
  const auto place = [&](int64_t of_class) -> int64_t {
    return of_class == pair[0] ? 0 : of_class == pair[1] ? 1 : -1;
  };
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto in = place(classes[i]);
    if (in < 0) continue;
    rows.push_back(static_cast<int64_t>(i));
    now.push_back(in);
    labels.push_back(place(labels_of_all[i]));
  }
}

int64_t TwoClasses::labeled(int64_t c) const { return std::count(labels.begin(), labels.end(), c); }

void TwoClasses::write(const RowClasses& two, ClassPair pair, RowClasses& classes) const {
  for (size_t i = 0; i < two.size(); ++i) {
    classes[static_cast<size_t>(rows[i])] = pair[static_cast<size_t>(two[i])];
  }
}

int64_t smaller_side(const RowClasses& two) {
  const auto first = std::count(two.begin(), two.end(), 0);
  return std::min(first, std::ssize(two) - first);
}

double relative_cut(const RowGraph& graph, const RowClasses& two) {
  const auto fewer = smaller_side(two);
  return fewer > 0 ? graph.cuts(two, 2)[1] / static_cast<double>(fewer)
                   : std::numeric_limits<double>::infinity();
}

void for_row_blocks(int64_t rows, int64_t work_of_row,
                    c10::function_ref<void(int64_t, int64_t)> f) {
  constexpr int64_t kRows = 1024;
  threads::for_tasks((rows + kRows - 1) / kRows,
                     [&](int64_t task) { f(task * kRows, std::min((task + 1) * kRows, rows)); },
                     rows * work_of_row);
}

}  // namespace ladder::data
