#pragma once

#include <torch/types.h>

#include <memory>
#include <optional>
#include <string>

#include "ladder/data/row_source.h"
#include "ladder/train/evaluate.h"

namespace ladder::train {

/// Rows for a network, a batch at a time: all of `inputs`, or those at `rows`. Bytes stay bytes:
/// the network scales them to its own type. Rows of a source are read.
struct RowBatches {
  torch::Tensor inputs;
  torch::Tensor rows = {};  ///< int64 [n] on the device of the inputs; undefined: all
  std::shared_ptr<const data::RowSource> source = {};  ///< in place of `inputs`, with `rows`
  torch::TensorOptions placed = {};                    ///< type and device of its rows

  int64_t size() const { return rows.defined() ? rows.size(0) : inputs.size(0); }
  torch::Tensor operator()(int64_t begin, int64_t end) const {
    if (source) return source->inputs(rows.slice(0, begin, end)).to(placed);
    return rows.defined() ? inputs.index_select(0, rows.slice(0, begin, end))
                          : inputs.slice(0, begin, end);
  }
};

/// The most probable class of each row, int64 [n].
torch::Tensor predict_rows(Ladder& net, const RowBatches& rows, int64_t batch_size);

/// Errors among rows with a label (0 or above).
struct RowErrors {
  double percent = 0;
  std::optional<ConfusedPair> confused = {};  ///< see most_confused
};
RowErrors errors_of_rows(Ladder& net, const RowBatches& rows, const torch::Tensor& labels,
                         int64_t batch_size);

/// Check labels to evaluate with: int64 [count], -1 or 0..classes-1 (at `rows` only, where
/// defined).
void check_label_values(const std::string& component, const std::string& what,
                        const torch::Tensor& labels, const torch::Tensor& rows, int64_t count,
                        int64_t classes);
/// The same, and that not all of them are -1.
void check_evaluation_labels(const std::string& component, const std::string& what,
                             const torch::Tensor& labels, const torch::Tensor& rows, int64_t count,
                             int64_t classes);

}  // namespace ladder::train
