/// Interface of a denoising function g, one per level of the decoder.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "ladder/nn/pluggable.h"
#include "ladder/ops/denoise.h"

namespace ladder {

/// z^ = g(z~, u), per unit for vectors and per channel for feature maps [Rasmus2015, section 4.1].
///
/// Both operands are matrices [M, C]: the decoder turns feature maps into rows first. A combinator
/// is an ordinary torch module that also implements `forward` of this interface. Override `denoise`
/// only to fuse `forward` with the normalisation and the cost. If u is normalised over several
/// processes (SemiBatch::ranks), the decoder calls `forward` instead of `denoise`.
class Combinator {
 public:
  virtual ~Combinator() = default;

  /// z^ from the lateral z~ [M, C] and the normalised vertical u [M, C].
  virtual torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) = 0;

  /// A whole level of the decoder: normalise `u` over its rows, combine, and compute the cost where
  /// there is a target. The default calls `forward` and the operators. Error: z^ of another shape,
  /// type or device than `u`.
  virtual ops::DenoiseResult denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                                     const std::optional<ops::DenoisingTarget>& target);
};

using AnyCombinator = Pluggable<Combinator>;

/// Makes the combinator of a level with this number of units or channels.
using CombinatorFactory = std::function<AnyCombinator(int64_t channels)>;

}  // namespace ladder
