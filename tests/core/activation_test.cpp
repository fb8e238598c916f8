#include "ladder/core/activation.h"

#include <string>
#include <utility>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"

using ladder::Activation;
using ladder::activation_from_string;
using ladder::testing::error_text;

TEST_CASE("Activation functions are found by the name they print", "[core]") {
  for (const auto& [activation, name] : {std::pair{Activation::kIdentity, "identity"},
                                         {Activation::kRelu, "relu"},
                                         {Activation::kLeakyRelu, "leaky-relu"},
                                         {Activation::kTanh, "tanh"},
                                         {Activation::kGelu, "gelu"}}) {
    CHECK(to_string(activation) == name);
    CHECK(activation_from_string(name) == activation);
  }
}

TEST_CASE("Activation names what is no activation", "[core]") {
  for (const std::string name : {"ReLU", "", "relu "}) {
    CHECK(error_text([&] { activation_from_string(name); }) ==
          "Activation: expected identity, relu, leaky-relu, tanh or gelu but got '" + name + "'.");
  }
}
