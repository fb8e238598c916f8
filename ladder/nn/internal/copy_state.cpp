#include "ladder/nn/internal/copy_state.h"

#include <torch/torch.h>

#include <utility>

#include "ladder/nn/pluggable.h"

namespace ladder {

namespace {

// Register in `to` what a user registered in `from` after it was built; the values follow later.
void add_missing(const torch::nn::Module& from, torch::nn::Module& to,
                 const std::optional<torch::Device>& device) {
  const auto parameters = to.named_parameters(/*recurse=*/false);
  for (const auto& item : from.named_parameters(/*recurse=*/false)) {
    if (!parameters.contains(item.key())) {
      to.register_parameter(item.key(), torch::empty_like(item.value()), /*requires_grad=*/false);
    }
  }
  const auto buffers = to.named_buffers(/*recurse=*/false);
  for (const auto& item : from.named_buffers(/*recurse=*/false)) {
    if (!buffers.contains(item.key())) {
      to.register_buffer(item.key(), torch::empty_like(item.value()));
    }
  }
  const auto children = to.named_children();
  for (const auto& item : from.named_children()) {
    if (const auto* child = children.find(item.key())) {
      add_missing(*item.value(), **child, device);
    } else {
      auto copy = item.value()->clone(device);
      check_clone(*item.value(), copy.get());
      to.register_module(item.key(), std::move(copy));
    }
  }
}

}  // namespace

// train() reaches children, so parents come first.
void copy_mode(const torch::nn::Module& from, torch::nn::Module& to) {
  to.train(from.is_training());
  const auto targets = to.named_children();
  for (const auto& source : from.named_children()) {
    if (const auto* target = targets.find(source.key())) copy_mode(*source.value(), **target);
  }
}

void copy_state(const torch::nn::Module& from, torch::nn::Module& to,
                const std::optional<torch::Device>& device) {
  const torch::NoGradGuard no_grad;
  add_missing(from, to, device);
  const auto copy = [&](const auto& source, auto target) {
    for (auto& item : target) {
      const auto* value = source.find(item.key());
      TORCH_CHECK(value != nullptr, "clone: expected ", item.key(), " in ", from.name(),
                  ", which was built with it, but it is gone.");
      item.value().set_data(
          value->to(device.value_or(value->device()), value->scalar_type(), false, /*copy=*/true));
      item.value().set_requires_grad(value->requires_grad());
    }
  };
  copy(from.named_parameters(), to.named_parameters());
  copy(from.named_buffers(), to.named_buffers());
  copy_mode(from, to);
}

}  // namespace ladder
