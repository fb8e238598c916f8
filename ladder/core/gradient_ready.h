/// Callback for gradients that are complete before the backward pass ends.
#pragma once

#include <torch/types.h>

#include <functional>

namespace ladder {

/// Called with a parameter and its gradient as soon as that is whole, once for each parameter,
/// while the gradients of others are still to come. An exchange with other ranks can begin there.
using GradientReady =
    std::function<void(const torch::Tensor& parameter, const torch::Tensor& gradient)>;

}  // namespace ladder
