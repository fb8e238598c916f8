/// One training of a classifier, from divided rows to a calibrated network.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "ladder/classifier.h"
#include "ladder/data/block_order.h"
#include "ladder/data/row_source.h"
#include "ladder/internal/fit_division.h"
#include "ladder/nn/ladder.h"
#include "ladder/runs/run_config.h"
#include "ladder/train/trainer.h"

namespace ladder::fitting {

/// Return the blocks that a run shuffles its rows by.
data::BlockSizes blocks_of(const runs::RunConfig& config);

/// The rows, and how networks are trained on them.
struct Training {
  const ClassifierOptions& options;
  const runs::RunConfig& config;
  const torch::Tensor& inputs;
  const torch::Tensor& labels;
  std::shared_ptr<const data::RowSource> from;  ///< rows that are read, in place of `inputs`
  int64_t classes;
  torch::Tensor test_inputs = {}, test_labels = {};

  /// Return a network with its initial parameters.
  Ladder build() const;

  torch::Tensor labels_at(const torch::Tensor& rows) const;
  torch::Tensor inputs_at(const torch::Tensor& rows) const;

  /// Return a trainer of `epochs` epochs. `eval_every`: none is that of the settings.
  train::Trainer trainer(const Ladder& net, const Division& division,
                         const train::RunRecordFactory& record, int64_t epochs,
                         std::optional<int64_t> eval_every = {}) const;

  /// Return epochs of `drawn` rows each, those of the run that is continued where minutes were
  /// asked for.
  int64_t epochs(const Division& division, int64_t drawn, int64_t steps_per_epoch,
                 const std::optional<runs::RunConfig>& continued) const;

  /// Train `net`, and calibrate it where training was interrupted: it is the model so far. The
  /// record of a run that is continued tells where it went on (runs::add_resumed).
  train::TrainResult run(Ladder& net, const Division& division,
                         const train::RunRecordFactory& record,
                         const std::optional<runs::RunConfig>& continued) const;

  using TakePredictions =
      std::function<void(const torch::Tensor& probabilities, const torch::Tensor& row_labels)>;

  /// Predict `rows` in parts, so that the inputs of all of them are never there at once.
  void predict(const Ladder& net, const torch::Tensor& rows, const TakePredictions& take) const;

  /// Return what the network predicts for the validation rows.
  HeldBack held_back(const Ladder& net, const Division& division) const;

 private:
  torch::Tensor placed(const torch::Tensor& tensor) const;
  std::shared_ptr<train::Objective> objective_of(const Ladder& net,
                                                 const torch::Tensor& labeled) const;
  int64_t epochs_within(double minutes, const Division& rows) const;
};

}  // namespace ladder::fitting
