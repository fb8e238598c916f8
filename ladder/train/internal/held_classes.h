#pragma once

#include <c10/core/Device.h>
#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ladder/nn/ladder.h"
#include "ladder/train/internal/step_weight.h"
#include "ladder/train/objective.h"

namespace ladder::train {

struct HeldClassesOptions {
  const char* piece = "";          ///< its function, for errors
  double weight = 1;               ///< w, at least 0
  std::vector<double> at = {};     ///< parts of the run after which to look, ascending
  double lasts = 0.1;              ///< part of the run for which the cost is on after each
  c10::Device device = c10::kCPU;  ///< of the network
};

/// What the options of a piece, such as ClusterRepairOptions, say of it.
template <class PieceOptions>
HeldClassesOptions held_classes(const char* piece, const PieceOptions& options) {
  return {.piece = piece,
          .weight = options.weight,
          .at = options.at,
          .lasts = options.lasts,
          .device = options.device};
}

/// A piece that looks at all unlabeled rows at some moments of a run, and holds them for a while in
/// the classes c_n, with the weights a_n, that the look gave them:
///
///     w(t) / M sum over the M unlabeled rows n of a batch of a_n (-log p_n,c_n)
///
/// w(t) is w from a look until `lasts` of the run later or until the next look, and 0 else.
class HeldClasses : public ObjectivePiece {
 public:
  bool has_cost() const override { return true; }
  std::map<std::string, torch::Tensor> state() override;
  void before_step(const StepPosition& at) override;
  torch::Tensor cost(const StepValues& values) override;

 protected:
  /// Of the rows `unlabeled` of `inputs` (undefined: all). Errors: options out of range, an empty
  /// network or one of more than 32,768 classes, fewer than 2 rows.
  HeldClasses(HeldClassesOptions options, Ladder net, torch::Tensor inputs,
              torch::Tensor unlabeled);

  /// Look at the rows and call hold(). Not called where the weight is 0.
  virtual void look(const StepPosition& at) = 0;

  /// Hold rows() in `classes`, int64 [N], with the weights [N].
  void hold(const torch::Tensor& classes, const torch::Tensor& weights);

  /// Hold rows() in the classes that their clusters belong to: `lost`, int64 [N], or `classes`
  /// where that is -1. If F of N rows are lost, they weigh N / (10 F) each, at least 1 and at most
  /// 100, and the others 1: these keep the rows of their class. If none is, all weigh 0.
  void hold_lost(const torch::Tensor& classes, const torch::Tensor& lost);

  Ladder& net() { return net_; }
  const torch::Tensor& inputs() const { return inputs_; }
  const torch::Tensor& rows() const { return rows_; }  ///< places of unlabeled rows, int64 [N]

  /// weight, at and lasts, for ObjectivePiece::settings.
  std::map<std::string, std::string> looks() const;

 private:
  HeldClassesOptions options_;
  Ladder net_;
  torch::Tensor inputs_;
  torch::Tensor rows_;
  StepWeight weight_;      // w(t)
  torch::Tensor classes_;  // c_n, int16 [rows of inputs]
  torch::Tensor weights_;  // a_n, [rows of inputs]
};

}  // namespace ladder::train
