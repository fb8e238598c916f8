#include "ladder/train/pieces/cluster_repair.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <string>
#include <utility>

#include "ladder/train/clean_features.h"
#include "ladder/train/internal/held_classes.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/unlabeled_rows.h"

namespace ladder::train {
namespace {

class ClusterRepair : public HeldClasses {
 public:
  ClusterRepair(Ladder net, torch::Tensor inputs, torch::Tensor unlabeled,
                ClusterRepairOptions options)
      : HeldClasses(held_classes("cluster_repair", options), std::move(net), std::move(inputs),
                    std::move(unlabeled)),
        options_(std::move(options)),
        near_(neighbours_of_piece(options_.near, this->inputs(), rows())) {
    check_options("cluster_repair", options_.clusters);
    check_enough_rows("cluster_repair", rows(), near_->options().k);
  }

  std::string name() const override { return "cluster repair"; }

  std::map<std::string, std::string> settings() const override {
    const auto& clusters = options_.clusters;
    auto settings = looks();
    settings["neighbours"] = std::to_string(near_->options().k);
    settings["groups"] = std::to_string(clusters.groups);
    settings["splits"] = std::to_string(clusters.splits);
    settings["margin"] = number_text(clusters.margin);
    settings["most cut"] = number_text(clusters.max_cut);
    settings["least rows"] = std::to_string(clusters.min_rows);
    if (clusters.small_groups > 0) settings["small groups"] = std::to_string(clusters.small_groups);
    if (clusters.discount_hubs) settings["discount hubs"] = "true";
    if (clusters.seed != LostClusterOptions().seed) {
      settings["seed"] = std::to_string(clusters.seed);
    }
    add_search_settings(near_->options(), settings);
    return settings;
  }

 private:
  void look(const StepPosition& at) override {
    const at::NoGradGuard no_gradients;
    const auto seen = clean_features(net(), inputs(), rows(), {.seed = options_.clusters.seed});
    const auto lost = lost_clusters(seen.features, seen.classes, near_->get(), options_.clusters);
    hold_lost(seen.classes, lost);
    if (options_.on_look) {
      options_.on_look({.epoch = at.epoch(), .classes = seen.classes, .lost = lost});
    }
  }

  ClusterRepairOptions options_;
  std::shared_ptr<data::SharedNeighbours> near_;
};

}  // namespace

std::shared_ptr<ObjectivePiece> cluster_repair(Ladder net, torch::Tensor inputs,
                                               torch::Tensor unlabeled,
                                               ClusterRepairOptions options) {
  return std::make_shared<ClusterRepair>(std::move(net), std::move(inputs), std::move(unlabeled),
                                         std::move(options));
}

}  // namespace ladder::train
