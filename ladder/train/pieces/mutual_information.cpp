#include "ladder/train/pieces/mutual_information.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <cmath>
#include <utility>

#include "ladder/core/internal/threads.h"
#include "ladder/ops/internal/classes.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/step_weight.h"

namespace ladder::train {
namespace {

class MutualInformation : public ObjectivePiece {
 public:
  explicit MutualInformation(MutualInformationOptions options)
      : options_(std::move(options)), weight_("mutual_information", options_.device) {}

  std::string name() const override { return "mutual information"; }
  bool has_cost() const override { return true; }

  std::map<std::string, std::string> settings() const override {
    return {{"weight", number_text(options_.weight)},
            {"spread", number_text(options_.spread)},
            {"until", number_text(options_.until)}};
  }

  void before_step(const StepPosition& at) override {
    weight_.set(at.epochs() < options_.until ? options_.weight : 0);
  }

  torch::Tensor cost(const StepValues& values) override {
    check_runs_unlabeled_rows("mutual_information", values);
    const auto cost = [&] {
      const auto& logits = values.unlabeled_logits;
      const threads::OneThread serial(threads::is_small(logits));
      return ops::negative_mutual_information(logits, options_.spread, values.batch.ranks);
    };
    return weight_.times(cost, values.unlabeled_logits);
  }

 private:
  MutualInformationOptions options_;
  StepWeight weight_;  // w(t)
};

}  // namespace

std::shared_ptr<ObjectivePiece> mutual_information(MutualInformationOptions options) {
  check_weight("mutual_information", options.weight);
  TORCH_CHECK(std::isfinite(options.spread) && options.spread >= 0,
              "mutual_information: expected a finite spread of at least 0 but got ", options.spread,
              ".");
  TORCH_CHECK(std::isfinite(options.until) && options.until > 0,
              "mutual_information: expected a number of epochs above 0 but got ", options.until,
              ".");
  return std::make_shared<MutualInformation>(std::move(options));
}

}  // namespace ladder::train
