/// Rows to train and evaluate on.
#pragma once

#include <torch/types.h>

#include <map>
#include <string>

#include "ladder/data/sampler.h"

namespace ladder::train {

/// Rows to train and evaluate on, all on the network's device. uint8 inputs are taken as x / 255, a
/// batch at a time. Rows of a source (SemiData::source) are read where they are used.
struct TrainData {
  data::SemiData training;
  /// int64 [v], rows of `training.inputs`, none of them labeled ones; undefined for none.
  torch::Tensor validation = {};
  torch::Tensor test_inputs = {};  ///< like `training.inputs`; undefined for none
  torch::Tensor test_labels = {};  ///< int64; rows with label -1 are left out of the error
};

/// Return type, shape and CRC-32 of each tensor of `data`, "Float [600, 784] 1f2e3d4c", by its
/// name: inputs, labels, labeled, unlabeled, validation, test_inputs, test_labels, neighbours,
/// blocks; "none" for one that is undefined. Equal data have equal fingerprints on any device and
/// in any layout, and uint8 inputs the same as x / 255 in float32. A source gives its own
/// fingerprint. Of neighbours and blocks it has the sizes alone, with the epochs that pair
/// neighbours. Takes about 1 s per GB.
std::map<std::string, std::string> data_fingerprint(const TrainData& data);

}  // namespace ladder::train
