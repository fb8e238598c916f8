#include "ladder/nn/combinators/gaussian_combinator.h"

#include <torch/torch.h>

namespace ladder {

GaussianCombinatorImpl::GaussianCombinatorImpl(GaussianCombinatorOptions options_)
    : FormulaCombinator("GaussianCombinator", options_) {
  reset();
}

void GaussianCombinatorImpl::reset() {
  check_options();
  weight = register_parameter("weight",
                              torch::zeros({ops::parameter_count(function()), options.channels}));
  const torch::NoGradGuard no_grad;
  weight[1].fill_(1);
  weight[6].fill_(1);
}

void GaussianCombinatorImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::GaussianCombinator(" << options.channels
         << (options.sigmoid_v ? ", sigmoid_v" : "") << ")";
}

ops::DenoisingFunction GaussianCombinatorImpl::function() const {
  return options.sigmoid_v ? ops::CombinatorFunction::kGaussianSigmoid
                           : ops::CombinatorFunction::kGaussian;
}

}  // namespace ladder
