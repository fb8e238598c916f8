/// The denoising function with a cross term.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/combinator.h"

namespace ladder {

struct VanillaCombinatorOptions {
  int64_t channels = 0;
};

/// z^ = b0 + w0z z~ + w0u u + w0zu z~ u + ws s(b1 + w1z z~ + w1u u + w1zu z~ u)
/// [Pezeshki2016, eq. 2 and 3; Rasmus2015 v1]. s is the sigmoid.
///
/// `weight` [9, C] holds b0, w0z, w0u, w0zu, ws, b1, w1z, w1u, w1zu; w0z = ws = w1z = 1 and the
/// rest 0 at first.
///
///     VanillaCombinator g(VanillaCombinatorOptions{.channels = 250});
///     auto z_hat = g->forward(z_noisy, u);
class VanillaCombinatorImpl : public torch::nn::Cloneable<VanillaCombinatorImpl>,
                              public Combinator {
 public:
  explicit VanillaCombinatorImpl(VanillaCombinatorOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override;
  ops::DenoiseResult denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                             const std::optional<ops::DenoisingTarget>& target) override;

  VanillaCombinatorOptions options;
  torch::Tensor weight;
};
TORCH_MODULE(VanillaCombinator);

}  // namespace ladder
