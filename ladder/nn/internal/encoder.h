/// What every network over a list of stages does with it.
#pragma once

#include <torch/nn/module.h>

#include <optional>
#include <vector>

#include "ladder/nn/stage.h"

namespace ladder {

/// Registers the stages as children `stages.0`, `stages.1`, ... of `owner`.
void register_stages(torch::nn::Module& owner, const Stages& stages);

/// The shape of one row at levels 0..L, found by running two rows of zeros. `owner` names the
/// network in errors, which end with the place of the stage that cannot take what it is given.
std::vector<std::vector<int64_t>> probe_shapes(const char* owner,
                                               const std::vector<int64_t>& input_shape,
                                               const Stages& stages);

/// Activations of the top level.
torch::Tensor run_clean(const Stages& stages, const torch::Tensor& x, const Pass& pass);

Stages clone_stages(const Stages& stages, const std::optional<torch::Device>& device);

/// Error: `x` does not hold rows of shape `row`.
void check_rows(const char* owner, const torch::Tensor& x, const char* name,
                const std::vector<int64_t>& row);

}  // namespace ladder
