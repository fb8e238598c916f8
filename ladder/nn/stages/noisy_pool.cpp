#include "ladder/nn/stages/noisy_pool.h"

#include <torch/torch.h>

#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/nn/maps/upsample_map.h"
#include "ladder/nn/stages/noisy_max_pool.h"
#include "ladder/nn/stages/noisy_mean_pool.h"

namespace ladder {

bool NoisyPoolOptions::operator==(const NoisyPoolOptions& other) const {
  return *size == *other.size && channels == other.channels && noise_std == other.noise_std;
}

template <typename Derived>
NoisyPoolImpl<Derived>::NoisyPoolImpl(const char* name, NoisyPoolOptions options_)
    : options(options_), name_(name), built_(options) {
  TORCH_CHECK(options.channels > 0, name_, ": expected channels > 0 but got ", options.channels,
              ".");
  TORCH_CHECK(options.size->at(0) > 0 && options.size->at(1) > 0, name_,
              ": expected a size of at least 1 but got ", at::IntArrayRef(*options.size), ".");
  NoisyPoolImpl::reset();
}

template <typename Derived>
void NoisyPoolImpl<Derived>::reset() {
  check_unchanged(name_, options, built_);
  normalization = this->register_module(
      "normalization",
      NoisyNormalization(NoisyNormalizationOptions{.channels = options.channels,
                                                   .noise_std = options.noise_std,
                                                   .activation = Activation::kIdentity}));
}

template <typename Derived>
void NoisyPoolImpl<Derived>::pretty_print(std::ostream& stream) const {
  stream << "ladder::" << name_ << "(" << options.channels << ", " << options.size->at(0) << "x"
         << options.size->at(1) << ")";
}

template <typename Derived>
StageOutput NoisyPoolImpl<Derived>::forward(const torch::Tensor& h, const Pass& pass) {
  check_unchanged(name_, options, built_);
  TORCH_CHECK(h.dim() == 4 && h.size(1) == options.channels, name_, ": expected feature maps [R, ",
              options.channels, ", H, W] but got an input of shape ", h.sizes(), batch_hint(h, 4));
  check_like_weight(name_, h, normalization->running_mean);
  return normalization->forward(pool(h), pass);
}

template <typename Derived>
torch::nn::AnyModule NoisyPoolImpl<Derived>::make_vertical(at::IntArrayRef in,
                                                           at::IntArrayRef) const {
  return make_pooling_vertical(in, {options.size->at(0), options.size->at(1)});
}

template class NoisyPoolImpl<NoisyMaxPoolImpl>;
template class NoisyPoolImpl<NoisyMeanPoolImpl>;

}  // namespace ladder
