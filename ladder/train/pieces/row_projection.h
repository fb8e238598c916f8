/// Keep the rows of the weights at their initial norms.
#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <memory>
#include <vector>

#include "ladder/train/objective.h"

namespace ladder::train {

/// After each update, scale each row of the weights back to its first norm [Huang2017]:
///
///     w_i <- w_i |w_i(0)| / |w_i|
///
/// w_i is row i of a weight: the weights into a unit, or the kernel of an output channel. Because
/// of the normalisation that follows, the output of a layer does not depend on the norm of w_i. The
/// norm only affects how far a step turns the row: without projection, rows grow and therefore
/// learn ever more slowly. With projection, the learning rate directly sets how far a row turns.
///
/// Checkpoints hold the first norms. Error: weights that are empty, of fewer than 2 dimensions or
/// not of a floating type; a row of norm 0 or with a value that is not finite.
///
///     auto net = models::full_ladder({});
///     reset_parameters(*net, stream_seed(1, "init"));   // before: the norms are taken now
///     auto objective = train::with_pieces(train::objective(net), {train::row_projection(*net)});
std::shared_ptr<ObjectivePiece> row_projection(std::vector<torch::Tensor> weights);

/// The same for all weights that a matrix product or a convolution of `module` takes: parameters
/// called "weight" of 2 or more dimensions, but for those of combinators, which act on each unit by
/// itself. Error: a module without any.
std::shared_ptr<ObjectivePiece> row_projection(const torch::nn::Module& module);

}  // namespace ladder::train
