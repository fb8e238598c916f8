/// Rows of any source, with labels: a table, or images.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ladder/data/shards.h"
#include "ladder/data/table.h"

namespace ladder::data {

/// Part of a data set that was published in two parts.
enum class Part { kTrain, kTest };

/// Rows to learn from or to predict.
///
/// Either a table, images or shards are set. A table keeps its label as a column. Images have
/// labels of their own, which index `classes`.
struct Samples {
  std::string source = {};          ///< file or folder that was read
  std::optional<Table> table = {};  ///< rows of a table
  std::string label = {};  ///< column of a table that its source says are the labels; empty if none
  torch::Tensor images = {};  ///< uint8 [N, C, H, W], C is 1 or 3; undefined for a table
  std::shared_ptr<const Shards> shards = {};  ///< rows of a table in files, with their labels
  torch::Tensor labels = {};  ///< int64 [N] of images, -1 for none; undefined for a table
  std::vector<std::string> classes = {};   ///< class names of images, in the order of their labels
  std::vector<std::string> names = {};     ///< file names of images; empty if they have none
  std::vector<std::string> problems = {};  ///< a sentence for each file that could not be read
  std::vector<std::string> notes = {};     ///< what else is worth saying, such as lost classes

  int64_t rows() const { return table ? table->rows : shards ? shards->rows() : images.size(0); }
};

}  // namespace ladder::data
