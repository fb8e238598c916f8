/// Rows that lie near each other.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <mutex>

namespace ladder::data {

struct NeighbourOptions {
  int64_t k = 10;  ///< neighbours of each row
  /// Number of rows, drawn at random, among which neighbours are looked for. 0: all rows.
  int64_t pool = 0;
  uint64_t seed = 1;  ///< of the draw
  /// False: find `4 k` candidates for each row by distance in the principal components that hold 80
  /// % of the variance (bfloat16 products), then the nearest of these by exact distance. That is
  /// ten times as fast for images and finds 99 % of the exact neighbours. Rows with few components,
  /// and rows on a GPU, are always searched exactly.
  bool exact = true;
};

/// Return the `k` nearest other rows of each row of x [n, ...], by Euclidean distance, nearest
/// first: int64 [n, k]. Takes uint8 rows as x / 255. Computes the distances of all rows to those of
/// the pool, a block of rows at a time. Errors: k below 1; a pool below 0; fewer than k + 1 rows,
/// or rows in the pool; values that are not finite; a squared length of 2^126 or more in float32.
torch::Tensor nearest_neighbours(const torch::Tensor& x, const NeighbourOptions& options = {});

/// Neighbours that several parts of a run need: they are found when the first one asks, and kept.
///
///     auto near = std::make_shared<data::SharedNeighbours>(data.inputs, data.unlabeled);
///     near->get();   // int64 [m, k]; finds them
///     near->get();   // returns the same
class SharedNeighbours {
 public:
  /// Use the rows `rows` (int64 [m]; undefined: all) of `inputs`. `options`: see
  /// `nearest_neighbours`.
  explicit SharedNeighbours(torch::Tensor inputs, torch::Tensor rows = {},
                            const NeighbourOptions& options = {.exact = false});

  /// Return the neighbours, int64 [m, k], by their places among the rows. Several threads may ask:
  /// one finds them, the others wait. Errors: those of nearest_neighbours.
  const torch::Tensor& get();

  const NeighbourOptions& options() const { return options_; }

 private:
  std::once_flag once_;
  torch::Tensor inputs_, rows_;
  NeighbourOptions options_;
  torch::Tensor found_;
};

}  // namespace ladder::data
