/// What modules of any type are asked for, with errors that name them.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>
#include <c10/util/Type.h>
#include <torch/nn/modules/container/any.h>

#include <optional>
#include <utility>

#include "ladder/nn/pluggable.h"

namespace ladder {

/// Return a deep copy. Error: that of check_clone. LibTorch's own clone() holds a null pointer
/// where the copy is of another type.
inline torch::nn::AnyModule clone_any(const torch::nn::AnyModule& module,
                                      const std::optional<torch::Device>& device) {
  auto copy = module.clone(device);
  const auto& from = *module.ptr();
  const auto made = copy.ptr() ? copy.ptr() : from.clone(device);
  check_clone(from, made.get());
  return copy;
}

/// Return what `module` makes of `x`. Error, led by `owner`: something else than a tensor.
inline torch::Tensor tensor_from(const char* owner, torch::nn::AnyModule& module,
                                 const torch::Tensor& x) {
  auto result = module.any_forward(x);
  auto* const tensor = result.try_get<torch::Tensor>();
  TORCH_CHECK(tensor != nullptr, owner, ": expected a module that returns a Tensor but got ",
              module.ptr()->name(), ", which returns ", c10::demangle(result.type_info().name()),
              " (hold it in a module that returns the tensor alone).");
  return std::move(*tensor);
}

}  // namespace ladder
