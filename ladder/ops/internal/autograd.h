/// Names in place of positions for custom autograd functions.
///
/// A struct of tensors lists them in `fields`, and LibTorch's lists are made from it and read into
/// it here only:
///
///     struct Inputs {
///       at::Tensor x, gamma;
///       auto fields() { return std::tie(x, gamma); }
///     };
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>
#include <tuple>
#include <utility>

#include "ladder/core/internal/kept_value.h"

namespace ladder::ops {

/// Return the tensors of a struct in the order of its fields, followed by `more` undefined ones.
template <class Tensors>
torch::autograd::variable_list to_list(Tensors tensors, size_t more = 0) {
  torch::autograd::variable_list list;
  std::apply([&](auto&... fields) { (list.push_back(std::move(fields)), ...); }, tensors.fields());
  list.resize(list.size() + more);
  return list;
}

/// Read a struct from the first tensors of a list.
template <class Tensors>
Tensors from_list(const torch::autograd::variable_list& list) {
  Tensors tensors;
  size_t i = 0;
  std::apply([&](auto&... fields) { ((fields = list.at(i++)), ...); }, tensors.fields());
  return tensors;
}

/// Return the tensor as an optional argument: none if it is undefined.
inline std::optional<at::Tensor> if_defined(const at::Tensor& t) {
  return t.defined() ? std::optional<at::Tensor>(t) : std::nullopt;
}

/// Apply a custom function that is differentiable in `inputs`, of which some may be undefined; its
/// forward takes them as optional tensors, and `call` after them.
template <class Function, class Inputs, class Call>
auto apply_function(Inputs inputs, const Call& call) {
  return std::apply(
      [&](const auto&... fields) { return Function::apply(if_defined(fields)..., call); },
      inputs.fields());
}

/// Refuse a backward pass that is itself differentiated: the kernels record nothing.
inline void refuse_second_gradient(const char* op) {
  TORCH_CHECK(!at::GradMode::is_enabled(), op,
              ": the gradient of a gradient is not supported by the fused operator (use "
              "ops::reference::",
              op, " where you need it).");
}

/// Return uninitialised tensors for those gradients of `inputs` that the backward pass asks for,
/// and undefined tensors for the others.
template <class Inputs>
Inputs wanted_gradients(torch::autograd::AutogradContext* ctx, Inputs inputs) {
  size_t edge = 0;  // LibTorch counts defined tensors only
  const auto allocate = [&](at::Tensor& t) {
    if (t.defined()) {
      t = ctx->needs_input_grad(edge++) ? at::empty_like(t) : at::Tensor();
    }
  };
  std::apply([&](auto&... fields) { (allocate(fields), ...); }, inputs.fields());
  return inputs;
}

}  // namespace ladder::ops
