/// Combinators with parameters other than those of their start, and operands.
#pragma once

#include <torch/torch.h>

namespace ladder::testing {

/// The combinator in float64 with random parameters, so that every term counts.
template <class Module>
Module perturbed(Module g) {
  const torch::NoGradGuard no_grad;
  g->to(torch::kDouble);
  g->weight.normal_();
  return g;
}

inline torch::Tensor normals(int64_t rows, int64_t columns) {
  return torch::randn({rows, columns}, torch::kDouble);
}

}  // namespace ladder::testing
