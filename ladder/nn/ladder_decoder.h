/// The decoder: vertical maps, combinators and denoising costs, level by level from the top down.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/pimpl.h>

#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "ladder/core/batch_ranks.h"
#include "ladder/nn/combinator.h"
#include "ladder/nn/stage.h"

namespace ladder {

struct LadderDecoderOptions {
  /// Shape of one row at levels 0..L; level 0 is the input.
  std::vector<std::vector<int64_t>> shapes = {};
  /// Lowest level to reconstruct. L: only the combinator of the top (Gamma-model).
  int64_t lowest_level = 0;
  /// Default: GaussianCombinator.
  CombinatorFactory combinator = {};
};

/// For l = L down to the lowest level: u(l) = normalise(V_l z^(l+1)), z^(l) = g_l(z~(l), u(l)),
/// where u(L) is the normalised `top` [Rasmus2015, algorithm 1].
///
/// Parameters: `verticals.l` (from level l+1 down to l) and `combinators.l`. Works without a
/// Ladder, over any encoder that gives z~ per level. Options are fixed at construction.
///
///     LadderDecoder decoder(LadderDecoderOptions{.shapes = {{784}, {100}, {10}}}, stages);
///     auto levels = decoder->forward(softmax, {x_noisy, z1_noisy, z2_noisy}, targets);
class LadderDecoderImpl : public torch::nn::Module {
 public:
  /// Stage l+1 of `stages` makes the map down to level l. Errors: a number of shapes other than
  /// L+1 for L stages; a lowest level outside 0..L; one combinator, or one map, for several levels;
  /// an empty map.
  LadderDecoderImpl(LadderDecoderOptions options, const Stages& stages);

  /// Decode `top` [M, ...] (before normalisation). `z_noisy` and `targets` hold one element per
  /// level 0..L; those below the lowest level are ignored and may be undefined. A level without a
  /// target has no cost. Returns z^ and cost per level, undefined below the lowest level.
  ///
  /// With several ranks u is normalised by the statistics of its rows on all of them (see
  /// SemiBatch::ranks); then each level calls `Combinator::forward`.
  ///
  /// Errors: M < 2, since u is normalised over the M rows; another number of levels; shapes or
  /// types that do not fit; changed options. Those of a map or a combinator name its level.
  std::vector<ops::DenoiseResult> forward(
      const torch::Tensor& top, const std::vector<torch::Tensor>& z_noisy,
      const std::vector<std::optional<ops::DenoisingTarget>>& targets,
      const std::shared_ptr<BatchRanks>& ranks = {});

  std::shared_ptr<torch::nn::Module> clone(
      const std::optional<torch::Device>& device = std::nullopt) const override;

  int64_t top_level() const { return static_cast<int64_t>(options.shapes.size()) - 1; }
  /// Combinator of a level. Error: a level without one.
  const AnyCombinator& combinator(int64_t level) const;

  /// True while `options`, but for the combinator, are those that it was built with.
  bool options_hold() const {
    return options.shapes == built_shapes_ && options.lowest_level == built_lowest_level_;
  }

  LadderDecoderOptions options;

 private:
  void clone_(torch::nn::Module& other, const std::optional<torch::Device>& device) override;

  LadderDecoderImpl(LadderDecoderOptions options, std::map<int64_t, torch::nn::AnyModule> verticals,
                    std::map<int64_t, AnyCombinator> combinators);
  void register_all();
  void check_options() const;

  std::vector<std::vector<int64_t>> built_shapes_;
  int64_t built_lowest_level_ = 0;
  std::map<int64_t, torch::nn::AnyModule> verticals_;
  std::map<int64_t, AnyCombinator> combinators_;
};
TORCH_MODULE(LadderDecoder);

}  // namespace ladder
