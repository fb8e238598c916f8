/// The mean-pooling stage of a ladder.
#pragma once

#include <torch/nn/pimpl.h>

#include "ladder/nn/stages/noisy_pool.h"

namespace ladder {

using NoisyMeanPoolOptions = NoisyPoolOptions;

/// A pooling stage that takes the mean of each window. A window that is cut at an edge averages
/// only the values inside the feature map. See NoisyPoolImpl for the formula, shapes, state and
/// errors.
///
///     NoisyMeanPool pool(NoisyMeanPoolOptions{.channels = 32, .size = 2});   // 15 x 15 -> 8 x 8
class NoisyMeanPoolImpl : public NoisyPoolImpl<NoisyMeanPoolImpl> {
 public:
  explicit NoisyMeanPoolImpl(NoisyMeanPoolOptions options);

 private:
  torch::Tensor pool(const torch::Tensor& h) const override;
};
TORCH_MODULE(NoisyMeanPool);

}  // namespace ladder
