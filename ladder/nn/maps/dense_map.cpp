#include "ladder/nn/maps/dense_map.h"

#include <torch/torch.h>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/ops/product.h"

namespace ladder {

DenseMapImpl::DenseMapImpl(DenseMapOptions options_)
    : options(std::move(options_)), built_(options) {
  TORCH_CHECK(options.in_features > 0 && options.out_features > 0,
              "DenseMap: expected in_features > 0 and out_features > 0 but got ",
              options.in_features, " and ", options.out_features, ".");
  TORCH_CHECK(options.out_shape.empty() ||
                  c10::multiply_integers(options.out_shape) == options.out_features,
              "DenseMap: expected an out_shape of ", options.out_features, " values but got ",
              at::IntArrayRef(options.out_shape), ".");
  reset();
}

void DenseMapImpl::reset() {
  check_unchanged("DenseMap", options, built_);
  weight = register_parameter("weight", torch::empty({options.out_features, options.in_features}));
  auto init = default_source();
  reset_parameters(init);
}

void DenseMapImpl::reset_parameters(NoiseSource& init) { init_dense_weight(weight, init); }

void DenseMapImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::DenseMap(" << options.in_features << ", " << options.out_features << ")";
}

torch::Tensor DenseMapImpl::forward(const torch::Tensor& x) {
  check_unchanged("DenseMap", options, built_);
  const auto rows = x.dim() <= 2 ? x : x.flatten(1);
  TORCH_CHECK(rows.dim() == 2 && rows.size(1) == options.in_features, "DenseMap: expected rows of ",
              options.in_features, " features but got an input of shape ", x.sizes(),
              batch_hint(x, 2));
  check_like_weight("DenseMap", rows, weight);
  auto y = ops::linear(rows, weight);
  if (options.out_shape.size() > 1) {
    y = y.unflatten(1, options.out_shape);
  }
  return y;
}

torch::nn::AnyModule make_dense_vertical(at::IntArrayRef in, at::IntArrayRef out) {
  return torch::nn::AnyModule(DenseMap(DenseMapOptions{.in_features = c10::multiply_integers(out),
                                                       .out_features = c10::multiply_integers(in),
                                                       .out_shape = in.vec()}));
}

}  // namespace ladder
