/// Rows joined to their neighbours.
#pragma once

#include <c10/util/FunctionRef.h>
#include <torch/types.h>

#include <array>
#include <cstdint>
#include <vector>

namespace ladder::data {

/// A class for each row.
using RowClasses = std::vector<int64_t>;

/// Rows joined by symmetric weights: W_ij = (a_ij + a_ji) / 2, where a_ij is the weight of the
/// directed edge from row i to its neighbour j, and 0 for the other rows.
class RowGraph {
 public:
  struct Edge {
    int64_t to = 0;
    float weight = 0;
  };

  /// From the neighbours of each row, int64 [n, k], and the weights a, float [n, k]; both
  /// contiguous and on the CPU.
  RowGraph(const torch::Tensor& neighbours, const torch::Tensor& weights);

  /// The graph of some of the rows, in ascending order, and what joins them.
  RowGraph part(const std::vector<int64_t>& rows) const;

  int64_t rows() const { return static_cast<int64_t>(degree_.size()); }
  /// The sum of the weights of a row.
  float degree(int64_t row) const { return degree_[static_cast<size_t>(row)]; }

  template <class F>
  void for_edges(int64_t row, const F& f) const {
    for (auto e = begin_[static_cast<size_t>(row)]; e < begin_[static_cast<size_t>(row) + 1]; ++e) {
      f(edges_[static_cast<size_t>(e)]);
    }
  }

  /// out = D^-1 W in, for matrices [rows, columns], where D has the degrees on its diagonal; rows
  /// without neighbours become 0. On several threads; the result does not depend on their number.
  void average(const std::vector<float>& in, int64_t columns, std::vector<float>& out) const;

  /// Sums of the weights between rows of each two classes, [classes * classes], symmetric.
  std::vector<double> cuts(const RowClasses& classes, int64_t count) const;

 private:
  RowGraph() = default;
  void add_up();

  std::vector<int64_t> begin_;  // of the edges of each row, and their number
  std::vector<Edge> edges_;
  std::vector<float> degree_;
};

/// Return an int64 tensor [n] as classes.
RowClasses classes_of(const torch::Tensor& values);

using ClassPair = std::array<int64_t, 2>;

/// The rows of two classes, which are 0 and 1 here.
struct TwoClasses {
  std::vector<int64_t> rows = {};  ///< their places among all rows, ascending
  RowClasses now = {};
  RowClasses labels = {};  ///< -1 for none, and for one of another class

  TwoClasses(const RowClasses& classes, const RowClasses& labels_of_all, ClassPair pair);

  /// Labels of class `c`.
  int64_t labeled(int64_t c) const;
  /// Give the rows the sides `two` in the classes of all rows.
  void write(const RowClasses& two, ClassPair pair, RowClasses& classes) const;
};

/// Rows of the smaller one of classes 0 and 1.
int64_t smaller_side(const RowClasses& two);

/// The cut between classes 0 and 1 per row of the smaller one: a border has a smaller cut
/// just by leaving it fewer rows. Infinite if a class has none.
double relative_cut(const RowGraph& graph, const RowClasses& two);

/// Call f(begin, end) for blocks of rows, on several threads where there is work for them.
void for_row_blocks(int64_t rows, int64_t work_of_row, c10::function_ref<void(int64_t, int64_t)> f);

}  // namespace ladder::data
