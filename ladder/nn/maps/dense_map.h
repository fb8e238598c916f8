/// A linear map without bias: what stands before a normalisation, where a bias would cancel.
#pragma once

#include <torch/nn/cloneable.h>
#include <torch/nn/modules/container/any.h>
#include <torch/nn/pimpl.h>

#include <vector>

#include "ladder/nn/random_init.h"

namespace ladder {

struct DenseMapOptions {
  int64_t in_features = 0;
  int64_t out_features = 0;
  std::vector<int64_t> out_shape = {};  ///< shape of one row of the result; empty: [out_features]
};

/// y = x W^T, [R, in] -> [R, out]; `weight` [out, in] ~ N(0, 1 / in) [Rasmus2015, published code].
/// Rows of more than one dimension are flattened.
class DenseMapImpl : public torch::nn::Cloneable<DenseMapImpl>, public RandomInit {
 public:
  explicit DenseMapImpl(DenseMapOptions options);

  void reset() override;
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& x);

  DenseMapOptions options;
  torch::Tensor weight;
};
TORCH_MODULE(DenseMap);

/// The decoder map of a dense stage: from rows of shape `out` back to rows of shape `in`.
torch::nn::AnyModule make_dense_vertical(at::IntArrayRef in, at::IntArrayRef out);

}  // namespace ladder
