/// The denoising function with a cross term, and what is left of it without some of its terms.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include <string>
#include <vector>

#include "ladder/nn/combinator.h"
#include "ladder/nn/random_init.h"

namespace ladder {

/// What a VanillaCombinator starts as [Pezeshki2016].
enum class VanillaInit {
  kPublished,  ///< w0z = ws = w1z = 1, the rest 0: trusts the lateral signal
  kReversed,   ///< w0u = ws = w1u = 1, the rest 0: trusts the vertical one
  kRandom,     ///< all from N(0, init_std^2)
};

struct VanillaCombinatorOptions {
  int64_t channels = 0;
  VanillaInit init = VanillaInit::kPublished;
  double init_std = 0.2;  ///< of kRandom
  // Ablations [Pezeshki2016]: terms that are left out.
  bool lateral = true;     ///< false: no term with z~
  bool sigmoid = true;     ///< false: no sigmoid term
  bool cross_term = true;  ///< false: no z~ u
};

/// z^ = b0 + w0z z~ + w0u u + w0zu z~ u + ws s(b1 + w1z z~ + w1u u + w1zu z~ u)
/// [Pezeshki2016, eq. 2 and 3; Rasmus2015 v1]. s is the sigmoid.
///
/// `weight` [9, C] holds b0, w0z, w0u, w0zu, ws, b1, w1z, w1u, w1zu. Where options leave terms out,
/// their rows are absent: without a sigmoid and a cross term `weight` is [3, C] and
/// z^ = b0 + w0z z~ + w0u u. Errors: channels below 1, init_std below 0.
///
///     VanillaCombinator g(VanillaCombinatorOptions{.channels = 250});
///     VanillaCombinator blind(VanillaCombinatorOptions{.channels = 250, .lateral = false});
///     auto z_hat = g->forward(z_noisy, u);
class VanillaCombinatorImpl : public torch::nn::Cloneable<VanillaCombinatorImpl>,
                              public Combinator,
                              public RandomInit {
 public:
  explicit VanillaCombinatorImpl(VanillaCombinatorOptions options);

  void reset() override;
  /// Draws for VanillaInit::kRandom alone.
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override;
  ops::DenoiseResult denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                             const std::optional<ops::DenoisingTarget>& target) override;

  /// Of the nine, those that `weight` holds, in order, by name: "b0", "w0z", ...
  std::vector<std::string> terms() const;

  VanillaCombinatorOptions options;
  torch::Tensor weight;

 private:
  bool has(size_t term) const;
  torch::Tensor all_terms() const;
};
TORCH_MODULE(VanillaCombinator);

}  // namespace ladder
