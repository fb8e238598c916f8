/// A graph with labels, and where its classes settle.
#pragma once

#include <c10/util/FunctionRef.h>

#include <cstdint>
#include <vector>

#include "ladder/data/internal/row_graph.h"
#include "ladder/data/spread_labels.h"

namespace ladder::data {

/// Poisson learning on a graph; `spread_labels` has the formulas.
class LabelDiffusion {
 public:
  /// `labels`: the class of each row, or -1; `shares`: the part of the rows that each class has.
  /// The graph has to live as long as this.
  LabelDiffusion(const RowGraph& graph, RowClasses labels, std::vector<double> shares,
                 const SpreadLabelOptions& options);

  int64_t classes() const { return static_cast<int64_t>(shares_.size()); }

  /// From the labels alone.
  RowClasses first();
  /// From classes of all rows, in their shares.
  RowClasses settle(RowClasses now);
  /// From a border between classes, which may move to where the cut is small.
  RowClasses settle_border(RowClasses now);

  /// Labels that have their class.
  int64_t kept(const RowClasses& now) const;

 private:
  RowClasses settle(RowClasses now, int64_t steps, c10::function_ref<RowClasses()> choose);
  void diffuse(int64_t steps);
  RowClasses largest(const std::vector<float>& b) const;
  RowClasses balanced() const;

  const RowGraph& graph_;
  RowClasses labels_;
  std::vector<int64_t> labeled_;  // rows with a label
  std::vector<double> shares_;
  SpreadLabelOptions options_;
  std::vector<float> sources_;        // F of the rows with a label, [labeled, classes]
  std::vector<float> values_, next_;  // u, [rows, classes]
};

}  // namespace ladder::data
