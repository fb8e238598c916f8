/// Interface of one level of the encoder.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>
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
  /// Error: fewer groups than the pass has.
  const torch::Tensor& z_of(const Pass& pass, RowRole role) const {
    const auto group = pass.group(role);
    TORCH_CHECK(group < z.size(), "Stage: expected z of at least ", group + 1,
                " groups from a stage but got ", z.size(), kHint);
    return z[group];
  }
  /// Statistics [C] of the rows with this role. Error: as above.
  torch::Tensor mean_of(const Pass& pass, RowRole role) const {
    return statistics_of("mean", mean, pass, role);
  }
  torch::Tensor std_of(const Pass& pass, RowRole role) const {
    return statistics_of("std", std, pass, role);
  }

 private:
  static constexpr const char* kHint = " (return what NoisyNormalization::forward returns).";

  static torch::Tensor statistics_of(const char* name, const torch::Tensor& statistics,
                                     const Pass& pass, RowRole role) {
    const auto group = static_cast<int64_t>(pass.group(role));
    TORCH_CHECK(statistics.defined() && statistics.dim() == 2 && group < statistics.size(0),
                "Stage: expected ", name, " [groups, C] of at least ", group + 1,
                " groups from a stage but got ",
                statistics.defined() ? c10::str(statistics.sizes()) : "none", kHint);
    return statistics[group];
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
  /// other modules call `pass.calibration->measure(*this)`, once a batch. A network refuses to
  /// calibrate over a stage that measures nothing, or by a module that is no child of it.
  /// A stage may not change `h` in place, nor mix its rows by a BatchNorm.
  virtual StageOutput forward(const torch::Tensor& h, const Pass& pass) = 0;

  /// Make the decoder's map for this stage: a module from [M, out...] to [M, in...], where `in` and
  /// `out` are the shapes of one row before and after the stage.
  virtual torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const = 0;
};

/// A stage of any type, as an element of a list.
using AnyStage = Pluggable<Stage>;
using Stages = std::vector<AnyStage>;

}  // namespace ladder
