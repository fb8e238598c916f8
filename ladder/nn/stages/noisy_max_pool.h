/// The max-pooling stage of a ladder.
#pragma once

#include <torch/nn/pimpl.h>

#include "ladder/nn/stages/noisy_pool.h"

namespace ladder {

using NoisyMaxPoolOptions = NoisyPoolOptions;

/// A pooling stage that takes the maximum of each window: see NoisyPoolImpl for the formula,
/// shapes, state and errors.
///
///     NoisyMaxPool pool(NoisyMaxPoolOptions{.channels = 32, .size = 2});   // 15 x 15 -> 8 x 8
class NoisyMaxPoolImpl : public NoisyPoolImpl<NoisyMaxPoolImpl> {
 public:
  explicit NoisyMaxPoolImpl(NoisyMaxPoolOptions options);

 private:
  torch::Tensor pool(const torch::Tensor& h) const override;
};
TORCH_MODULE(NoisyMaxPool);

}  // namespace ladder
