#include "ladder/nn/combinators/gaussian_combinator.h"

#include <torch/torch.h>

#include "ladder/nn/internal/operands.h"
#include "ladder/nn/internal/unchanged.h"

namespace ladder {

GaussianCombinatorImpl::GaussianCombinatorImpl(GaussianCombinatorOptions options_)
    : options(options_), built_(options) {
  TORCH_CHECK(options.channels > 0, "GaussianCombinator: expected channels > 0 but got ",
              options.channels, ".");
  reset();
}

void GaussianCombinatorImpl::reset() {
  check_unchanged("GaussianCombinator", options, built_);
  weight = register_parameter("weight", torch::zeros({10, options.channels}));
  const torch::NoGradGuard no_grad;
  weight[1].fill_(1);
  weight[6].fill_(1);
}

void GaussianCombinatorImpl::check(const torch::Tensor& z_noisy, const torch::Tensor& u) const {
  check_unchanged("GaussianCombinator", options, built_);
  check_operands("GaussianCombinator", z_noisy, u, weight);
}

void GaussianCombinatorImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::GaussianCombinator(" << options.channels
         << (options.sigmoid_v ? ", sigmoid_v" : "") << ")";
}

ops::CombinatorFunction GaussianCombinatorImpl::function() const {
  return options.sigmoid_v ? ops::CombinatorFunction::kGaussianSigmoid
                           : ops::CombinatorFunction::kGaussian;
}

torch::Tensor GaussianCombinatorImpl::forward(const torch::Tensor& z_noisy,
                                              const torch::Tensor& u) {
  check(z_noisy, u);
  return ops::reference::combine(z_noisy, u, weight, function());
}

ops::DenoiseResult GaussianCombinatorImpl::denoise(
    const torch::Tensor& z_noisy, const torch::Tensor& u,
    const std::optional<ops::DenoisingTarget>& target) {
  check(z_noisy, u);
  return ops::denoise(z_noisy, u, weight, function(), target);
}

}  // namespace ladder
