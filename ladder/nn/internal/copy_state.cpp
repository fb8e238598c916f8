#include "ladder/nn/internal/copy_state.h"

#include <torch/torch.h>

namespace ladder {

namespace {

// train() reaches children, so parents come first. A child that a user registered later is not in
// the copy.
void copy_mode(const torch::nn::Module& from, torch::nn::Module& to) {
  to.train(from.is_training());
  const auto targets = to.named_children();
  for (const auto& source : from.named_children()) {
    if (const auto* target = targets.find(source.key())) copy_mode(*source.value(), **target);
  }
}

}  // namespace

void copy_state(const torch::nn::Module& from, torch::nn::Module& to,
                const std::optional<torch::Device>& device) {
  const torch::NoGradGuard no_grad;
  const auto copy = [&](const auto& source, auto target) {
    TORCH_INTERNAL_ASSERT(source.size() == target.size());
    for (const auto& item : source) {
      auto* tensor = target.find(item.key());
      TORCH_INTERNAL_ASSERT(tensor != nullptr, item.key());
      const auto& value = item.value();
      tensor->set_data(
          value.to(device.value_or(value.device()), value.scalar_type(), false, /*copy=*/true));
      tensor->set_requires_grad(value.requires_grad());
    }
  };
  copy(from.named_parameters(), to.named_parameters());
  copy(from.named_buffers(), to.named_buffers());
  copy_mode(from, to);
}

}  // namespace ladder
