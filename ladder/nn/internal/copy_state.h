/// Copying parameters and buffers between modules of one structure.
#pragma once

#include <torch/nn/module.h>

#include <optional>

namespace ladder {

/// Makes `to` hold the parameters and buffers of `from`, with its dtypes, on `device` or where
/// `from` has them, and its train or eval mode. Internal error: names that differ.
void copy_state(const torch::nn::Module& from, torch::nn::Module& to,
                const std::optional<torch::Device>& device = std::nullopt);

}  // namespace ladder
