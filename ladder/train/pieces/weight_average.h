/// Running means of the weights, which are measured and kept in their place.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>
#include <vector>

#include "ladder/train/objective.h"

namespace ladder::train {

/// Return the piece that averages parameters after each update [Polyak1992], [Tarvainen2017]:
///
///     a_t = a_(t-1) + max(1 - decay, 1 / t) (w_t - a_(t-1))
///
/// a_t is the plain mean of the first 1 / (1 - decay) steps, and a running mean from then on.
/// Evaluations measure a_t in place of w_t, and a run that ends leaves a_t in the network; training
/// itself never sees it. Checkpoints hold both.
///
/// Errors: no parameters, or one that is not floating; a decay outside of 0 to below 1.
///
///     auto objective = train::with_pieces(train::objective(net), {train::weight_average(*net)});
std::shared_ptr<ObjectivePiece> weight_average(std::vector<torch::Tensor> parameters,
                                               double decay = 0.999);

/// The same for all parameters of `module`.
std::shared_ptr<ObjectivePiece> weight_average(const torch::nn::Module& module,
                                               double decay = 0.999);

}  // namespace ladder::train
