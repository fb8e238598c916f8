/// Clusters of rows that a network has put into the wrong class, found without labels.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace ladder::train {

struct LostClusterOptions {
  int64_t groups = 30;        ///< groups that the rows of each class are split into, at least 2
  int64_t splits = 3;         ///< splits by each of the features, from other starts
  double margin = 1.25;       ///< min ratio of neighbours in the other class to those in its own
  int64_t min_rows = 20;      ///< min rows of a group; smaller groups are ignored
  bool discount_hubs = true;  ///< give less weight to rows that are neighbours of many others
  /// Number of groups per class in a second search for small clusters, such as 60; 0: no such
  /// search. Use it only for a finished run: during training, small groups move back and forth.
  int64_t small_groups = 0;
  /// Max percentage of neighbour pairs that have different classes after the move. Above it,
  /// distances say too little about classes, and no row is moved.
  double max_cut = 8;
  uint64_t seed = 1;  ///< of the starts
};

/// Throw the errors of `options`, naming the function or piece that takes them.
void check_options(const char* name, const LostClusterOptions& options);

/// Return for each row the class that its cluster belongs to, or -1 if the row already has that
/// class: int64 [n].
///
/// Each split divides the rows of each predicted class into `groups` groups by k-means on features.
/// A group is *lost* in a split if, of the neighbours of its rows that lie outside of it, more than
/// `margin` times as many are in one other class than in its own, and it has at most half of the
/// rows of its class. A row gets another class if its group is lost to that class in at least half
/// of the splits.
///
/// Neighbours are not counted alike. Row j counts 1 / (number of rows that it is a neighbour of):
/// in many dimensions some rows are hubs, neighbours of rows of every class, and say nothing about
/// them [Radovanovic2010]. `discount_hubs = false` counts each as 1.
///
/// `small_groups` adds a second search for clusters that are too small to form a group of their
/// own. All rows are split again, into that many groups per class and with a margin of 1. In
/// addition to the neighbours by inputs, each row gets as many neighbours by each of the features,
/// because rows that resemble another class in their inputs do so less in their features. Only rows
/// that the first search did not move can move. It takes a few seconds for 60,000 rows of 500 and
/// 250 features.
///
/// Why: a cluster without a label can join the wrong class. Then no cost corrects it, and the
/// network's own features keep it together. But its neighbours in input space are still in its true
/// class. A single row is weak evidence, because some of its neighbours belong to other classes; a
/// whole cluster is strong evidence.
///
/// `features`: [n, units] each; `classes`: int64 [n]; `neighbours`: int64 [n, k], see
/// data::nearest_neighbours. Errors: other shapes or types; neighbours that are no rows; options
/// out of range.
///
///     const auto neighbours = data::nearest_neighbours(x);
///     const auto seen = train::clean_features(net, x);
///     const auto lost = train::lost_clusters(seen.features, seen.classes, neighbours);
///     const auto rows = lost.ge(0).nonzero().flatten();  // those in the wrong class
///
/// [Radovanovic2010]: Radovanovic, Nanopoulos, Ivanovic, "Hubs in space: popular nearest neighbors
/// in high-dimensional data", JMLR 11, 2010.
torch::Tensor lost_clusters(const std::vector<torch::Tensor>& features,
                            const torch::Tensor& classes, const torch::Tensor& neighbours,
                            const LostClusterOptions& options = {});

struct FeatureClusterOptions {
  int64_t groups = 30;    ///< groups that the rows of each class are split into, at least 2
  int64_t splits = 4;     ///< splits by each of the features, from other starts
  int64_t outside = 10;   ///< neighbours of each row outside of its group that count, 1 to 100
  int64_t min_rows = 15;  ///< of a group; smaller ones are left out
  /// Number of rows, drawn at random, among which neighbours are looked for. 0: all rows.
  int64_t pool = 10'000;
  uint64_t seed = 1;  ///< of the starts and of the draw
};

/// Throw the errors of `options`, naming the function or piece that takes them.
void check_options(const char* name, const FeatureClusterOptions& options);

/// Return for each row the class that its cluster belongs to by the features of the network, or -1
/// where that is the one it has: int64 [n].
///
/// Each split divides the rows of each predicted class into `groups` groups by k-means on one of
/// the features. Of each row of a group count the `outside` nearest rows that lie outside of the
/// group, by distance of `features.front()`. A group is *lost* in a split if more of them are in
/// one other class than in its own, and it has at most half of the rows of its class. A row gets
/// another class if its group is lost to that class in at least half of the splits.
///
/// A cluster in the wrong class is held together by its own rows: they are their own nearest
/// neighbours. Without them a lower level of the network still tells where it belongs, when the
/// upper ones, which the labels reach first, do not any more. So give a level in the middle first.
/// Unlike `lost_clusters` this finds nines whose pixels look like threes. It needs no distance of
/// inputs, but a network that has learned: the features of an untrained one say little.
///
/// `features`: [n, units] each; `classes`: int64 [n]. Most of the time goes into distances to the
/// pool: of 60,000 rows of 500 features to 10,000 rows, 300 billion multiplications. Errors: other
/// shapes or types; values that are not finite; a single row; options out of range.
///
///     const auto seen = train::clean_features(net, x);
///     const auto lost = train::clusters_lost_by_features(seen.features, seen.classes);
torch::Tensor clusters_lost_by_features(const std::vector<torch::Tensor>& features,
                                        const torch::Tensor& classes,
                                        const FeatureClusterOptions& options = {});

/// Rows of one predicted class whose clusters belong to another.
struct ClusterMove {
  int64_t from = 0;  ///< the predicted class
  int64_t to = 0;    ///< the class that the clusters belong to
  int64_t rows = 0;
};

/// Return what `lost_clusters` found by pairs of classes, in ascending order. `classes` and `lost`:
/// int64 [n], as it takes and returns them. Errors: other shapes or types.
std::vector<ClusterMove> cluster_moves(const torch::Tensor& classes, const torch::Tensor& lost);

}  // namespace ladder::train
