#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace ladder {

/// Keep a value without tensors from forward to backward.
template <class T>
struct KeptValue : torch::CustomClassHolder {
  explicit KeptValue(T value_) : value(std::move(value_)) {}
  T value;
};
template <class T>
void keep(torch::autograd::AutogradContext* ctx, T value) {
  ctx->saved_data["kept"] =
      c10::IValue::make_capsule(c10::make_intrusive<KeptValue<T>>(std::move(value)));
}
template <class T>
T kept(torch::autograd::AutogradContext* ctx) {
  return c10::static_intrusive_pointer_cast<KeptValue<T>>(ctx->saved_data.at("kept").toCapsule())
      ->value;
}

}  // namespace ladder
