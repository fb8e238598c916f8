#include "ladder/nn/combinators/direct_combinator.h"

#include <torch/torch.h>

#include "ladder/nn/internal/operands.h"
#include "ladder/nn/internal/unchanged.h"

namespace ladder {

DirectCombinatorImpl::DirectCombinatorImpl(DirectCombinatorOptions options_)
    : options(options_), built_(options) {
  TORCH_CHECK(options.channels > 0, "DirectCombinator: expected channels > 0 but got ",
              options.channels, ".");
  reset();
}

void DirectCombinatorImpl::reset() {
  check_unchanged("DirectCombinator", options, built_);
  weight = register_parameter("weight", torch::zeros({2, options.channels}));
  const torch::NoGradGuard no_grad;
  weight[0].fill_(1);
}

void DirectCombinatorImpl::check(const torch::Tensor& z_noisy, const torch::Tensor& u) const {
  check_unchanged("DirectCombinator", options, built_);
  check_operands("DirectCombinator", z_noisy, u, weight, /*lateral=*/false);
}

void DirectCombinatorImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::DirectCombinator(" << options.channels << ")";
}

torch::Tensor DirectCombinatorImpl::forward(const torch::Tensor& z_noisy, const torch::Tensor& u) {
  check(z_noisy, u);
  return u * weight[0] + weight[1];
}

}  // namespace ladder
