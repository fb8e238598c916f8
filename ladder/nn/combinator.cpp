#include "ladder/nn/combinator.h"

#include <torch/torch.h>

#include "ladder/nn/internal/operands.h"

namespace ladder {

ops::DenoiseResult Combinator::denoise(const torch::Tensor& z_noisy, const torch::Tensor& u,
                                       const std::optional<ops::DenoisingTarget>& target) {
  ops::DenoiseResult result{forward(z_noisy, ops::normalise_rows(u)), {}};
  check_z_hat(result.z_hat, u);
  if (target) {
    result.cost = ops::denoising_cost(result.z_hat, *target);
  }
  return result;
}

}  // namespace ladder
