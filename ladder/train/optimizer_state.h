/// Learning rate and state of any optimiser of LibTorch.
#pragma once

#include <torch/optim/optimizer.h>
#include <torch/types.h>

#include <map>
#include <string>

namespace ladder::train {

/// Set the learning rate of all parameter groups.
void set_learning_rate(torch::optim::Optimizer& optimizer, double rate);

/// Return "torch::optim::SGD", say.
std::string optimizer_name(const torch::optim::Optimizer& optimizer);

/// Return the state as tensors: of a FusedAdam `adam.<parameter>.step`, `.exp_avg`, `.exp_avg_sq`;
/// of any other optimiser `optimizer.name` (text) and `optimizer.archive`, the bytes that its
/// `save` writes.
///
/// Error: an optimiser that writes nothing, because its class does not override `save` and `load`.
std::map<std::string, torch::Tensor> optimizer_state(const torch::optim::Optimizer& optimizer);

/// Take over what `optimizer_state` returned; other names in `tensors` are ignored.
///
/// Errors, with the optimiser as it was: the state of another kind of optimiser, or one that does
/// not fit its parameters.
void load_optimizer_state(torch::optim::Optimizer& optimizer,
                          const std::map<std::string, torch::Tensor>& tensors);

}  // namespace ladder::train
