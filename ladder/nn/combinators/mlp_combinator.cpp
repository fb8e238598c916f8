#include "ladder/nn/combinators/mlp_combinator.h"

#include <torch/torch.h>

#include <utility>

#include "ladder/nn/internal/not_negative.h"

namespace ladder {

MlpCombinatorImpl::MlpCombinatorImpl(MlpCombinatorOptions options_)
    : FormulaCombinator("MlpCombinator", std::move(options_)) {
  for (const auto units : options.hidden) {
    TORCH_CHECK(units > 0, "MlpCombinator: expected hidden layers of at least 1 unit but got ",
                at::IntArrayRef(options.hidden), ".");
  }
  check_not_negative("MlpCombinator", "leaky_slope", options.leaky_slope);
  check_not_negative("MlpCombinator", "init_std", options.init_std);
  reset();
}

void MlpCombinatorImpl::reset() {
  check_options();
  weight = register_parameter("weight",
                              torch::empty({ops::parameter_count(function()), options.channels}));
  auto init = default_source();
  reset_parameters(init);
}

void MlpCombinatorImpl::reset_parameters(NoiseSource& init) {
  init_normal(weight, options.init_std, init);
}

void MlpCombinatorImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::MlpCombinator(" << options.channels << ", " << at::IntArrayRef(options.hidden)
         << (options.augmented ? ", augmented" : "") << ")";
}

ops::DenoisingFunction MlpCombinatorImpl::function() const {
  return ops::MlpFunction{options.hidden, options.augmented, options.leaky_slope};
}

}  // namespace ladder
