#include "ladder/nn/stages/noisy_mean_pool.h"

#include <torch/torch.h>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/nn/maps/upsample_map.h"
#include "ladder/ops/convolve.h"

namespace ladder {

bool NoisyMeanPoolOptions::operator==(const NoisyMeanPoolOptions& other) const {
  return *size == *other.size && channels == other.channels && noise_std == other.noise_std;
}

NoisyMeanPoolImpl::NoisyMeanPoolImpl(NoisyMeanPoolOptions options_)
    : options(options_), built_(options) {
  TORCH_CHECK(options.channels > 0, "NoisyMeanPool: expected channels > 0 but got ",
              options.channels, ".");
  TORCH_CHECK(options.size->at(0) > 0 && options.size->at(1) > 0,
              "NoisyMeanPool: expected a size of at least 1 but got ",
              at::IntArrayRef(*options.size), ".");
  reset();
}

void NoisyMeanPoolImpl::reset() {
  check_unchanged("NoisyMeanPool", options, built_);
  normalization = register_module("normalization", NoisyNormalization(NoisyNormalizationOptions{
                                                       .channels = options.channels,
                                                       .noise_std = options.noise_std,
                                                       .activation = Activation::kIdentity}));
}

void NoisyMeanPoolImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::NoisyMeanPool(" << options.channels << ", " << options.size->at(0) << "x"
         << options.size->at(1) << ")";
}

StageOutput NoisyMeanPoolImpl::forward(const torch::Tensor& h, const Pass& pass) {
  check_unchanged("NoisyMeanPool", options, built_);
  TORCH_CHECK(h.dim() == 4 && h.size(1) == options.channels, "NoisyMeanPool: expected maps [R, ",
              options.channels, ", H, W] but got an input of shape ", h.sizes(), batch_hint(h, 4));
  check_like_weight("NoisyMeanPool", h, normalization->running_mean);
  const auto pooled = torch::avg_pool2d(ops::channels_last(h), *options.size, *options.size, 0,
                                        /*ceil_mode=*/true);
  return normalization->forward(ops::channels_last(pooled), pass);
}

torch::nn::AnyModule NoisyMeanPoolImpl::make_vertical(at::IntArrayRef in, at::IntArrayRef) const {
  return make_pooling_vertical(in, {options.size->at(0), options.size->at(1)});
}

}  // namespace ladder
