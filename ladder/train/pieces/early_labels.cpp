#include "ladder/train/pieces/early_labels.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <string>
#include <utility>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/train/internal/class_cost.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/step_weight.h"
#include "ladder/train/internal/unlabeled_rows.h"

namespace ladder::train {
namespace {

class EarlyLabels : public ObjectivePiece {
 public:
  EarlyLabels(int64_t rows, std::function<torch::Tensor()> guess, const EarlyLabelOptions& options)
      : guess_(std::move(guess)),
        options_(options),
        weight_("early_labels", options.device),
        classes_(at::zeros({rows}, at::dtype(at::kLong).device(options.device))),
        guessed_(at::zeros({rows}, at::TensorOptions().device(options.device))),
        taken_(at::zeros({}, at::kLong)) {}

  std::string name() const override { return "early label"; }
  bool has_cost() const override { return true; }

  std::map<std::string, std::string> settings() const override {
    return {{"weight", number_text(options_.weight)}, {"until", number_text(options_.until)}};
  }

  std::map<std::string, torch::Tensor> state() override {
    return {{"classes", classes_}, {"guessed", guessed_}, {"taken", taken_}};
  }

  void before_step(const StepPosition& at) override {
    const double weight = at.epochs() < options_.until ? options_.weight : 0;
    if (weight > 0 && guess_) {
      const auto guess = std::exchange(guess_, {});
      if (taken_.item<int64_t>() == 0) take(guess());  // else a checkpoint had it
      most_ = classes_.max().item<int64_t>();
    }
    weight_.set(weight);
  }

  torch::Tensor cost(const StepValues& values) override {
    check_runs_unlabeled_rows("early_labels", values);
    const auto classes = values.unlabeled_logits.size(1);
    TORCH_CHECK(most_ < classes, "early_labels: expected a guess of classes in 0..", classes - 1,
                ", or -1, but got ", most_, ".");
    const auto cost = [&] {
      const auto rows = rows_of_batch("early_labels", values);
      return mean_class_cost(values.unlabeled_logits, classes_.index_select(0, rows),
                             guessed_.index_select(0, rows));
    };
    return weight_.times(cost, values.unlabeled_logits);
  }

 private:
  void take(const torch::Tensor& classes) {
    const at::NoGradGuard no_gradients;
    TORCH_CHECK(classes.defined() && classes.scalar_type() == at::kLong &&
                    classes.sizes() == classes_.sizes(),
                "early_labels: expected a guess of int64 [", classes_.numel(), "] but got ",
                type_and_shape_text(classes), ".");
    classes_.copy_(classes.clamp_min(0));
    guessed_.copy_(classes.ge(0));
    taken_.fill_(1);
  }

  std::function<torch::Tensor()> guess_;  // none once it was called, or is not needed any more
  EarlyLabelOptions options_;
  StepWeight weight_;   // w(t)
  at::Tensor classes_;  // c_n, int64 [rows]
  at::Tensor guessed_;  // 1 where there is a guess and 0 elsewhere, [rows]
  at::Tensor taken_;    // 1 once the guess was taken, int64 []
  int64_t most_ = -1;   // largest class of the guess
};

}  // namespace

std::shared_ptr<ObjectivePiece> early_labels(int64_t rows, std::function<torch::Tensor()> guess,
                                             EarlyLabelOptions options) {
  check_weight("early_labels", options.weight);
  TORCH_CHECK(rows >= 1, "early_labels: expected at least 1 row but got ", rows, ".");
  TORCH_CHECK(guess, "early_labels: expected a function that guesses but got none.");
  TORCH_CHECK(std::isfinite(options.until) && options.until > 0,
              "early_labels: expected a number of epochs above 0 but got ", options.until, ".");
  return std::make_shared<EarlyLabels>(rows, std::move(guess), options);
}

}  // namespace ladder::train
