/// The objective of a training step, and pieces that add costs to it.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ladder/core/gradient_ready.h"
#include "ladder/core/random.h"
#include "ladder/core/semi_batch.h"
#include "ladder/nn/denoising_autoencoder.h"
#include "ladder/nn/ladder.h"

namespace ladder::train {

/// Where a run stands before a step.
struct StepPosition {
  int64_t step = 0;             ///< steps done
  int64_t steps_per_epoch = 0;  ///< 0 outside of a run
  int64_t steps = 0;            ///< steps of the whole run; 0 outside of a run
  /// Whether the step has paired rows (data::SemiData::neighbours); none: not known.
  std::optional<bool> paired = {};

  /// Return the epochs done, whole ones; 0 outside of a run.
  int64_t epoch() const { return steps_per_epoch > 0 ? step / steps_per_epoch : 0; }

  /// Return the epochs done, with the part of the one that has begun; 0 outside of a run.
  double epochs() const {
    return steps_per_epoch > 0 ? static_cast<double>(step) / static_cast<double>(steps_per_epoch)
                               : 0;
  }
};

enum class CostKind { kSupervised, kDenoising, kOther };

/// A cost that is reported by itself.
struct CostTerm {
  CostKind kind = CostKind::kOther;
  std::string name = {};  ///< of a cost of kind kOther
  int64_t level = 0;      ///< of a denoising cost
};

/// Return "supervised cost", "denoising cost of level 1" or "<name> cost".
std::string to_string(const CostTerm& term);

/// Values of one step that pieces compute their costs from; undefined where the step has none.
struct StepValues {
  SemiBatch batch = {};
  torch::Tensor logits = {};            ///< [N, classes], corrupted labeled rows
  torch::Tensor unlabeled_logits = {};  ///< [M, classes], corrupted unlabeled rows
  torch::Tensor clean_logits = {};      ///< [M, classes], clean unlabeled rows
  /// Per level from 0: the denoising cost [], unweighted, and its weight [] in the total. Undefined
  /// where a level has none.
  std::vector<torch::Tensor> denoising = {}, lambda = {};
};

/// Costs of one step.
struct StepLoss {
  torch::Tensor total = {};               ///< what training minimises []
  std::vector<torch::Tensor> costs = {};  ///< [] each, in the order of `Objective::terms`
  StepValues values = {};
};

/// Costs [] that are added to the total of a step, computed from its values.
using MoreCosts = std::function<std::vector<torch::Tensor>(const StepValues&)>;

/// What objectives and pieces do around a step.
class StepHooks {
 public:
  virtual ~StepHooks() = default;

  /// Update what changes from step to step, such as a growing weight. Called before each step,
  /// outside the part that a recorded step repeats (see StepGraph), so write into existing tensors
  /// instead of replacing them.
  virtual void before_step(const StepPosition& position);

  /// Change parameters after each update, without gradients: project rows, average weights. It is
  /// part of a recorded step.
  virtual void after_update();

  /// Put other parameters in place for an evaluation, their averages say, and put those of training
  /// back. A run calls `begin_evaluation` once more when it ends: what it puts in place is the
  /// result.
  virtual void begin_evaluation();
  virtual void end_evaluation();

  /// Return tensors that a resumed run needs beside the parameters, by name. They are shared: a
  /// checkpoint saves them, and resuming copies into them. So make all of them at construction, and
  /// write into them later. A checkpoint with a state that nobody takes is refused.
  virtual std::map<std::string, torch::Tensor> state();

  /// Return the tensors of `state` that depend on the rows of a step, such as running means of
  /// costs. Processes that train together average these tensors over all ranks after each step.
  virtual std::vector<torch::Tensor> row_statistics();
};

/// What training minimises. `loss` may not wait for the device (no `item()`), so that the step can
/// be recorded.
class Objective : public StepHooks {
 public:
  /// Return the module whose parameters are trained and saved.
  virtual torch::nn::Module& module() = 0;

  /// Return the costs that `loss` reports, the same over a run.
  virtual std::vector<CostTerm> terms() const = 0;

  /// Return the costs of one step: `StepLoss::total`, and one of `StepLoss::costs` for each of
  /// `terms`. A training step throws where they are not.
  virtual StepLoss loss(const SemiBatch& batch, NoiseSource& noise) = 0;

  /// Compute costs and gradients in one pass, without autograd, if the objective supports it.
  /// Return the costs of `terms`, then those of `more` (if given), then the total, and store the
  /// gradients in the parameters. Return an undefined tensor and do nothing if it is not supported
  /// (the default), or if several ranks share the rows (`batch.ranks`).
  ///
  /// The gradients are those of `loss(batch, noise).total.backward()`, bit for bit. Costs of `more`
  /// that share values are summed before they are added; if `more` runs the network itself, the
  /// gradients of these runs are added first. Calls `ready`, if given, with each gradient as soon
  /// as it is complete.
  virtual torch::Tensor direct_step(const SemiBatch& batch, NoiseSource& noise,
                                    const GradientReady& ready = {}, const MoreCosts& more = {});

  /// Return the number of levels that denoising costs may have, 0 up: more than the level of any of
  /// `terms`. 0 by default.
  virtual size_t levels() const;

  /// Return values that a resumed run must have again, lambda say, as texts by name.
  virtual std::map<std::string, std::string> settings() const;

  /// Return the network to calibrate and measure at evaluations. None (the default): evaluations
  /// report costs only.
  virtual Ladder classifier();
};

/// A cost, or a change after each update, that is added to an objective:
///
///     // Row norms of the first layer stay at most 1.
///     struct RowNorms : train::ObjectivePiece {
///       explicit RowNorms(torch::Tensor weight) : weight(weight) {}
///       std::string name() const override { return "row norms"; }
///       void after_update() override { weight.copy_(weight.renorm(2, 0, 1)); }
///       torch::Tensor weight;
///     };
class ObjectivePiece : public StepHooks {
 public:
  /// Return the name in evaluations, errors and checkpoints, unique among the pieces.
  virtual std::string name() const = 0;

  /// Return whether `cost` adds a cost; false by default.
  virtual bool has_cost() const;

  /// Return the cost [] that is added to the total, its weight included. Where several ranks share
  /// the rows (`values.batch.ranks`), the mean of what they return is the cost of all rows: the
  /// mean of a cost of each row is so by itself; another function of means takes them by
  /// `mean_over`.
  virtual torch::Tensor cost(const StepValues& values);

  /// Return values that a resumed run must have again, as texts by name.
  virtual std::map<std::string, std::string> settings() const;
};

/// Return the objective of a ladder: its supervised cost and the denoising costs that have a lambda
/// above 0 now. Error: an empty Ladder.
std::shared_ptr<Objective> objective(const Ladder& net);

/// Return the objective of a denoising autoencoder over the unlabeled rows of a batch, or over the
/// labeled ones where it has no others. Evaluations report costs only. Error: an empty network.
std::shared_ptr<Objective> objective(const DenoisingAutoencoder& net);

/// Return `base` with pieces, whose hooks and costs come after its own, in order.
/// Errors: a piece that is null or has no name, two pieces with one name.
///
///     auto objective = train::with_pieces(train::objective(net), {std::make_shared<RowNorms>(w)});
std::shared_ptr<Objective> with_pieces(std::shared_ptr<Objective> base,
                                       std::vector<std::shared_ptr<ObjectivePiece>> pieces);

}  // namespace ladder::train
