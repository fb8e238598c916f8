#include "ladder/train/pieces/border_repair.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <string>
#include <utility>

#include "ladder/data/internal/row_checks.h"
#include "ladder/train/clean_features.h"
#include "ladder/train/internal/held_classes.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/unlabeled_rows.h"

namespace ladder::train {
namespace {

class BorderRepair : public HeldClasses {
 public:
  BorderRepair(Ladder net, torch::Tensor inputs, const torch::Tensor& labels,
               torch::Tensor unlabeled, BorderRepairOptions options)
      : HeldClasses(held_classes("border_repair", options), std::move(net), std::move(inputs),
                    std::move(unlabeled)),
        options_(std::move(options)),
        near_(neighbours_of_piece(options_.near, this->inputs(), rows())) {
    data::check_label_rows("border_repair", labels, this->inputs().size(0));
    data::check_options("border_repair", options_.borders);
    check_enough_rows("border_repair", rows(), near_->options().k);
    labels_ = labels.index_select(0, rows().to(labels.device()));
  }

  std::string name() const override { return "border repair"; }

  std::map<std::string, std::string> settings() const override {
    auto settings = looks();
    settings["neighbours"] = std::to_string(near_->options().k);
    settings["pairs"] = std::to_string(options_.borders.pairs);
    settings["times"] = number_text(options_.borders.times);
    if (options_.borders.seed != data::BetterBorderOptions().seed) {
      settings["seed"] = std::to_string(options_.borders.seed);
    }
    add_search_settings(near_->options(), settings);
    return settings;
  }

 private:
  void look(const StepPosition& at) override {
    const at::NoGradGuard no_gradients;
    const auto top = static_cast<int64_t>(net()->stages.size());
    const auto classes = clean_features(net(), inputs(), rows(), {.levels = {top}}).classes;
    const auto better = data::better_borders(near_->get(), classes, labels_, options_.borders);
    hold_lost(classes, better);
    if (options_.on_look) {
      options_.on_look({.epoch = at.epoch(), .classes = classes, .lost = better});
    }
  }

  BorderRepairOptions options_;
  std::shared_ptr<data::SharedNeighbours> near_;
  torch::Tensor labels_;  // of the rows looked at, or -1
};

}  // namespace

std::shared_ptr<ObjectivePiece> border_repair(Ladder net, torch::Tensor inputs,
                                              const torch::Tensor& labels, torch::Tensor unlabeled,
                                              BorderRepairOptions options) {
  return std::make_shared<BorderRepair>(std::move(net), std::move(inputs), labels,
                                        std::move(unlabeled), std::move(options));
}

}  // namespace ladder::train
