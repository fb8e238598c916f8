/// A denoising function that is learned without a form given to it.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "ladder/nn/combinator.h"
#include "ladder/nn/random_init.h"

namespace ladder {

struct MlpCombinatorOptions {
  int64_t channels = 0;
  std::vector<int64_t> hidden = {2, 2, 2};  ///< units of the hidden layers; empty: linear
  bool augmented = true;                    ///< with u z~ as a third input
  double leaky_slope = 0.1;                 ///< of the hidden units below 0
  double init_std = 0.5;                    ///< of weights and biases at first
};

/// z^ = a multilayer perceptron of its own for each unit or channel, on [u, z~] (MLP) or
/// [u, z~, u z~] (augmented, AMLP): hidden leaky-ReLU layers and one linear output
/// [Pezeshki2016].
///
/// `weight` [P, C] holds, layer by layer, the weights [out, in] in row-major order and the biases
/// [out] of every unit, 23 rows for an augmented {2, 2, 2}; all N(0, init_std^2) at first. The
/// published std is 0.025, with which the gradients of three layers, each smaller by as much, are
/// lost in Adam's epsilon at levels of a small lambda; with 0.5 a layer hands on signals of about
/// the size that it gets (docs/denoising-functions.md has the two beside each other). Units run
/// side by side in one kernel, whatever the sizes (ops::denoise). Errors: channels or hidden units
/// below 1, a slope or init_std below 0.
///
///     MlpCombinator g(MlpCombinatorOptions{.channels = 250, .hidden = {4}, .augmented = false});
///     auto z_hat = g->forward(z_noisy, u);
class MlpCombinatorImpl : public torch::nn::Cloneable<MlpCombinatorImpl>,
                          public Combinator,
                          public RandomInit {
 public:
  explicit MlpCombinatorImpl(MlpCombinatorOptions options);

  void reset() override;
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override;
  ops::DenoiseResult denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                             const std::optional<ops::DenoisingTarget>& target) override;

  MlpCombinatorOptions options;
  torch::Tensor weight;

 private:
  ops::MlpFunction function() const;
};
TORCH_MODULE(MlpCombinator);

}  // namespace ladder
