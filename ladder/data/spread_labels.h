/// Classes of all rows from the labels of a few of them, over a graph of neighbours.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace ladder::data {

/// Most classes that labels are spread of: time and memory grow with their square.
inline constexpr int64_t kMaxSpreadClasses = 1000;

struct SpreadLabelOptions {
  int64_t classes = 0;  ///< number of classes C; 0: one more than the highest label
  /// Share of the rows in each class; they add up to 1. Empty: all classes have equally many rows.
  std::vector<double> shares = {};
  double share_tolerance = 0.15;  ///< relative deviation from its share that a class may have
  double sharpness = 4;           ///< s, at least 0; 0: all neighbours count the same
  int64_t first_steps = 150;      ///< steps of the first diffusion, from the labels only
  int64_t steps = 40;             ///< steps of each later diffusion
  int64_t fine_steps = 10;        ///< steps of each diffusion that starts from a border
  int64_t rounds = 20;            ///< max number of diffusions from one start
  int64_t pairs = 20;             ///< pairs of classes whose border is searched again; 0: none
  uint64_t seed = 1;              ///< seed of that search
};

/// Return a class for each row, int64 [n]: that of its label where it has one, else the one that
/// labels spread to it along a graph.
///
/// Rows i and j are joined by W_ij = (a_ij + a_ji) / 2, where a_ij = exp(-s d_ij^2 / d_ik^2) if j
/// is one of the k neighbours of i, and 0 otherwise; d are Euclidean distances, and k here is the
/// last neighbour. D is the diagonal matrix of the sums of W over j. Labels are sources, as
/// in Poisson learning [Calder2020]: F_ic = [y_i = c] - (part of the labels that are c) for a row
/// with label y_i, and 0 for the others.
///
///     u <- D^-1 (W u + F)                      first_steps times, from 0
///     c_i = argmax over c of u_ic + b_c        b so that the classes have their shares, nearly
///     repeat up to `rounds` times, until nearly no row changes (Poisson MBO [Calder2020]):
///       u_ic = [c_i = c],  u <- D^-1 (W u + F) `steps` times,  c_i as above
///
/// With few labels this can end at a border across two classes, half of each on either side, whose
/// *cut*, the sum of W between rows of different classes, is larger than that of the true border.
/// So the border between two classes is looked for again, for the `pairs` pairs with the largest
/// cut between them: the rows of both are split along each of the three slowest modes of diffusion
/// among them (eigenvectors of D^-1 W), where the cut is smallest beside the number of rows. From
/// there the rounds go on with `fine_steps` steps and b = 0. A border with a smaller cut
/// beside the rows of the smaller class is taken, if as many labels have their class, no more than
/// 30 % of the smaller class change sides, and three of four labels that have their class keep it
/// in the split that it began with.
///
/// A label fixes only its own row and a few rows around it, so everywhere else two classes can end
/// up with each other's rows. To detect this, the classes also settle without labels (F = 0); two
/// classes are exchanged if more labels then agree with the rows around them.
///
/// Classes follow clusters, and the shares decide where a cluster is divided: give them where they
/// are known and differ. `x` [n, ...], floating or uint8; `neighbours` int64 [n, k] from
/// `nearest_neighbours`; `labels` int64 [n], -1 for a row without one. Runs on the CPU: 50,000 rows
/// of 10 neighbours take some 20 s on two threads. The result does not depend on the number of
/// threads.
///
/// Errors: other shapes or types; neighbours that are no rows; no labels, or labels that are no
/// classes; more than kMaxSpreadClasses classes; options out of range.
///
///     const auto near = data::nearest_neighbours(x, {.exact = false});
///     const auto classes = data::spread_labels(x, near, labels);   // labels: -1 for most rows
///
/// [Calder2020]: Calder, Cook, Thorpe, Slepcev, "Poisson learning", ICML 2020.
torch::Tensor spread_labels(const torch::Tensor& x, const torch::Tensor& neighbours,
                            const torch::Tensor& labels, const SpreadLabelOptions& options = {});

}  // namespace ladder::data
