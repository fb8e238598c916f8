/// The interface of one level of the encoder.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/any.h>

#include <vector>

#include "ladder/nn/pass.h"
#include "ladder/nn/pluggable.h"

namespace ladder {

/// What a stage returns: activations of all rows, and what the decoder compares.
struct StageOutput {
  torch::Tensor h;               ///< [R, ...], activations, input of the next stage
  std::vector<torch::Tensor> z;  ///< per group [rows, ...], normalised values with their noise;
                                 ///< may be empty where nobody compares them (Pass::compared)
  torch::Tensor mean, std;       ///< [G, C], statistics of each group before normalisation
};

/// One level of an encoder: a map, then normalise per row group, noise on noisy groups, activation
/// [Rasmus2015, algorithm 1].
///
/// An interface beside torch::nn::Module, so that a stage of your own is an ordinary module:
///
///     struct MyStageImpl : torch::nn::Cloneable<MyStageImpl>, ladder::Stage {
///       void reset() override;               // map_ and a NoisyNormalization
///       ladder::StageOutput forward(const torch::Tensor& h, const ladder::Pass& pass) override {
///         return normalization_->forward(map_->forward(h), pass);
///       }
///       torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const
///       override;
///     };
class Stage {
 public:
  virtual ~Stage() = default;

  virtual StageOutput forward(const torch::Tensor& h, const Pass& pass) = 0;

  /// The decoder's map for this stage: a module that takes [M, out...] to [M, in...], where `in`
  /// and `out` are the shapes of one row before and after the stage.
  virtual torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const = 0;
};

/// A stage of any type, as stages stand in a list.
using AnyStage = Pluggable<Stage>;
using Stages = std::vector<AnyStage>;

}  // namespace ladder
