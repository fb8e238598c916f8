#include "ladder/nn/stages/noisy_mean_pool.h"

#include <torch/torch.h>

#include "ladder/ops/convolve.h"

namespace ladder {

NoisyMeanPoolImpl::NoisyMeanPoolImpl(NoisyMeanPoolOptions options_)
    : NoisyPoolImpl("NoisyMeanPool", options_) {}

torch::Tensor NoisyMeanPoolImpl::pool(const torch::Tensor& h) const {
  const auto means = torch::avg_pool2d(ops::channels_last(h), *options.size, *options.size, 0,
                                       /*ceil_mode=*/true);
  return ops::channels_last(means);
}

}  // namespace ladder
