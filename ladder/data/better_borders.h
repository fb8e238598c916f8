/// Find borders between two classes that lie in the wrong place.
#pragma once

#include <torch/types.h>

#include <cstdint>

namespace ladder::data {

struct BetterBorderOptions {
  int64_t pairs = 3;   ///< pairs of classes to examine, those with the largest cut; 0: none
  double times = 1.5;  ///< replace a border if its cut is this many times that of another; above 1
  uint64_t seed = 1;   ///< seed of the search for other borders
};

/// Throw the errors of `options`, naming the function or piece that takes them.
void check_options(const char* name, const BetterBorderOptions& options);

/// Return for each row its new class if a better border moves it to another one, else -1: int64
/// [n].
///
/// Rows i and j are joined by W_ij = (a_ij + a_ji) / 2, where a_ij is 1 if j is one of the k
/// neighbours of i, and 0 otherwise. The *cut* of the border between two classes is the sum of W
/// between their rows, divided by k times the rows of the smaller class: the share of its
/// neighbours that are beyond the border. It is small if few rows lie between two classes. For each
/// of the
/// `pairs` pairs with the largest cut, the rows of both are divided anew along each of the six
/// slowest modes of diffusion among them (eigenvectors of D^-1 W, where D is diagonal with the sums
/// of W), where the cut is smallest and each side has at least the rows of the smaller class, and
/// from there as the classes settle without labels (`spread_labels`). The border with the smallest
/// cut replaces the one there is if
///
/// - its cut is less than 1 / `times` of that,
/// - each side still has nearly as many rows as the smaller class (nine of ten),
/// - most labels of each of both classes agree with it, and
/// - so do three of four of all their labels, and as many as agree with the one there is, less one
///   in ten.
///
/// Pairs are looked at in order; a later one sees the rows that an earlier one moved.
///
/// Why: a network with few labels can put a border across two classes, with half of each class on
/// either side. Its labeled rows are on the right sides, so no cost notices, and only rows along
/// the border have neighbours of the other class. (train::lost_clusters finds clusters that lie in
/// another class as a whole.)
///
/// `neighbours`: int64 [n, k] from `nearest_neighbours`; `classes`: int64 [n]; `labels`: int64 [n],
/// -1 for a row without one. Runs on the CPU, about a second for a pair of 12,000 rows of 10
/// neighbours; the result does not depend on the number of threads. Where distances say little
/// about classes it finds borders that are no better. Errors: other shapes or types; neighbours
/// that are no rows; classes below 0; options out of range.
///
///     const auto near = data::nearest_neighbours(x, {.exact = false});
///     const auto classes = train::predict(net, x);
///     const auto better = data::better_borders(near, classes, labels);
///     const auto rows = better.ge(0).nonzero().flatten();  // those on the wrong side
torch::Tensor better_borders(const torch::Tensor& neighbours, const torch::Tensor& classes,
                             const torch::Tensor& labels, const BetterBorderOptions& options = {});

}  // namespace ladder::data
