/// Signs, without labels, that training has put a cluster of rows into the wrong class.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "ladder/core/random.h"
#include "ladder/nn/ladder.h"

namespace ladder::train {

/// Return the percentage of pairs (row, neighbour) whose classes differ: how much of the data lies
/// along a border between predicted classes. `neighbours` int64 [n, k], `classes` int64 [n].
/// Errors: other shapes or types.
///
///     const auto neighbours = data::nearest_neighbours(x);            // once
///     double cut = neighbour_cut(neighbours, predict(net, x));        // for each network
double neighbour_cut(const torch::Tensor& neighbours, const torch::Tensor& classes);

/// Statistics of the predictions of a network for unlabeled rows.
struct RunSigns {
  double entropy = 0;       ///< mean over rows of -sum p log p [nats]
  double disagreement = 0;  ///< rows that noise moves to another class [%]
  torch::Tensor classes;    ///< predictions of the clean rows, int64 [n]
};

/// Measure them on rows x [n, ...] in batches of `batch_size`, normalised by their own statistics,
/// with noise of `seed`. Computes no gradients and leaves mode and parameters as they are. Errors:
/// fewer than 2 rows; a network without a denoising cost, whose step runs no unlabeled rows.
RunSigns run_signs(Ladder& net, const torch::Tensor& x, uint64_t seed = 1,
                   int64_t batch_size = 1000);

/// Return for each of several predictions, int64 [n] each, the mean percentage of rows that the
/// others put into another class. Runs that are left behind disagree with runs that are not, so the
/// least value, the medoid, is a good choice among three or more. Errors: fewer than 2, other
/// sizes.
std::vector<double> disagreements(const std::vector<torch::Tensor>& classes);

/// Return the places of the runs that look left behind: those whose disagreement with the others,
/// as `disagreements` returns it, is more than 1.5 times the median and .3 points above it. Runs
/// that ended well differ by a fifth of the median; a cluster in the wrong class adds all its rows.
/// Empty for fewer than 3 runs: if two disagree, nothing shows which one is right.
std::vector<size_t> left_behind(const std::vector<double>& disagreements);

}  // namespace ladder::train
