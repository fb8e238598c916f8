#include "ladder/nn/stages/noisy_batch_norm_linear.h"

#include <torch/torch.h>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/nn/maps/dense_map.h"
#include "ladder/ops/product.h"

namespace ladder {

NoisyBatchNormLinearImpl::NoisyBatchNormLinearImpl(NoisyBatchNormLinearOptions options_)
    : options(options_), built_(options) {
  TORCH_CHECK(options.in_features > 0 && options.out_features > 0,
              "NoisyBatchNormLinear: expected in_features > 0 and out_features > 0 but got ",
              options.in_features, " and ", options.out_features, ".");
  reset();
}

void NoisyBatchNormLinearImpl::reset() {
  check_unchanged("NoisyBatchNormLinear", options, built_);
  weight = register_parameter("weight", torch::empty({options.out_features, options.in_features}));
  const bool top = options.softmax_top;
  normalization = register_module(
      "normalization", NoisyNormalization(NoisyNormalizationOptions{
                           .channels = options.out_features,
                           .noise_std = options.noise_std,
                           .activation = top ? Activation::kIdentity : options.activation,
                           .leaky_slope = options.leaky_slope,
                           .beta = top || options.affine ? std::optional(true) : std::nullopt,
                           .gamma = options.affine || (top && options.gamma)}));
  auto init = default_source();
  reset_parameters(init);
}

void NoisyBatchNormLinearImpl::reset_parameters(NoiseSource& init) {
  init_dense_weight(weight, init);
}

void NoisyBatchNormLinearImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::NoisyBatchNormLinear(" << options.in_features << ", " << options.out_features
         << ")";
}

StageOutput NoisyBatchNormLinearImpl::forward(const torch::Tensor& h, const Pass& pass) {
  check_unchanged("NoisyBatchNormLinear", options, built_);
  const auto rows = h.dim() <= 2 ? h : h.flatten(1);
  TORCH_CHECK(rows.dim() == 2 && rows.size(1) == options.in_features,
              "NoisyBatchNormLinear: expected rows of ", options.in_features,
              " features but got an input of shape ", h.sizes(), batch_hint(h, 2));
  check_like_weight("NoisyBatchNormLinear", rows, weight);
  return normalization->forward(ops::linear(rows, weight), pass);
}

torch::nn::AnyModule NoisyBatchNormLinearImpl::make_vertical(at::IntArrayRef in,
                                                             at::IntArrayRef out) const {
  return make_dense_vertical(in, out);
}

}  // namespace ladder
