/// Activation functions of the encoder.
#pragma once

#include <string>

namespace ladder {

/// act in h = act(gamma (z + beta)).
enum class Activation { kIdentity, kRelu, kLeakyRelu, kTanh, kGelu };

/// Return "identity", "relu", "leaky-relu", "tanh" or "gelu".
std::string to_string(Activation activation);

/// Return the activation of that name. Error: any other name.
Activation activation_from_string(const std::string& name);

}  // namespace ladder
