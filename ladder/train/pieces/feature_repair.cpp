#include "ladder/train/pieces/feature_repair.h"

#include <c10/core/GradMode.h>

#include <string>
#include <utility>

#include "ladder/train/clean_features.h"
#include "ladder/train/internal/held_classes.h"

namespace ladder::train {
namespace {

class FeatureRepair : public HeldClasses {
 public:
  FeatureRepair(Ladder net, torch::Tensor inputs, torch::Tensor unlabeled,
                FeatureRepairOptions options)
      : HeldClasses(held_classes("feature_repair", options), std::move(net), std::move(inputs),
                    std::move(unlabeled)),
        options_(std::move(options)) {
    check_options("feature_repair", options_.clusters);
  }

  std::string name() const override { return "feature repair"; }

  std::map<std::string, std::string> settings() const override {
    const auto& clusters = options_.clusters;
    auto settings = looks();
    settings["groups"] = std::to_string(clusters.groups);
    settings["splits"] = std::to_string(clusters.splits);
    settings["outside"] = std::to_string(clusters.outside);
    settings["least rows"] = std::to_string(clusters.min_rows);
    settings["pool"] = std::to_string(clusters.pool);
    if (clusters.seed != FeatureClusterOptions().seed) {
      settings["seed"] = std::to_string(clusters.seed);
    }
    return settings;
  }

 private:
  void look(const StepPosition& at) override {
    const at::NoGradGuard no_gradients;
    const auto seen = clean_features(net(), inputs(), rows(), {.seed = options_.clusters.seed});
    const auto lost = clusters_lost_by_features(seen.features, seen.classes, options_.clusters);
    hold_lost(seen.classes, lost);
    if (options_.on_look) {
      options_.on_look({.epoch = at.epoch(), .classes = seen.classes, .lost = lost});
    }
  }

  FeatureRepairOptions options_;
};

}  // namespace

std::shared_ptr<ObjectivePiece> feature_repair(Ladder net, torch::Tensor inputs,
                                               torch::Tensor unlabeled,
                                               FeatureRepairOptions options) {
  return std::make_shared<FeatureRepair>(std::move(net), std::move(inputs), std::move(unlabeled),
                                         std::move(options));
}

}  // namespace ladder::train
