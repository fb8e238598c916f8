/// The denoising function with a cross term, and its ablations.
#pragma once

#include <torch/nn/pimpl.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ladder/nn/combinators/formula_combinator.h"
#include "ladder/nn/random_init.h"

namespace ladder {

/// Initial parameters of a VanillaCombinator [Pezeshki2016].
enum class VanillaInit {
  kPublished,  ///< w0z = ws = w1z = 1, the rest 0: follow the lateral signal
  kReversed,   ///< w0u = ws = w1u = 1, the rest 0: follow the vertical signal
  kRandom,     ///< all from N(0, init_std^2)
};

struct VanillaCombinatorOptions {
  int64_t channels = 0;
  VanillaInit init = VanillaInit::kPublished;
  double init_std = 0.2;  ///< standard deviation of kRandom
  // Ablations [Pezeshki2016]: terms to leave out.
  bool lateral = true;     ///< false: no term with z~
  bool sigmoid = true;     ///< false: no sigmoid term
  bool cross_term = true;  ///< false: no z~ u

  bool operator==(const VanillaCombinatorOptions&) const = default;
};

/// z^ = b0 + w0z z~ + w0u u + w0zu z~ u + ws s(b1 + w1z z~ + w1u u + w1zu z~ u)
/// [Pezeshki2016, eq. 2 and 3; Rasmus2015 v1]. s is the sigmoid.
///
/// `weight` [9, C] holds b0, w0z, w0u, w0zu, ws, b1, w1z, w1u, w1zu, without the rows of terms that
/// are left out: without sigmoid and cross term `weight` is [3, C] and z^ = b0 + w0z z~ + w0u u.
/// Errors: a negative or infinite init_std; those of FormulaCombinator.
///
///     VanillaCombinator g(VanillaCombinatorOptions{.channels = 250});
///     VanillaCombinator blind(VanillaCombinatorOptions{.channels = 250, .lateral = false});
///     auto z_hat = g->forward(z_noisy, u);
class VanillaCombinatorImpl
    : public FormulaCombinator<VanillaCombinatorImpl, VanillaCombinatorOptions>,
      public RandomInit {
 public:
  explicit VanillaCombinatorImpl(VanillaCombinatorOptions options);

  void reset() override;
  /// Set the initial parameters. Draws numbers for VanillaInit::kRandom only.
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;

  /// Names of the rows of `weight`, in order: "b0", "w0z", ...
  std::vector<std::string> terms() const;

 private:
  ops::DenoisingFunction function() const override;
  torch::Tensor parameter_rows() const override;
  bool has(size_t term) const;
};
TORCH_MODULE(VanillaCombinator);

}  // namespace ladder
