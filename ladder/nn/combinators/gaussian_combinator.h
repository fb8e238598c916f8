/// The denoising function of the published results.
#pragma once

#include <torch/nn/pimpl.h>

#include "ladder/nn/combinators/formula_combinator.h"

namespace ladder {

struct GaussianCombinatorOptions {
  int64_t channels = 0;
  bool sigmoid_v = false;  ///< apply a sigmoid to v, which keeps it between 0 and 1

  bool operator==(const GaussianCombinatorOptions&) const = default;
};

/// mu = a1 s(a2 u + a3) + a4 u + a5, v = a6 s(a7 u + a8) + a9 u + a10, z^ = (z~ - mu) v + mu
/// [Rasmus2015, eq. 9-10]: the optimal estimate of a Gaussian z under Gaussian noise, with mean mu
/// and share v of the variance as functions of u. s is the sigmoid. With `sigmoid_v` the share is
/// s(v) [Pezeshki2016].
///
/// `weight` [10, C] holds a1..a10. Initially a2 = a7 = 1 and the rest are 0: z^ starts at 0, or
/// with `sigmoid_v` at z~ / 2. Operators and errors: see FormulaCombinator.
///
///     GaussianCombinator g(GaussianCombinatorOptions{.channels = 250});
///     auto z_hat = g->forward(z_noisy, u);
class GaussianCombinatorImpl
    : public FormulaCombinator<GaussianCombinatorImpl, GaussianCombinatorOptions> {
 public:
  explicit GaussianCombinatorImpl(GaussianCombinatorOptions options);

  void reset() override;
  void pretty_print(std::ostream& stream) const override;

 private:
  ops::DenoisingFunction function() const override;
};
TORCH_MODULE(GaussianCombinator);

}  // namespace ladder
