/// A denoising function learned as a multilayer perceptron per unit.
#pragma once

#include <torch/nn/pimpl.h>

#include <cstdint>
#include <vector>

#include "ladder/nn/combinators/formula_combinator.h"
#include "ladder/nn/random_init.h"

namespace ladder {

struct MlpCombinatorOptions {
  int64_t channels = 0;
  std::vector<int64_t> hidden = {2, 2, 2};  ///< units of the hidden layers; empty: linear
  bool augmented = true;                    ///< add u z~ as a third input
  double leaky_slope = 0.1;                 ///< slope of the hidden units below 0
  double init_std = 0.5;                    ///< standard deviation of initial weights and biases

  bool operator==(const MlpCombinatorOptions&) const = default;
};

/// z^ = a separate multilayer perceptron for each unit or channel, on [u, z~] (MLP) or [u, z~, u
/// z~] (augmented, AMLP): hidden leaky-ReLU layers and one linear output [Pezeshki2016].
///
/// `weight` [P, C] holds, layer by layer, the weights [out, in] in row-major order and the biases
/// [out] of every unit: 23 rows for an augmented {2, 2, 2}. Initially all are N(0, init_std^2). The
/// published std is 0.025: at levels with a small lambda the gradients of three such layers vanish
/// in Adam's epsilon. With 0.5 the output of a layer has about the size of its input
/// (docs/denoising-functions.md compares both). One kernel computes all units for any sizes
/// (ops::denoise). Errors: hidden units below 1; a negative or infinite slope or init_std; those of
/// FormulaCombinator.
///
///     MlpCombinator g(MlpCombinatorOptions{.channels = 250, .hidden = {4}, .augmented = false});
///     auto z_hat = g->forward(z_noisy, u);
class MlpCombinatorImpl : public FormulaCombinator<MlpCombinatorImpl, MlpCombinatorOptions>,
                          public RandomInit {
 public:
  explicit MlpCombinatorImpl(MlpCombinatorOptions options);

  void reset() override;
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;

 private:
  ops::DenoisingFunction function() const override;
};
TORCH_MODULE(MlpCombinator);

}  // namespace ladder
