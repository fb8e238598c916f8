/// Interface of one level of the encoder.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>
#include <torch/nn/modules/container/any.h>

#include <vector>

#include "ladder/nn/pass.h"
#include "ladder/nn/pluggable.h"

namespace ladder {

/// Activations of all rows, and the values of each group that the decoder compares.
struct StageOutput {
  torch::Tensor h;  ///< [R, ...], activations, the input of the next stage
  /// Per group [rows, ...]: normalised values with their noise. May be empty where nobody compares
  /// them (Pass::compared).
  std::vector<torch::Tensor> z;
  torch::Tensor mean, std;  ///< [G, C], statistics of each group before normalisation

  /// Normalised values of the rows with this role.
  const torch::Tensor& z_of(const Pass& pass, RowRole role) const { return z[pass.group(role)]; }
  /// Statistics [C] of the rows with this role.
  torch::Tensor mean_of(const Pass& pass, RowRole role) const {
    return mean[static_cast<int64_t>(pass.group(role))];
  }
  torch::Tensor std_of(const Pass& pass, RowRole role) const {
    return std[static_cast<int64_t>(pass.group(role))];
  }
};

/// One level of an encoder: apply a map, normalise each group of rows, add noise to noisy groups,
/// activate [Rasmus2015, algorithm 1].
///
/// A stage is an ordinary torch module that also implements this interface:
///
///     struct MyStageImpl : torch::nn::Cloneable<MyStageImpl>, ladder::Stage {
///       void reset() override;               // registers map_ and a NoisyNormalization
///       ladder::StageOutput forward(const torch::Tensor& h, const ladder::Pass& pass) override {
///         return normalization_->forward(map_->forward(h), pass);
///       }
///       torch::nn::AnyModule make_vertical(
///           at::IntArrayRef in, at::IntArrayRef out) const override;
///     };
class Stage {
 public:
  virtual ~Stage() = default;

  /// Run the stage over the rows of all groups. In a pass with Statistics::kCalibrate, everything
  /// that stores statistics measures them: a NoisyNormalization does when it is given the pass;
  /// other modules call `pass.calibration->measure(*this)`. A network refuses to calibrate over a
  /// stage that measures nothing.
  virtual StageOutput forward(const torch::Tensor& h, const Pass& pass) = 0;

  /// Make the decoder's map for this stage: a module from [M, out...] to [M, in...], where `in` and
  /// `out` are the shapes of one row before and after the stage.
  virtual torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const = 0;
};

/// A stage of any type, as an element of a list.
using AnyStage = Pluggable<Stage>;
using Stages = std::vector<AnyStage>;

}  // namespace ladder
