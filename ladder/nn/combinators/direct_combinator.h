/// No lateral connection: a scale and a shift of the vertical signal.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/combinator.h"

namespace ladder {

struct DirectCombinatorOptions {
  int64_t channels = 0;

  bool operator==(const DirectCombinatorOptions&) const = default;
};

/// z^ = a u + b: for the decoder of a denoising autoencoder, which has no lateral connections.
///
/// `weight` [2, C] holds a and b, initially 1 and 0. The lateral operand may be undefined. Options
/// are fixed at construction. Errors: channels below 1; operands of another shape, type or device.
class DirectCombinatorImpl : public torch::nn::Cloneable<DirectCombinatorImpl>, public Combinator {
 public:
  explicit DirectCombinatorImpl(DirectCombinatorOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override;

  DirectCombinatorOptions options;
  torch::Tensor weight;

 private:
  void check(const torch::Tensor& z_noisy, const torch::Tensor& u) const;

  DirectCombinatorOptions built_;
};
TORCH_MODULE(DirectCombinator);

}  // namespace ladder
