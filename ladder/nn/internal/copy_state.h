/// Copy parameters and buffers between modules of one structure.
#pragma once

#include <torch/nn/module.h>

#include <optional>

namespace ladder {

/// Copy parameters, buffers, types and train or eval mode of `from` into `to`, on `device` or on
/// the devices of `from`. Internal error: names that differ.
void copy_state(const torch::nn::Module& from, torch::nn::Module& to,
                const std::optional<torch::Device>& device = std::nullopt);

}  // namespace ladder
