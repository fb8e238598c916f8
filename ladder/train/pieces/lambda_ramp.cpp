#include "ladder/train/pieces/lambda_ramp.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ladder/train/internal/number_text.h"

namespace ladder::train {
namespace {

class LambdaRamp : public ObjectivePiece {
 public:
  explicit LambdaRamp(LambdaRampOptions options)
      : options_(std::move(options)),
        missing_(at::zeros({}, at::TensorOptions().device(options_.device))) {}

  std::string name() const override { return "lambda ramp"; }
  bool has_cost() const override { return true; }

  std::map<std::string, std::string> settings() const override {
    return {{"epochs", number_text(options_.epochs)},
            {"from_level", std::to_string(options_.from_level)}};
  }

  void before_step(const StepPosition& at) override {
    const double epochs = static_cast<double>(at.step) /
                          static_cast<double>(std::max<int64_t>(at.steps_per_epoch, 1));
    missing_.fill_(std::min(epochs / options_.epochs, 1.0) - 1);
  }

  torch::Tensor cost(const StepValues& values) override {
    const auto levels = static_cast<int64_t>(values.denoising.size());
    TORCH_CHECK(levels > 0,
                "lambda_ramp: expected an objective with denoising costs but got one "
                "without.");
    torch::Tensor sum;
    for (int64_t level = options_.from_level; level < levels; ++level) {
      const auto& cost = values.denoising[static_cast<size_t>(level)];
      if (!cost.defined()) continue;
      const auto weighted = values.lambda[static_cast<size_t>(level)] * cost;
      sum = sum.defined() ? sum + weighted : weighted;
    }
    return sum.defined() ? missing_ * sum : at::zeros_like(missing_);
  }

 private:
  LambdaRampOptions options_;
  at::Tensor missing_;  // min(t / epochs, 1) - 1
};

}  // namespace

std::shared_ptr<ObjectivePiece> lambda_ramp(LambdaRampOptions options) {
  TORCH_CHECK(std::isfinite(options.epochs) && options.epochs > 0,
              "lambda_ramp: expected a number of epochs above 0 but got ", options.epochs, ".");
  TORCH_CHECK(options.from_level >= 0, "lambda_ramp: expected a level of at least 0 but got ",
              options.from_level, ".");
  return std::make_shared<LambdaRamp>(std::move(options));
}

}  // namespace ladder::train
