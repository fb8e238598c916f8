/// The interface of a denoising function g: what a level of the decoder does.
#pragma once

#include <torch/nn/module.h>

#include <functional>
#include <optional>

#include "ladder/nn/pluggable.h"
#include "ladder/ops/denoise.h"

namespace ladder {

/// z^ = g(z~, u), per unit for vectors and per channel for maps [Rasmus2015, section 4.1].
///
/// Both operands are matrices [M, C]; the decoder turns maps into rows first. An interface beside
/// torch::nn::Module: implement `forward` on an ordinary module of your own, and override `denoise`
/// only to fuse it with what surrounds it.
class Combinator {
 public:
  virtual ~Combinator() = default;

  /// z^ from the lateral z~ [M, C] and the normalised vertical u [M, C].
  virtual torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) = 0;

  /// A whole level: normalises `u` over its rows, combines, and costs the result where there is a
  /// target. By default made of `forward` and the operators.
  virtual ops::DenoiseResult denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                                     const std::optional<ops::DenoisingTarget>& target) {
    ops::DenoiseResult result{forward(z_noisy, ops::normalise_rows(u)), {}};
    if (target) {
      result.cost = ops::denoising_cost(result.z_hat, *target);
    }
    return result;
  }
};

using AnyCombinator = Pluggable<Combinator>;

/// Makes the combinator of a level of `channels` units or channels.
using CombinatorFactory = std::function<AnyCombinator(int64_t channels)>;

}  // namespace ladder
