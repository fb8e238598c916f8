#include "ladder/nn/combinators/direct_combinator.h"

#include <torch/torch.h>

namespace ladder {

DirectCombinatorImpl::DirectCombinatorImpl(DirectCombinatorOptions options_) : options(options_) {
  TORCH_CHECK(options.channels > 0, "DirectCombinator: expected channels > 0 but got ",
              options.channels, ".");
  reset();
}

void DirectCombinatorImpl::reset() {
  weight = register_parameter("weight", torch::zeros({2, options.channels}));
  const torch::NoGradGuard no_grad;
  weight[0].fill_(1);
}

void DirectCombinatorImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::DirectCombinator(" << options.channels << ")";
}

torch::Tensor DirectCombinatorImpl::forward(const torch::Tensor&, const torch::Tensor& u) {
  return u * weight[0] + weight[1];
}

}  // namespace ladder
