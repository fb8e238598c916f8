/// Rows that a classifier is fitted to.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ladder/classifier.h"
#include "ladder/data/features.h"
#include "ladder/data/row_source.h"
#include "ladder/data/shards.h"
#include "ladder/exports/prediction_model.h"
#include "ladder/internal/fit_division.h"
#include "ladder/runs/run_config.h"

namespace ladder {

/// Rows as inputs and labels, of whichever kind they were, and what is known of them.
struct Classifier::Rows {
  torch::Tensor inputs = {};  ///< float32 [N, ...]
  torch::Tensor labels = {};  ///< int64 [N]
  /// Rows that are read when they are needed, in place of `inputs`: `labels` are those of
  /// `labeled`.
  std::shared_ptr<const data::RowSource> from = {};
  std::shared_ptr<const data::Shards> shards = {};  ///< of `from`
  torch::Tensor labeled = {};                       ///< int64 [n], ascending
  std::vector<std::string> classes = {};
  std::optional<data::Features> features = {};
  std::optional<exports::ImageInputs> images = {};
  std::string source = {}, label = {};
  torch::Tensor test_inputs = {}, test_labels = {};

  int64_t labeled_count() const { return labels.ge(0).sum().item<int64_t>(); }
  /// Refuse rows that do not fit the options, and names that the model file cannot hold.
  void check(const ClassifierOptions& options) const;
  /// Hold back the share of the labeled rows that the options ask for.
  fitting::Division divided(const ClassifierOptions& options) const;
  /// Return the settings of a run that need no look at a run that is continued, nor at the time.
  runs::RunConfig settings(const ClassifierOptions& options,
                           const fitting::Division& division) const;
};

}  // namespace ladder
