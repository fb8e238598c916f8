#include "ladder/nn/combinators/mlp_combinator.h"

#include <torch/torch.h>

#include "ladder/nn/internal/not_negative.h"
#include "ladder/nn/internal/operands.h"
#include "ladder/nn/internal/unchanged.h"

namespace ladder {

MlpCombinatorImpl::MlpCombinatorImpl(MlpCombinatorOptions options_)
    : options(std::move(options_)), built_(options) {
  TORCH_CHECK(options.channels > 0, "MlpCombinator: expected channels > 0 but got ",
              options.channels, ".");
  for (const auto units : options.hidden) {
    TORCH_CHECK(units > 0, "MlpCombinator: expected hidden layers of at least 1 unit but got ",
                at::IntArrayRef(options.hidden), ".");
  }
  check_not_negative("MlpCombinator", "leaky_slope", options.leaky_slope);
  check_not_negative("MlpCombinator", "init_std", options.init_std);
  reset();
}

void MlpCombinatorImpl::reset() {
  check_unchanged("MlpCombinator", options, built_);
  weight = register_parameter("weight",
                              torch::empty({ops::parameter_count(function()), options.channels}));
  auto init = default_source();
  reset_parameters(init);
}

void MlpCombinatorImpl::reset_parameters(NoiseSource& init) {
  init_normal(weight, options.init_std, init);
}

void MlpCombinatorImpl::check(const torch::Tensor& z_noisy, const torch::Tensor& u) const {
  check_unchanged("MlpCombinator", options, built_);
  check_operands("MlpCombinator", z_noisy, u, weight);
}

void MlpCombinatorImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::MlpCombinator(" << options.channels << ", " << at::IntArrayRef(options.hidden)
         << (options.augmented ? ", augmented" : "") << ")";
}

ops::MlpFunction MlpCombinatorImpl::function() const {
  return {options.hidden, options.augmented, options.leaky_slope};
}

torch::Tensor MlpCombinatorImpl::forward(const torch::Tensor& z_noisy, const torch::Tensor& u) {
  check(z_noisy, u);
  return ops::reference::combine(z_noisy, u, weight, function());
}

ops::DenoiseResult MlpCombinatorImpl::denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                                              const std::optional<ops::DenoisingTarget>& target) {
  check(z_noisy, u);
  return ops::denoise(z_noisy, u, weight, function(), target);
}

}  // namespace ladder
