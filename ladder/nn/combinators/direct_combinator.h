/// No lateral connection: a scale and a shift of the vertical signal.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/combinator.h"

namespace ladder {

struct DirectCombinatorOptions {
  int64_t channels = 0;
};

/// z^ = a u + b: the decoder of a denoising autoencoder, which sees no lateral signal.
///
/// `weight` [2, C] holds a and b; a = 1, b = 0 at first. The lateral operand may be undefined.
class DirectCombinatorImpl : public torch::nn::Cloneable<DirectCombinatorImpl>, public Combinator {
 public:
  explicit DirectCombinatorImpl(DirectCombinatorOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override;

  DirectCombinatorOptions options;
  torch::Tensor weight;
};
TORCH_MODULE(DirectCombinator);

}  // namespace ladder
