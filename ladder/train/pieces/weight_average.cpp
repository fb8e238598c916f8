#include "ladder/train/pieces/weight_average.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <utility>

#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/parameters_once.h"

namespace ladder::train {
namespace {

class WeightAverage : public ObjectivePiece {
 public:
  WeightAverage(std::vector<at::Tensor> parameters, double decay)
      : parameters_(std::move(parameters)), decay_(decay) {
    const at::NoGradGuard no_gradients;
    for (const auto& parameter : parameters_) averages_.push_back(parameter.detach().clone());
    steps_ = at::zeros({}, parameters_.front().options().requires_grad(false).dtype(at::kDouble));
  }

  std::string name() const override { return "weight average"; }

  std::map<std::string, std::string> settings() const override {
    return {{"decay", number_text(decay_)}};
  }

  std::map<std::string, at::Tensor> state() override {
    std::map<std::string, at::Tensor> all = {{"steps", steps_}};
    for (size_t i = 0; i < averages_.size(); ++i) all["means." + std::to_string(i)] = averages_[i];
    return all;
  }

  // A run that had ended may train on when its patience grows: from its own weights.
  void before_step(const StepPosition&) override {
    if (!std::exchange(begun_, true) && holds_averages()) exchange();
  }
  void after_update() override {
    const at::NoGradGuard no_gradients;
    steps_.add_(1);
    const auto part = steps_.reciprocal().clamp_min(1 - decay_);
    for (size_t i = 0; i < averages_.size(); ++i) {
      averages_[i].lerp_(parameters_[i].detach(), part.to(averages_[i].scalar_type()));
    }
  }

  void begin_evaluation() override {
    if (!holds_averages()) exchange();
  }
  void end_evaluation() override { exchange(); }

 private:
  // The last checkpoint of a run holds the averages as parameters; a run that was killed before its
  // result was written goes on from there.
  bool holds_averages() const { return steps_.item<double>() < 0; }

  // Parameters and averages change places, which the sign of the steps records: the memory of both
  // stays where it is.
  void exchange() {
    const at::NoGradGuard no_gradients;
    for (size_t i = 0; i < averages_.size(); ++i) {
      auto parameter = parameters_[i].detach();
      const auto kept = parameter.clone();
      parameter.copy_(averages_[i]);
      averages_[i].copy_(kept);
    }
    steps_.neg_();
  }

  std::vector<at::Tensor> parameters_, averages_;
  at::Tensor steps_;  // double: counts exactly; negative while the parameters are the averages
  double decay_;
  bool begun_ = false;
};

}  // namespace

std::shared_ptr<ObjectivePiece> weight_average(std::vector<torch::Tensor> parameters,
                                               double decay) {
  TORCH_CHECK(!parameters.empty(), "weight_average: expected parameters but got none.");
  for (const auto& parameter : parameters) {
    TORCH_CHECK(
        parameter.defined() && at::isFloatingType(parameter.scalar_type()),
        "weight_average: expected floating parameters but got ",
        parameter.defined() ? c10::toString(parameter.scalar_type()) : "an undefined tensor", ".");
  }
  TORCH_CHECK(decay >= 0 && decay < 1,
              "weight_average: expected a decay from 0 to below 1 but got ", decay, ".");
  return std::make_shared<WeightAverage>(std::move(parameters), decay);
}

std::shared_ptr<ObjectivePiece> weight_average(const torch::nn::Module& module, double decay) {
  return weight_average(tensors_once(module), decay);
}

}  // namespace ladder::train
