#include "ladder/train/pieces/pseudo_labels.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "ladder/core/internal/threads.h"
#include "ladder/ops/internal/classes.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/step_weight.h"

namespace ladder::train {
namespace {

class PseudoLabels : public ObjectivePiece {
 public:
  explicit PseudoLabels(PseudoLabelOptions options)
      : options_(std::move(options)), weight_("pseudo_labels", options_.device) {}

  std::string name() const override { return "pseudo-label"; }
  bool has_cost() const override { return true; }

  std::map<std::string, std::string> settings() const override {
    return {{"weight", number_text(options_.weight)},
            {"threshold", number_text(options_.threshold)},
            {"from", number_text(options_.from)},
            {"to", number_text(options_.to)}};
  }

  void before_step(const StepPosition& at) override {
    const double now =
        static_cast<double>(at.step) / static_cast<double>(std::max<int64_t>(at.steps, 1));
    double ramp = now < options_.from ? 0 : 1;
    if (now >= options_.from && now < options_.to) {
      ramp = (now - options_.from) / (options_.to - options_.from);
    }
    weight_.set(options_.weight * ramp);
  }

  torch::Tensor cost(const StepValues& values) override {
    TORCH_CHECK(values.clean_logits.defined() && values.unlabeled_logits.defined(),
                "pseudo_labels: expected a network with a denoising cost above level 0, which runs "
                "clean unlabeled rows, but got one without.");
    const auto cost = [&] {
      const threads::OneThread serial(threads::is_small(values.clean_logits));
      const auto [probability, label] =
          ops::softmax_of_rows(values.clean_logits.detach()).max(1, /*keepdim=*/true);
      const auto sure = probability.gt(options_.threshold).to(probability.scalar_type());
      const auto noisy = ops::softmax_of_rows(values.unlabeled_logits).gather(1, label);
      return -ops::times_log(sure, noisy).mean();
    };
    return weight_.times(cost, values.unlabeled_logits);
  }

 private:
  PseudoLabelOptions options_;
  StepWeight weight_;  // w(t)
};

}  // namespace

std::shared_ptr<ObjectivePiece> pseudo_labels(PseudoLabelOptions options) {
  check_weight("pseudo_labels", options.weight);
  TORCH_CHECK(options.threshold >= 0 && options.threshold < 1,
              "pseudo_labels: expected a threshold from 0 to below 1 but got ", options.threshold,
              ".");
  TORCH_CHECK(options.from >= 0 && options.from <= options.to && options.to <= 1,
              "pseudo_labels: expected parts of the run 0 <= from <= to <= 1 but got from ",
              options.from, " to ", options.to, ".");
  return std::make_shared<PseudoLabels>(std::move(options));
}

}  // namespace ladder::train
