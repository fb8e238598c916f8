#include "ladder/nn/vanilla_combinator.h"

#include <torch/torch.h>

namespace ladder {

VanillaCombinatorImpl::VanillaCombinatorImpl(VanillaCombinatorOptions options_)
    : options(options_) {
  TORCH_CHECK(options.channels > 0, "VanillaCombinator: expected channels > 0 but got ",
              options.channels, ".");
  reset();
}

void VanillaCombinatorImpl::reset() {
  weight = register_parameter("weight", torch::zeros({9, options.channels}));
  const torch::NoGradGuard no_grad;
  weight[1].fill_(1);
  weight[4].fill_(1);
  weight[6].fill_(1);
}

void VanillaCombinatorImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::VanillaCombinator(" << options.channels << ")";
}

torch::Tensor VanillaCombinatorImpl::forward(const torch::Tensor& z_noisy, const torch::Tensor& u) {
  return ops::reference::combine(z_noisy, u, weight, ops::CombinatorFunction::kVanilla);
}

ops::DenoiseResult VanillaCombinatorImpl::denoise(
    const torch::Tensor& z_noisy, const torch::Tensor& u,
    const std::optional<ops::DenoisingTarget>& target) {
  return ops::denoise(z_noisy, u, weight, ops::CombinatorFunction::kVanilla, target);
}

}  // namespace ladder
