/// Random numbers: named streams, the counter-based generator Philox, and noise drawn from it.
///
/// One run seed gives independent streams (`stream_seed(seed, "noise")`, `"split"`, ...): a change
/// in one stream does not change the others. A number depends on its seed and its position only.
/// It is the same on any number of threads, and two integers are enough to resume a stream.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ladder {

/// Return the seed of a run's stream: FNV-1a of `name`, mixed with the run seed by SplitMix64.
uint64_t stream_seed(uint64_t run_seed, std::string_view name);

/// Return the seed of member `index` of a family of streams, for example of one epoch.
uint64_t stream_seed(uint64_t stream, uint64_t index);

/// Return four 32-bit words from a counter and a key: Philox4x32 with ten rounds.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Sequence of uniform 32-bit words from Philox, for shuffles and for drawing rows.
class PhiloxEngine {
 public:
  using result_type = uint32_t;
  explicit PhiloxEngine(uint64_t seed, uint64_t offset = 0) : seed_(seed), block_(offset) {}

  static constexpr uint32_t min() { return 0; }
  static constexpr uint32_t max() { return UINT32_MAX; }
  uint32_t operator()();

  /// Return a uniform integer in [0, n), without modulo bias. Error: n == 0.
  uint64_t below(uint64_t n);

 private:
  uint64_t seed_;
  uint64_t block_;
  std::array<uint32_t, 4> words_{};
  int used_ = 4;
};

/// Return a random permutation of 0..n-1, int64 [n] (Fisher-Yates with PhiloxEngine(seed)).
at::Tensor permutation(int64_t n, uint64_t seed);

/// A matrix of standard normals that has not been drawn yet: its position in a stream, or, if
/// given, its values.
struct NoiseDraw {
  uint64_t seed = 0;
  uint64_t offset = 0;
  std::optional<at::Tensor> values = {};  ///< [rows, columns]; set if the draws were given
  /// int64 scalar that is added to `offset` when the numbers are drawn; see NoiseSource::from.
  std::optional<at::Tensor> position = {};

  /// Return `offset` plus the value of `position`, which is read from its device.
  uint64_t offset_now() const;
};

/// A stream of standard normal matrices. They are drawn by the operators that use them.
///
/// Element (r, c) of a [rows, columns] matrix is word r mod 4 of Philox block
/// offset + (r div 4) * columns + c. Box-Muller turns pairs of words into normals, in float32 for
/// tensors of any dtype. A matrix takes ceil(rows / 4) * columns blocks.
///
///     NoiseSource noise(stream_seed(run_seed, "noise"));
///     auto loss = net->loss(batch, noise);       // draws level 0, then levels 1..L in order
class NoiseSource {
 public:
  explicit NoiseSource(uint64_t seed, uint64_t offset = 0) : seed_(seed), offset_(offset) {}

  /// Return a source that hands out the given matrices in order. A forward pass of a ladder takes
  /// one matrix per level, level 0 first, with one row per noisy row.
  static NoiseSource replay(std::vector<at::Tensor> draws);

  /// Return a source that starts at the block number in `position`, an int64 scalar on the device
  /// that draws. The number is read when noise is drawn: a recorded step that is replayed draws new
  /// noise if `position` has changed (train::StepGraph). Error: another dtype or shape.
  static NoiseSource from(uint64_t seed, at::Tensor position);

  /// Return source `index` of `parts` sources that together draw the rows of one matrix, for
  /// example in several processes. Part i draws the rows from i * R on, where R is its number of
  /// rows, rounded up to a multiple of 4. After each draw all parts have the same offset. Matrices
  /// of `replay` are not divided. Error: an index that is not below `parts`.
  NoiseSource part(int64_t index, int64_t parts) const;

  NoiseDraw draw(int64_t rows, int64_t columns);

  uint64_t seed() const { return seed_; }
  uint64_t offset() const { return offset_; }  ///< without `position`

 private:
  uint64_t seed_;
  uint64_t offset_;
  uint64_t part_ = 0, parts_ = 1;
  std::optional<std::vector<at::Tensor>> replay_;
  std::optional<at::Tensor> position_;
};

}  // namespace ladder
