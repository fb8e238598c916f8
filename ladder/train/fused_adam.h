/// Adam in one pass over all parameters.
#pragma once

#include <torch/nn/module.h>
#include <torch/optim/adam.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace ladder::train {

/// State of Adam for one parameter.
struct FusedAdamParamState : torch::optim::OptimizerCloneableParamState<FusedAdamParamState> {
  torch::Tensor step;        ///< float32 scalar on the parameter's device: updates done
  torch::Tensor exp_avg;     ///< mean of the gradients, like the parameter
  torch::Tensor exp_avg_sq;  ///< mean of their squares

  void serialize(torch::serialize::InputArchive& archive) override;
  void serialize(torch::serialize::OutputArchive& archive) const override;
};

/// Adam [Kingma2014] as torch::optim::Adam computes it, with all parameters of a group in one call
/// of LibTorch's fused kernel. Step counts are tensors on the parameters' device, so that a step
/// reads nothing back. On a GPU the learning rate is one too, so that a step recorded as a CUDA
/// graph follows `set_learning_rate`. Parameters without a gradient are left out of a step.
/// `zero_grad()` sets the gradients to none, so that autograd hands its buffers over instead of
/// adding into kept ones.
///
/// Errors: amsgrad (not offered), a parameter that is listed twice, sparse gradients, state on
/// another device than its parameter.
///
///     FusedAdam adam(*net, torch::optim::AdamOptions(0.002));
///     net->loss(batch, noise).total.backward();
///     adam.set_learning_rate(rate);
///     adam.step();
///     adam.zero_grad();
class FusedAdam : public torch::optim::Optimizer {
 public:
  /// Take the parameters of a module, under their names in it.
  explicit FusedAdam(const torch::nn::Module& module,
                     const torch::optim::AdamOptions& options = {});
  /// Take parameters without names; their names are their places: "0", "1", ...
  explicit FusedAdam(std::vector<torch::Tensor> parameters,
                     const torch::optim::AdamOptions& options = {});
  explicit FusedAdam(const std::vector<torch::optim::OptimizerParamGroup>& groups,
                     const torch::optim::AdamOptions& options = {});

  torch::Tensor step(LossClosure closure = nullptr) override;

  /// Set the rate of all groups. On a GPU this is queued on the current stream, which has to be
  /// that of the steps.
  void set_learning_rate(double rate);

  /// Return the state of the parameters that have been updated, as tensors that are shared with it:
  /// `<parameter>.step`, `.exp_avg`, `.exp_avg_sq`.
  std::map<std::string, torch::Tensor> named_state() const;
  /// Copy what `named_state` returned, from any device; parameters that are not in it have no state
  /// afterwards. Error: a name or shape that does not fit; nothing is changed then.
  void load_named_state(const std::map<std::string, torch::Tensor>& state);

  void save(torch::serialize::OutputArchive& archive) const override;
  void load(torch::serialize::InputArchive& archive) override;

 private:
  std::vector<std::pair<std::string, torch::Tensor>> named_parameters() const;
  FusedAdamParamState& state_of(const torch::Tensor& parameter);

  struct DeviceRate {
    torch::Tensor tensor;  // float32 scalar on a GPU
    double value = 0;      // what was written to it last
    void set(double rate);
  };
  DeviceRate& rate_of(size_t group, torch::Device device);

  std::map<std::pair<size_t, torch::DeviceIndex>, DeviceRate> device_rates_;
  std::vector<std::string> names_;
};

}  // namespace ladder::train
