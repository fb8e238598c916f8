#include "ladder/nn/stages/noisy_max_pool.h"

#include <torch/torch.h>

#include "ladder/ops/max_pool.h"

namespace ladder {

NoisyMaxPoolImpl::NoisyMaxPoolImpl(NoisyMaxPoolOptions options_)
    : NoisyPoolImpl("NoisyMaxPool", options_) {}

torch::Tensor NoisyMaxPoolImpl::pool(const torch::Tensor& h) const {
  return ops::max_pool(h, {options.size->at(0), options.size->at(1)});
}

}  // namespace ladder
