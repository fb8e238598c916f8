/// Optimisers as users write them.
#pragma once

#include <torch/optim/serialize.h>
#include <torch/torch.h>

#include <memory>
#include <vector>

namespace ladder::testing {

struct SignMomentumOptions : torch::optim::OptimizerCloneableOptions<SignMomentumOptions> {
  explicit SignMomentumOptions(double lr = 0.1) : lr_(lr) {}
  TORCH_ARG(double, lr);

 public:
  void serialize(torch::serialize::InputArchive& archive) override {
    c10::IValue lr;
    archive.read("lr", lr);
    lr_ = lr.toDouble();
  }
  void serialize(torch::serialize::OutputArchive& archive) const override {
    archive.write("lr", c10::IValue(lr_));
  }
  double get_lr() const override { return lr_; }
  void set_lr(const double lr) override { lr_ = lr; }
};

struct SignMomentumState : torch::optim::OptimizerCloneableParamState<SignMomentumState> {
  torch::Tensor average;

  void serialize(torch::serialize::InputArchive& archive) override {
    archive.read("average", average);
  }
  void serialize(torch::serialize::OutputArchive& archive) const override {
    archive.write("average", average);
  }
};

/// Steps by the sign of an average of gradients, which is its state.
class SignMomentum : public torch::optim::Optimizer {
 public:
  SignMomentum(std::vector<torch::Tensor> parameters, double lr)
      : Optimizer({torch::optim::OptimizerParamGroup(std::move(parameters))},
                  std::make_unique<SignMomentumOptions>(lr)) {}

  torch::Tensor step(LossClosure) override {
    const torch::NoGradGuard no_grad;
    for (const auto& group : param_groups_) {
      for (const auto& parameter : group.params()) {
        if (!parameter.grad().defined()) continue;
        auto& slot = state_[parameter.unsafeGetTensorImpl()];
        if (!slot) {
          auto fresh = std::make_unique<SignMomentumState>();
          fresh->average = torch::zeros_like(parameter);
          slot = std::move(fresh);
        }
        auto& average = static_cast<SignMomentumState&>(*slot).average;
        average.mul_(0.9).add_(parameter.grad());
        parameter.sub_(average.sign().mul(group.options().get_lr()) + 1e-3 * average);
      }
    }
    return {};
  }

  void save(torch::serialize::OutputArchive& archive) const override {
    torch::optim::serialize<SignMomentumState, SignMomentumOptions>(archive, *this);
  }
  void load(torch::serialize::InputArchive& archive) override {
    torch::optim::serialize<SignMomentumState, SignMomentumOptions>(archive, *this);
  }
};

/// One whose author did not think of checkpoints.
class Stateless : public torch::optim::Optimizer {
 public:
  explicit Stateless(std::vector<torch::Tensor> parameters)
      : Optimizer({torch::optim::OptimizerParamGroup(std::move(parameters))},
                  std::make_unique<SignMomentumOptions>()) {}
  torch::Tensor step(LossClosure) override { return {}; }
};

}  // namespace ladder::testing
