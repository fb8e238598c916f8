#include "ladder/nn/stages/noisy_global_mean_pool.h"

#include <torch/torch.h>

#include <cmath>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/nn/maps/upsample_map.h"

namespace ladder {

NoisyGlobalMeanPoolImpl::NoisyGlobalMeanPoolImpl(NoisyGlobalMeanPoolOptions options_)
    : options(options_), built_(options) {
  TORCH_CHECK(options.channels > 0, "NoisyGlobalMeanPool: expected channels > 0 but got ",
              options.channels, ".");
  reset();
}

void NoisyGlobalMeanPoolImpl::reset() {
  check_unchanged("NoisyGlobalMeanPool", options, built_);
  normalization = register_module(
      "normalization",
      NoisyNormalization(NoisyNormalizationOptions{.channels = options.channels,
                                                   .noise_std = options.noise_std,
                                                   .activation = Activation::kIdentity,
                                                   .beta = options.softmax_top,
                                                   .gamma = options.softmax_top && options.gamma}));
  version = register_buffer("version", torch::full({}, kVersion, torch::kFloat));
}

void NoisyGlobalMeanPoolImpl::load(torch::serialize::InputArchive& archive) {
  torch::Tensor found;
  const bool has_version = archive.try_read("version", found, /*is_buffer=*/true);
  const auto number = has_version ? found.item<int64_t>() : 1;
  TORCH_CHECK(number == kVersion, "NoisyGlobalMeanPool: expected the state of version ", kVersion,
              " but got version ", number,
              " (the stage computes other values since then: train the network again).");
  Module::load(archive);
}

double NoisyGlobalMeanPoolImpl::scale(int64_t width) {
  return static_cast<double>(width) * std::sqrt(3.0);
}

void NoisyGlobalMeanPoolImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::NoisyGlobalMeanPool(" << options.channels << ")";
}

StageOutput NoisyGlobalMeanPoolImpl::forward(const torch::Tensor& h, const Pass& pass) {
  check_unchanged("NoisyGlobalMeanPool", options, built_);
  TORCH_CHECK(h.dim() == 4 && h.size(1) == options.channels,
              "NoisyGlobalMeanPool: expected feature maps [R, ", options.channels,
              ", H, W] but got an input of shape ", h.sizes(), batch_hint(h, 4));
  check_like_weight("NoisyGlobalMeanPool", h, normalization->running_mean);
  return normalization->forward(h.mean({2, 3}) * scale(h.size(3)), pass);
}

torch::nn::AnyModule NoisyGlobalMeanPoolImpl::make_vertical(at::IntArrayRef in,
                                                            at::IntArrayRef) const {
  TORCH_CHECK(in.size() == 3, "NoisyGlobalMeanPool: expected rows of maps [C, H, W] but got ", in,
              ".");
  return make_pooling_vertical(in, {in[1], in[2]});
}

}  // namespace ladder
