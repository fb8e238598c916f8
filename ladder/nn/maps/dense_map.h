/// A linear map without bias, for use before a normalisation that would cancel the bias.
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
  std::vector<int64_t> out_shape = {};  ///< shape of one result row; empty: [out_features]

  bool operator==(const DenseMapOptions&) const = default;
};

/// y = x W^T, [R, in] -> [R, out]; `weight` [out, in] ~ N(0, 1 / in) [Rasmus2015, published code].
/// Rows with several dimensions are flattened. Options are fixed at construction. Errors: features
/// below 1; an out_shape of another number of values; an input of another number of features, type
/// or device.
class DenseMapImpl : public torch::nn::Cloneable<DenseMapImpl>, public RandomInit {
 public:
  explicit DenseMapImpl(DenseMapOptions options);

  void reset() override;
  void reset_parameters(NoiseSource& init) override;
  void pretty_print(std::ostream& stream) const override;
  torch::Tensor forward(const torch::Tensor& x);
  /// True while `options` are those that it was built with.
  bool options_hold() const { return options == built_; }

  DenseMapOptions options;
  torch::Tensor weight;

 private:
  DenseMapOptions built_;
};
TORCH_MODULE(DenseMap);

/// Decoder map of a dense stage: from rows of shape `out` back to rows of shape `in`.
torch::nn::AnyModule make_dense_vertical(at::IntArrayRef in, at::IntArrayRef out);

}  // namespace ladder
