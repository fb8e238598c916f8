#include "ladder/core/activation.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <array>

namespace ladder {
namespace {

constexpr std::array kActivationNames = {"identity", "relu", "leaky-relu", "tanh", "gelu"};

}  // namespace

std::string to_string(Activation activation) {
  return kActivationNames.at(static_cast<size_t>(activation));
}

Activation activation_from_string(const std::string& name) {
  const auto found = std::find(kActivationNames.begin(), kActivationNames.end(), name);
  TORCH_CHECK(found != kActivationNames.end(),
              "Activation: expected identity, relu, leaky-relu, tanh or gelu but got '", name,
              "'.");
  return static_cast<Activation>(found - kActivationNames.begin());
}

}  // namespace ladder
