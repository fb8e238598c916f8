#include "ladder/nn/stages/noisy_stage.h"

#include <torch/torch.h>

#include "ladder/nn/internal/copy_state.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/nn/maps/dense_map.h"

namespace ladder {
namespace {

namespace tnn = torch::nn;

template <class... Impls>
bool is_any_of(const tnn::Module& module) {
  return (... || (dynamic_cast<const Impls*>(&module) != nullptr));
}

template <class... Norms>
bool tracks_instances(const tnn::Module& module) {
  const auto tracks = [&](const auto* norm) {
    return norm != nullptr && norm->options.track_running_stats();
  };
  return (... || tracks(dynamic_cast<const Norms*>(&module)));
}

template <class... Dropouts>
bool drops(const tnn::Module& module) {
  const auto any = [&](const auto* dropout) {
    return dropout != nullptr && dropout->options.p() > 0;
  };
  return (... || any(dynamic_cast<const Dropouts*>(&module)));
}

// A map gets the rows of all groups at once, and may not tell them apart nor mix them.
void check_rows_apart(const tnn::Module& map) {
  for (const auto& item : map.named_modules("map")) {
    const auto& module = *item.value();
    TORCH_CHECK(
        !(is_any_of<tnn::BatchNorm1dImpl, tnn::BatchNorm2dImpl, tnn::BatchNorm3dImpl>(module)),
        "NoisyStage: expected a module that treats each row by itself but got a BatchNorm as ",
        item.key(), ", which mixes noisy and clean rows (leave it out: the stage normalises).");
    TORCH_CHECK((!tracks_instances<tnn::InstanceNorm1dImpl, tnn::InstanceNorm2dImpl,
                                   tnn::InstanceNorm3dImpl>(module)),
                "NoisyStage: expected a module without statistics of its own but got an "
                "InstanceNorm with running ones as ",
                item.key(), " (build it with track_running_stats(false)).");
    TORCH_CHECK((!drops<tnn::DropoutImpl, tnn::Dropout2dImpl, tnn::Dropout3dImpl,
                        tnn::AlphaDropoutImpl, tnn::FeatureAlphaDropoutImpl>(module)),
                "NoisyStage: expected a module without random numbers but got a Dropout as ",
                item.key(), " (leave it out: noise_std takes its place).");
  }
}

}  // namespace

NoisyStageImpl::NoisyStageImpl(torch::nn::AnyModule map_, NoisyStageOptions options_)
    : options(std::move(options_)), map(std::move(map_)), built_(options.normalization) {
  TORCH_CHECK(!map.is_empty(), "NoisyStage: expected a module but got an empty AnyModule.");
  check_rows_apart(*map.ptr());
  register_module("map", map.ptr());
  normalization = register_module("normalization", NoisyNormalization(options.normalization));
}

StageOutput NoisyStageImpl::forward(const torch::Tensor& h, const Pass& pass) {
  check_unchanged("NoisyStage", options.normalization, built_);
  return normalization->forward(map.forward<torch::Tensor>(h), pass);
}

torch::nn::AnyModule NoisyStageImpl::make_vertical(at::IntArrayRef in, at::IntArrayRef out) const {
  return options.vertical ? options.vertical(in, out) : make_dense_vertical(in, out);
}

void NoisyStageImpl::clone_(torch::nn::Module& other, const std::optional<torch::Device>& device) {
  clone_into(*this, other, device);
}

std::shared_ptr<torch::nn::Module> NoisyStageImpl::clone(
    const std::optional<torch::Device>& device) const {
  auto copy = std::make_shared<NoisyStageImpl>(map.clone(device), options);
  copy->normalization->options = normalization->options;  // whose noise_std may have changed
  copy_state(*this, *copy, device);
  return copy;
}

}  // namespace ladder
