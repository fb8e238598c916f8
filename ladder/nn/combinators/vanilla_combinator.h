/// The denoising function with a cross term, and its ablations.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/pimpl.h>

#include <optional>
#include <string>
#include <vector>

#include "ladder/nn/combinator.h"
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
/// Options are fixed at construction. Errors: channels below 1; a negative or infinite init_std;
/// operands of another shape, type or device; fewer than 2 rows in `denoise`.
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
  /// Set the initial parameters. Draws numbers for VanillaInit::kRandom only.
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor& u) override;
  ops::DenoiseResult denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                             const std::optional<ops::DenoisingTarget>& target) override;

  /// Names of the rows of `weight`, in order: "b0", "w0z", ...
  std::vector<std::string> terms() const;

  VanillaCombinatorOptions options;
  torch::Tensor weight;

 private:
  void check(const torch::Tensor& z_noisy, const torch::Tensor& u) const;
  bool has(size_t term) const;
  torch::Tensor all_terms() const;

  VanillaCombinatorOptions built_;
};
TORCH_MODULE(VanillaCombinator);

}  // namespace ladder
