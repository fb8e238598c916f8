#include "ladder/train/pieces/lambda_ramp.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/step_weight.h"

namespace ladder::train {
namespace {

class LambdaRamp : public ObjectivePiece {
 public:
  explicit LambdaRamp(LambdaRampOptions options)
      : options_(std::move(options)), missing_("lambda_ramp", options_.device) {}

  std::string name() const override { return "lambda ramp"; }
  bool has_cost() const override { return true; }

  std::map<std::string, std::string> settings() const override {
    return {{"epochs", number_text(options_.epochs)},
            {"from_level", std::to_string(options_.from_level)}};
  }

  void before_step(const StepPosition& at) override {
    const double epochs = static_cast<double>(at.step) /
                          static_cast<double>(std::max<int64_t>(at.steps_per_epoch, 1));
    missing_.set(std::min(epochs / options_.epochs, 1.0) - 1);
  }

  torch::Tensor cost(const StepValues& values) override {
    const auto levels = static_cast<int64_t>(values.denoising.size());
    TORCH_CHECK(levels > 0,
                "lambda_ramp: expected an objective with denoising costs but got one "
                "without.");
    std::vector<int64_t> costed;
    for (int64_t level = options_.from_level; level < levels; ++level) {
      const auto l = static_cast<size_t>(level);
      if (values.denoising[l].defined() && values.lambda[l].defined()) costed.push_back(level);
    }
    if (costed.empty()) return at::zeros({}, at::TensorOptions().device(options_.device));
    const auto weighted = [&](int64_t level) {
      return values.lambda[static_cast<size_t>(level)] *
             values.denoising[static_cast<size_t>(level)];
    };
    const auto cost = [&] {
      auto sum = weighted(costed.front());
      for (size_t i = 1; i < costed.size(); ++i) sum = sum + weighted(costed[i]);
      return sum;
    };
    return missing_.times(cost, values.denoising[static_cast<size_t>(costed.front())]);
  }

 private:
  LambdaRampOptions options_;
  StepWeight missing_;  // min(t / epochs, 1) - 1
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
