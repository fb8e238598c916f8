/// A random order of rows that reads only a few regions of a file at a time.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "ladder/data/keyed_order.h"

namespace ladder::data {

/// How many rows a `BlockOrder` keeps together.
struct BlockSizes {
  int64_t rows = 0;     ///< successive rows in a block
  int64_t blocks = 64;  ///< blocks in a window, at most

  bool operator==(const BlockSizes&) const = default;
};

/// A permutation of 0..n-1 as a function of a seed, for rows on a disk that needs milliseconds to
/// go to another place.
///
/// The numbers are rotated by a random distance and cut into blocks of successive ones; the last
/// block holds the rest. The blocks are permuted, with the last one at the end. Up to
/// `BlockSizes::blocks` blocks form a window, and the numbers of each window are permuted. So
/// elements side by side need the blocks of one window, and a disk reads each of them in one piece.
/// Elements are computed when they are asked for, as those of `KeyedOrder` are.
///
///     BlockOrder order(100'000'000, seed, {.rows = 13'000});
///     for (; asked < order.asked_until(at); ++asked) read_ahead(order.block(asked));
///     at::Tensor batch = order.elements(at, 100);
class BlockOrder {
 public:
  /// Error: n, rows or blocks is below 1.
  BlockOrder(int64_t n, uint64_t seed, const BlockSizes& sizes);

  /// Return the elements `begin` to `begin` + `count` - 1, int64 [count]. Error: not below n.
  at::Tensor elements(int64_t begin, int64_t count) const;

  /// Blocks, in the order of their use.
  int64_t blocks() const { return blocks_; }
  /// Return the first block that element `i` or a later one may need: that of its window.
  int64_t first_needed(int64_t i) const { return begin_of_window(window_of(i / sizes_.rows)); }
  /// Return the end of the blocks to read ahead before element `i` is used: those of its window,
  /// and as many of the next window as the elements up to `i` have used of this one. Blocks from
  /// `blocks()` on are those of the permutation that follows.
  int64_t asked_until(int64_t i) const { return i / sizes_.rows + sizes_.blocks + 1; }
  /// Return the numbers in `block`, int64 [rows], ascending, but 0 may follow n - 1.
  at::Tensor block(int64_t block) const;

 private:
  int64_t window_of(int64_t block) const { return ((block + 1) * windows_ - 1) / blocks_; }
  int64_t begin_of_window(int64_t window) const { return window * blocks_ / windows_; }
  int64_t first_number(int64_t block) const;

  int64_t n_;
  BlockSizes sizes_;
  int64_t blocks_, windows_;
  uint64_t window_seed_;
  int64_t turn_;
  KeyedOrder order_;  // of blocks that are full
};

/// Return `count` of the numbers 0..n-1, int64 and ascending, drawn by `seed`: up to 32 successive
/// ones at each of 1,000 places or more, since a disk reads neighbours in one piece. All if count
/// is not below n.
at::Tensor sample_rows(int64_t n, int64_t count, uint64_t seed);

}  // namespace ladder::data
