/// A ladder over a network that is there already.
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <vector>

#include "ladder/nn/ladder.h"

namespace ladder {

/// Those of Ladder, and the noise of its stages.
struct FromSequentialOptions {
  std::vector<int64_t> input_shape = {};  ///< of one row, {1, 28, 28} say
  std::vector<double> lambda = {};        ///< of the input and of each stage (see below)
  double input_noise = 0.3;
  double noise_std = 0.3;             ///< of the noise at every stage
  CombinatorFactory combinator = {};  ///< by default GaussianCombinator
};

/// The ladder whose encoder is `net`: a copy of its weights in stages of this library; `net` stays
/// as it is. The ladder has the dtype and the device of the parameters of `net`. Layer by layer:
///
/// - **Linear, Conv1d, Conv2d** start a stage with their weight. Their bias is dropped, since the
///   normalisation that follows takes it out: a shift after it, beta, has its role. What the bias
///   would be there depends on a standard deviation not known yet, so beta starts at 0, or at what
///   a BatchNorm says. Linear gives NoisyBatchNormLinear. Conv2d with a valid, same or full border,
///   without groups or dilation, gives NoisyConv; any other geometry, and Conv1d, a NoisyStage with
///   a TransposedMap in the decoder.
/// - **MaxPool1d/2d, AvgPool1d/2d, AdaptiveAvgPool1d/2d(1)** are stages of their own, normalised
///   and noised [Rasmus2015, section 4.2]: the layer as it is in a NoisyStage, with nearest
///   neighbours (`UpsampleMap`) in the decoder. An AdaptiveAvgPool2d(1) that ends the network is a
///   NoisyGlobalMeanPool with gamma and beta, whose factor on the mean changes the denoising cost
///   of the top but not the logits.
/// - **BatchNorm1d/2d** right after one of these becomes the normalisation of its stage, which has
///   no eps but 1e-10. With affine = true the stage learns gamma and beta, which start at
///   gamma = weight, beta = bias / weight: gamma (z + beta) = weight z + bias. Running statistics
///   become the stored ones: mean - bias of the layer before it, variance + eps.
/// - **ReLU, LeakyReLU, Tanh, GELU, Identity** are the activation of the stage before them.
/// - **Dropout, Dropout2d** are left out: the noise at every level of the ladder takes their place,
///   and rows that lost units at random would be compared with clean ones that did not.
/// - **Flatten** of all dimensions only reshapes.
///
/// The last Linear (or AdaptiveAvgPool2d) is the softmax top: logits without an activation, with
/// gamma and beta. Level l is the l-th Linear, convolution or pooling, so lambda has one value more
/// than there are of these.
///
/// In train mode the ladder gives the logits of `net` in train mode, but for Dropout, for eps, and
/// where `net` has no BatchNorm after a layer. Where it has one after every layer, the ladder in
/// eval mode gives the logits of `net` in eval mode at once; otherwise it asks for `calibrate`.
///
/// Errors name the layer by its place, from 0, and its kind: one of another kind, one that cannot
/// take the rows it is given, BatchNorm or an activation where a stage has no place for it, one
/// that activates or follows the top.
///
///     torch::nn::Sequential net(torch::nn::Linear(20, 100), torch::nn::ReLU(),
///                               torch::nn::Linear(100, 3));
///     auto ladder = from_sequential(net, {.input_shape = {20}, .lambda = {100, 1, 0.1}});
Ladder from_sequential(const torch::nn::Sequential& net, const FromSequentialOptions& options);

}  // namespace ladder
