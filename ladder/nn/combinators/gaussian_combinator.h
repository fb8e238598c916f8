/// The denoising function behind the published table.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include "ladder/nn/combinator.h"

namespace ladder {

struct GaussianCombinatorOptions {
  int64_t channels = 0;
  bool sigmoid_v = false;  ///< v through a sigmoid, so that it stays between 0 and 1
};

/// mu = a1 s(a2 u + a3) + a4 u + a5, v = a6 s(a7 u + a8) + a9 u + a10, z^ = (z~ - mu) v + mu
/// [Rasmus2015, eq. 9-10]: the best guess of a Gaussian z under Gaussian noise, with its mean and
/// its share of the variance as functions of u. s is the sigmoid. With `sigmoid_v` the share is
/// s(v) [Pezeshki2016].
///
/// `weight` [10, C] holds a1..a10; a2 = a7 = 1 and the rest 0 at first, so that z^ starts at 0, and
/// with `sigmoid_v` at z~ / 2.
///
///     GaussianCombinator g(GaussianCombinatorOptions{.channels = 250});
///     auto z_hat = g->forward(z_noisy, u);
class GaussianCombinatorImpl : public torch::nn::Cloneable<GaussianCombinatorImpl>,
                               public Combinator {
 public:
  explicit GaussianCombinatorImpl(GaussianCombinatorOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override;
  ops::DenoiseResult denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                             const std::optional<ops::DenoisingTarget>& target) override;

  GaussianCombinatorOptions options;
  torch::Tensor weight;

 private:
  ops::CombinatorFunction function() const;
};
TORCH_MODULE(GaussianCombinator);

}  // namespace ladder
