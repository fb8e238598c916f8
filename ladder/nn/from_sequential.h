/// Convert an existing torch::nn::Sequential into a ladder.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <vector>

#include "ladder/nn/ladder.h"

namespace ladder {

/// Options of the ladder and noise of its stages.
struct FromSequentialOptions {
  std::vector<int64_t> input_shape = {};  ///< shape of one row, for example {1, 28, 28}
  std::vector<double> lambda = {};    ///< cost weights of the input and of each stage (see below)
  double input_noise = 0.3;           ///< standard deviation of the noise on the input
  double noise_std = 0.3;             ///< standard deviation of the noise at every stage
  CombinatorFactory combinator = {};  ///< default: GaussianCombinator
};

/// Make a ladder whose encoder computes what `net` does, from a copy of its weights; `net` does not
/// change. The ladder has the type and the device of the parameters of `net`. Layer by layer:
///
/// - **Linear, Conv1d, Conv2d** start a stage with their weight. Their bias is dropped, because the
///   normalisation that follows cancels it; beta, a shift after the normalisation, replaces it and
///   starts at 0 or at the value of a BatchNorm. Linear becomes NoisyBatchNormLinear. Conv2d with a
///   valid, same or full border, without groups or dilation, becomes NoisyConv. Other convolutions
///   become a NoisyStage with a TransposedMap in the decoder.
/// - **MaxPool1d/2d, AvgPool1d/2d, AdaptiveAvgPool1d/2d(1)** become separate stages with
///   normalisation and noise [Rasmus2015, section 4.2]: a NoisyStage around the layer, with
///   nearest-neighbour upsampling (`UpsampleMap`) in the decoder. An AdaptiveAvgPool2d(1) that ends
///   the network becomes a NoisyGlobalMeanPool with gamma and beta; its factor W sqrt(3) on the
///   mean changes the denoising cost of the top but not the logits. One below the top has no such
///   factor, unlike a NoisyGlobalMeanPool there: in the cost of its level z^ is divided by a
///   standard deviation that is smaller by the factor.
/// - **BatchNorm1d/2d** right after one of these becomes the normalisation of its stage, with an
///   eps of 1e-10. With affine = true the stage learns gamma and beta, initially gamma = weight and
///   beta = bias / weight: gamma (z + beta) = weight z + bias. Running statistics become the stored
///   statistics: mean - bias of the layer before it, variance + eps.
/// - **ReLU, LeakyReLU, Tanh, GELU, Identity** become the activation of the stage before them.
/// - **Dropout, Dropout2d** are left out: the ladder has noise at every level, and its clean rows
///   must not lose units.
/// - **Flatten** of all dimensions only reshapes.
///
/// If the same layer is used in several places, each place becomes a stage with separate weights.
/// Training no longer keeps them equal.
///
/// The last Linear (or AdaptiveAvgPool2d) becomes the softmax top: logits without an activation,
/// with gamma and beta. Level l is the l-th Linear, convolution or pooling; lambda has one value
/// more than there are of these.
///
/// In train mode the ladder gives the logits of `net` in train mode, except for Dropout, for eps,
/// and where a layer of `net` has no BatchNorm. Where every layer has one, the ladder in eval mode
/// gives the logits of `net` in eval mode at once; otherwise it needs `calibrate` first.
///
/// Errors name the layer by its place, from 0, and its kind: a layer of another kind, also one
/// that derives from a layer of this list, whose `forward` may be another; one that cannot take the
/// rows before it; a BatchNorm or an activation that does not directly follow its stage; an
/// activation after the top.
///
///     torch::nn::Sequential net(torch::nn::Linear(20, 100), torch::nn::ReLU(),
///                               torch::nn::Linear(100, 3));
///     auto ladder = from_sequential(net, {.input_shape = {20}, .lambda = {100, 1, 0.1}});
Ladder from_sequential(const torch::nn::Sequential& net, const FromSequentialOptions& options);

}  // namespace ladder
