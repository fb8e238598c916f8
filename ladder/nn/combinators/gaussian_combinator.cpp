#include "ladder/nn/combinators/gaussian_combinator.h"

#include <torch/torch.h>

namespace ladder {

GaussianCombinatorImpl::GaussianCombinatorImpl(GaussianCombinatorOptions options_)
    : options(options_) {
  TORCH_CHECK(options.channels > 0, "GaussianCombinator: expected channels > 0 but got ",
              options.channels, ".");
  reset();
}

void GaussianCombinatorImpl::reset() {
  weight = register_parameter("weight", torch::zeros({10, options.channels}));
  const torch::NoGradGuard no_grad;
  weight[1].fill_(1);
  weight[6].fill_(1);
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
  return ops::reference::combine(z_noisy, u, weight, function());
}

ops::DenoiseResult GaussianCombinatorImpl::denoise(
    const torch::Tensor& z_noisy, const torch::Tensor& u,
    const std::optional<ops::DenoisingTarget>& target) {
  return ops::denoise(z_noisy, u, weight, function(), target);
}

}  // namespace ladder
