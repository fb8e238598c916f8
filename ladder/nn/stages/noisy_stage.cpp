#include "ladder/nn/stages/noisy_stage.h"

#include <torch/torch.h>

#include "ladder/nn/internal/any_module.h"
#include "ladder/nn/internal/copy_state.h"
#include "ladder/nn/internal/rows_apart.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/nn/maps/dense_map.h"

namespace ladder {

NoisyStageImpl::NoisyStageImpl(torch::nn::AnyModule map_, NoisyStageOptions options_)
    : options(std::move(options_)), map(std::move(map_)), built_(options.normalization) {
  TORCH_CHECK(!map.is_empty() && map.ptr() != nullptr,
              "NoisyStage: expected a module but got an empty AnyModule.");
  check_rows_apart("NoisyStage", "a module", "that treats", *map.ptr(), "map", RowsApart::kAll);
  register_module("map", map.ptr());
  normalization = register_module("normalization", NoisyNormalization(options.normalization));
}

StageOutput NoisyStageImpl::forward(const torch::Tensor& h, const Pass& pass) {
  check_unchanged("NoisyStage", options.normalization, built_);
  return normalization->forward(tensor_from("NoisyStage", map, h), pass);
}

torch::nn::AnyModule NoisyStageImpl::make_vertical(at::IntArrayRef in, at::IntArrayRef out) const {
  return options.vertical ? options.vertical(in, out) : make_dense_vertical(in, out);
}

void NoisyStageImpl::clone_(torch::nn::Module& other, const std::optional<torch::Device>& device) {
  clone_into(*this, other, device);
}

std::shared_ptr<torch::nn::Module> NoisyStageImpl::clone(
    const std::optional<torch::Device>& device) const {
  auto copy = std::make_shared<NoisyStageImpl>(clone_any(map, device), options);
  copy->normalization->options = normalization->options;  // whose noise_std may have changed
  copy_state(*this, *copy, device);
  return copy;
}

}  // namespace ladder
