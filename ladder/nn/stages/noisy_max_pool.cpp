#include "ladder/nn/stages/noisy_max_pool.h"

#include <torch/torch.h>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/nn/maps/upsample_map.h"
#include "ladder/ops/max_pool.h"

namespace ladder {

bool NoisyMaxPoolOptions::operator==(const NoisyMaxPoolOptions& other) const {
  return *size == *other.size && channels == other.channels && noise_std == other.noise_std;
}

NoisyMaxPoolImpl::NoisyMaxPoolImpl(NoisyMaxPoolOptions options_)
    : options(options_), built_(options) {
  TORCH_CHECK(options.channels > 0, "NoisyMaxPool: expected channels > 0 but got ",
              options.channels, ".");
  TORCH_CHECK(options.size->at(0) > 0 && options.size->at(1) > 0,
              "NoisyMaxPool: expected a size of at least 1 but got ",
              at::IntArrayRef(*options.size), ".");
  reset();
}

void NoisyMaxPoolImpl::reset() {
  check_unchanged("NoisyMaxPool", options, built_);
  normalization = register_module("normalization", NoisyNormalization(NoisyNormalizationOptions{
                                                       .channels = options.channels,
                                                       .noise_std = options.noise_std,
                                                       .activation = Activation::kIdentity}));
}

void NoisyMaxPoolImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::NoisyMaxPool(" << options.channels << ", " << options.size->at(0) << "x"
         << options.size->at(1) << ")";
}

StageOutput NoisyMaxPoolImpl::forward(const torch::Tensor& h, const Pass& pass) {
  check_unchanged("NoisyMaxPool", options, built_);
  TORCH_CHECK(h.dim() == 4 && h.size(1) == options.channels, "NoisyMaxPool: expected maps [R, ",
              options.channels, ", H, W] but got an input of shape ", h.sizes(), batch_hint(h, 4));
  check_like_weight("NoisyMaxPool", h, normalization->running_mean);
  return normalization->forward(ops::max_pool(h, {options.size->at(0), options.size->at(1)}), pass);
}

torch::nn::AnyModule NoisyMaxPoolImpl::make_vertical(at::IntArrayRef in, at::IntArrayRef) const {
  return make_pooling_vertical(in, {options.size->at(0), options.size->at(1)});
}

}  // namespace ladder
