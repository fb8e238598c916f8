/// Randomness: named streams, the Philox counter-based generator and the noise that is drawn from
/// it.
///
/// One run seed makes independent streams (`stream_seed(seed, "noise")`, `"split"`, ...), so that
/// changing what one stream is used for does not move the others. Numbers are functions of
/// (seed, position): the same at any number of threads, and resumed by storing two integers.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ladder {

/// Seed of the stream `name` of a run: FNV-1a of the name, mixed with the run seed by SplitMix64.
uint64_t stream_seed(uint64_t run_seed, std::string_view name);

/// Seed of the `index`-th member of a family of streams (an epoch's permutation, say).
uint64_t stream_seed(uint64_t stream, uint64_t index);

/// Philox4x32 with ten rounds: four 32-bit words from a counter and a key.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Uniform 32-bit words in sequence from Philox, for shuffles and draws of rows.
class PhiloxEngine {
 public:
  using result_type = uint32_t;
  explicit PhiloxEngine(uint64_t seed, uint64_t offset = 0) : seed_(seed), block_(offset) {}

  static constexpr uint32_t min() { return 0; }
  static constexpr uint32_t max() { return UINT32_MAX; }
  uint32_t operator()();

  /// Uniform integer in [0, n), without modulo bias. Error: n == 0.
  uint64_t below(uint64_t n);

 private:
  uint64_t seed_;
  uint64_t block_;
  std::array<uint32_t, 4> words_{};
  int used_ = 4;
};

/// Uniformly random permutation of 0..n-1, int64 [n] (Fisher-Yates over PhiloxEngine(seed)).
at::Tensor permutation(int64_t n, uint64_t seed);

/// The right to one matrix of standard normals: where it stands in its stream, or its values.
struct NoiseDraw {
  uint64_t seed = 0;
  uint64_t offset = 0;
  std::optional<at::Tensor> values = {};  ///< [rows, columns]; set when the draws were given
  /// int64 scalar that is added to `offset` when the numbers are drawn; see NoiseSource::from.
  std::optional<at::Tensor> position = {};

  /// The offset with what `position` holds now, which is read from its device.
  uint64_t offset_now() const;
};

/// A stream of standard normal matrices, drawn where they are used.
///
/// Element (r, c) of a [rows, columns] matrix is word r mod 4 of Philox block
/// offset + (r div 4) * columns + c, turned into a normal by Box-Muller on word pairs, in float32
/// whatever the dtype that asks. A matrix takes ceil(rows / 4) * columns blocks.
///
///     NoiseSource noise(stream_seed(run_seed, "noise"));
///     auto loss = net->loss(batch, noise);       // draws level 0, then levels 1..L in order
class NoiseSource {
 public:
  explicit NoiseSource(uint64_t seed, uint64_t offset = 0) : seed_(seed), offset_(offset) {}

  /// A source that hands out the given matrices in order instead of drawing; what one forward
  /// pass of a ladder takes is one matrix a level, level 0 first, over its noisy rows.
  static NoiseSource replay(std::vector<at::Tensor> draws);

  /// A source whose blocks are counted from what `position`, an int64 scalar on the device that
  /// draws, holds when the numbers are drawn, not from what it held when they were asked for. A
  /// recorded step that is run again draws new numbers that way (train::StepGraph).
  static NoiseSource from(uint64_t seed, at::Tensor position);

  NoiseDraw draw(int64_t rows, int64_t columns);

  uint64_t seed() const { return seed_; }
  uint64_t offset() const { return offset_; }  ///< beyond the position, where there is one

 private:
  uint64_t seed_;
  uint64_t offset_;
  std::optional<std::vector<at::Tensor>> replay_;
  std::optional<at::Tensor> position_;
};

namespace ops {

/// The standard normals of `draw` as a tensor [rows, columns] of `options`. Drawn in float32 on a
/// GPU by the CUDA kernel (the same up to the rounding of logarithm and sine), else on the CPU and
/// moved.
at::Tensor standard_normal(const NoiseDraw& draw, int64_t rows, int64_t columns,
                           const at::TensorOptions& options);

/// Uniform numbers in (0, 1) instead, float32 from the upper 23 bits of the same words:
/// (bits + 1/2) / 2^23. Given values are returned as they are.
at::Tensor standard_uniform(const NoiseDraw& draw, int64_t rows, int64_t columns,
                            const at::TensorOptions& options);

}  // namespace ops
}  // namespace ladder
