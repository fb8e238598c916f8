#pragma once

#include <torch/nn/module.h>

#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace ladder::train {

/// Return the parameters of a module with their names. One that several modules share, which
/// `named_parameters` lists for each of them, is there once, with its first name.
inline std::vector<std::pair<std::string, torch::Tensor>> parameters_once(
    const torch::nn::Module& module) {
  std::vector<std::pair<std::string, torch::Tensor>> parameters;
  std::unordered_set<const c10::TensorImpl*> known;
  for (const auto& item : module.named_parameters()) {
    if (known.insert(item.value().unsafeGetTensorImpl()).second) {
      parameters.emplace_back(item.key(), item.value());
    }
  }
  return parameters;
}

/// Return them without names.
inline std::vector<torch::Tensor> tensors_once(const torch::nn::Module& module) {
  std::vector<torch::Tensor> tensors;
  for (auto& [name, tensor] : parameters_once(module)) tensors.push_back(std::move(tensor));
  return tensors;
}

}  // namespace ladder::train
