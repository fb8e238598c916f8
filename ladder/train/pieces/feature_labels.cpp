#include "ladder/train/pieces/feature_labels.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <string>
#include <utility>

#include "ladder/train/clean_features.h"
#include "ladder/train/internal/held_classes.h"
#include "ladder/train/internal/unlabeled_rows.h"

namespace ladder::train {
namespace {

class FeatureLabels : public HeldClasses {
 public:
  FeatureLabels(Ladder net, torch::Tensor inputs, torch::Tensor unlabeled,
                FeatureLabelsOptions options)
      : HeldClasses(held_classes("feature_labels", options), std::move(net), std::move(inputs),
                    std::move(unlabeled)),
        options_(std::move(options)) {
    check_options("feature_labels", options_.smoothing);
    check_enough_rows("feature_labels", rows(), options_.smoothing.k);
  }

  std::string name() const override { return "feature label"; }

  std::map<std::string, std::string> settings() const override {
    auto settings = looks();
    settings["neighbours"] = std::to_string(options_.smoothing.k);
    settings["rounds"] = std::to_string(options_.smoothing.rounds);
    return settings;
  }

 private:
  void look(const StepPosition& at) override {
    const at::NoGradGuard no_gradients;
    const auto seen = clean_features(net(), inputs(), rows(), {.levels = levels()});
    const auto classes =
        smoothed_predictions(seen.features, seen.probabilities, options_.smoothing).argmax(1);
    hold(classes, at::ones_like(classes));
    if (options_.on_look) {
      options_.on_look({.epoch = at.epoch(),
                        .rows = classes.numel(),
                        .moved = classes.ne(seen.classes).sum().item<int64_t>()});
    }
  }

  std::vector<int64_t> levels() {
    const auto top = static_cast<int64_t>(net()->stages.size());
    const auto middle = top / 2;
    return middle + 1 < top ? std::vector<int64_t>{middle, middle + 1}
                            : std::vector<int64_t>{middle};
  }

  FeatureLabelsOptions options_;
};

}  // namespace

std::shared_ptr<ObjectivePiece> feature_labels(Ladder net, torch::Tensor inputs,
                                               torch::Tensor unlabeled,
                                               FeatureLabelsOptions options) {
  return std::make_shared<FeatureLabels>(std::move(net), std::move(inputs), std::move(unlabeled),
                                         std::move(options));
}

}  // namespace ladder::train
