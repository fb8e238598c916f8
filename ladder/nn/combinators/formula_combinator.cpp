#include "ladder/nn/combinators/formula_combinator.h"

#include <torch/torch.h>

#include <utility>

#include "ladder/nn/combinators/gaussian_combinator.h"
#include "ladder/nn/combinators/mlp_combinator.h"
#include "ladder/nn/combinators/vanilla_combinator.h"
#include "ladder/nn/internal/exactly.h"
#include "ladder/nn/internal/operands.h"
#include "ladder/nn/internal/unchanged.h"

namespace ladder {

template <class Derived, class Options>
FormulaCombinator<Derived, Options>::FormulaCombinator(const char* name, Options options_)
    : options(std::move(options_)), name_(name), built_(options) {
  TORCH_CHECK(options.channels > 0, name_, ": expected channels > 0 but got ", options.channels,
              ".");
}

template <class Derived, class Options>
void FormulaCombinator<Derived, Options>::check_options() const {
  check_unchanged(name_, options, built_);
}

template <class Derived, class Options>
void FormulaCombinator<Derived, Options>::check(const torch::Tensor& z_noisy,
                                                const torch::Tensor& u) const {
  check_options();
  check_operands(name_, z_noisy, u, weight);
}

template <class Derived, class Options>
torch::Tensor FormulaCombinator<Derived, Options>::forward(const torch::Tensor& z_noisy,
                                                           const torch::Tensor& u) {
  check(z_noisy, u);
  return ops::reference::combine(z_noisy, u, parameter_rows(), function());
}

template <class Derived, class Options>
ops::DenoiseResult FormulaCombinator<Derived, Options>::denoise(
    const torch::Tensor& z_noisy, const torch::Tensor& u,
    const std::optional<ops::DenoisingTarget>& target) {
  // A class that derives from Derived may have overridden `forward`, which the operator ignores.
  if (exactly<Derived>(*this) == nullptr) return Combinator::denoise(z_noisy, u, target);
  check(z_noisy, u);
  return ops::denoise(z_noisy, u, parameter_rows(), function(), target);
}

template class FormulaCombinator<GaussianCombinatorImpl, GaussianCombinatorOptions>;
template class FormulaCombinator<MlpCombinatorImpl, MlpCombinatorOptions>;
template class FormulaCombinator<VanillaCombinatorImpl, VanillaCombinatorOptions>;

}  // namespace ladder
