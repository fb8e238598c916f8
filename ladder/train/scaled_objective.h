/// A ladder's cost whose denoising weights follow the size of the costs.
#pragma once

#include <memory>
#include <vector>

#include "ladder/nn/ladder.h"
#include "ladder/train/objective.h"

namespace ladder::train {

struct ScaledObjectiveOptions {
  /// Weights w_l of levels 0 to L. Levels with a weight above 0 must have a lambda above 0 in the
  /// network, whose value does not matter.
  std::vector<double> weights = {};
  double decay = 0.99;        ///< of the running mean of each cost, in [0, 1)
  double floor = 0.02;        ///< least part of the variance V_l that a cost is divided by, above 0
  double input_variance = 1;  ///< V_0, see mean_column_variance; above 0
  /// Weight of each class in the supervised cost; empty: 1 each.
  std::vector<double> class_weights = {};
};

/// Return the objective of a ladder with weights that need no knowledge of the data's scale:
///
///     total = supervised + sum over l of lambda_l(t) C_l
///     lambda_l(t) = w_l / max(E_l(t), floor V_l)
///
/// C_l is the denoising cost of level l, and E_l its running mean over the steps before and at t,
/// corrected for its start at 0. V_l is the mean variance of the values that C_l is a cost of:
/// `input_variance` at level 0, and 1 at the others, which are normalised. No gradient flows into
/// E_l, so a step sees w_l times the relative change of each cost, whatever its size. The published
/// lambdas are absolute: costs of pixels with a variance of 0.07 and of hidden units with a
/// variance of 1 need very different ones [Rasmus2015, section 4.1 and published code].
///
/// With class weights v the supervised cost is sum of v_{y_n} CE_n / sum of v_{y_n}.
///
/// Checkpoints hold the running means, so that a resumed run goes on exactly. Reports show the
/// costs C_l as they are. Errors: an empty network; a number of weights other than levels; weights
/// that are negative or infinite; a weight above 0 where the network has no denoising cost; a
/// decay, floor or input variance out of range; class weights of another number than classes, or
/// not above 0.
///
///     auto objective = train::scaled_objective(
///         net, {.weights = train::scaled_weights(/*levels=*/6),
///               .input_variance = train::mean_column_variance(x)});
std::shared_ptr<Objective> scaled_objective(const Ladder& net, ScaledObjectiveOptions options);

/// Return the least value that the cost of `level` is divided by: floor V_l.
double cost_floor(const ScaledObjectiveOptions& options, size_t level);

/// Return the variance of each column of `rows` [n, ...], floating or bytes (x / 255), as a mean
/// over the columns: 1 for standardised rows, .067 for the pixels of MNIST. Computed in float64,
/// block by block. Errors: no rows, or rows of another type.
double mean_column_variance(const torch::Tensor& rows);

/// Return weights for a network with this number of levels above the input: (input, 1, .03,
/// .03...).
std::vector<double> scaled_weights(size_t levels, double input = 10);

}  // namespace ladder::train
