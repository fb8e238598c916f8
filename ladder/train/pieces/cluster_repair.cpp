#include "ladder/train/pieces/cluster_repair.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "ladder/train/internal/class_cost.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/step_weight.h"
#include "ladder/train/internal/unlabeled_rows.h"

namespace ladder::train {
namespace {

constexpr double kShare = 0.1;       // that lost rows have in the weight of all
constexpr double kMostWeight = 100;  // of a lost row

class ClusterRepair : public ObjectivePiece {
 public:
  ClusterRepair(Ladder net, torch::Tensor inputs, torch::Tensor rows, ClusterRepairOptions options)
      : net_(std::move(net)),
        inputs_(std::move(inputs)),
        rows_(std::move(rows)),
        options_(std::move(options)),
        near_(neighbours_of_piece(options_.near, inputs_, rows_)),
        weight_(options_.device),
        classes_(at::zeros({inputs_.size(0)}, at::dtype(at::kShort).device(options_.device))),
        weights_(at::zeros({inputs_.size(0)}, at::TensorOptions().device(options_.device))) {}

  std::string name() const override { return "cluster repair"; }
  bool has_cost() const override { return true; }

  std::map<std::string, std::string> settings() const override {
    std::string at;
    for (const auto part : options_.at) {
      if (!at.empty()) at += ",";
      at += number_text(part);
    }
    const auto& clusters = options_.clusters;
    std::map<std::string, std::string> settings = {
        {"weight", number_text(options_.weight)},
        {"at", at},
        {"lasts", number_text(options_.lasts)},
        {"neighbours", std::to_string(near_->options().k)},
        {"groups", std::to_string(clusters.groups)},
        {"splits", std::to_string(clusters.splits)},
        {"margin", number_text(clusters.margin)},
        {"most cut", number_text(clusters.most_cut)},
        {"least rows", std::to_string(clusters.least_rows)}};
    if (clusters.small_groups > 0) settings["small groups"] = std::to_string(clusters.small_groups);
    return settings;
  }

  std::map<std::string, torch::Tensor> state() override {
    return {{"classes", classes_}, {"weights", weights_}};
  }

  void before_step(const StepPosition& at) override {
    bool on = false;
    for (const auto part : options_.at) {
      const auto begin = step_of(part, at);
      if (at.step == begin) look(at);
      on = on || (at.step >= begin && at.step < step_of(part + options_.lasts, at));
    }
    weight_.set(on && at.steps > 0 ? options_.weight : 0);
  }

  torch::Tensor cost(const StepValues& values) override {
    check_runs_unlabeled_rows("cluster_repair", values);
    const auto cost = [&] {
      const auto& rows = rows_of_batch("cluster_repair", values);
      return mean_class_cost(values.unlabeled_logits, classes_.index_select(0, rows).to(at::kLong),
                             weights_.index_select(0, rows));
    };
    return weight_.times(cost, values.unlabeled_logits);
  }

 private:
  static int64_t step_of(double part, const StepPosition& at) {
    return std::llround(part * static_cast<double>(at.steps));
  }

  void look(const StepPosition& at) {
    if (at.steps == 0 || options_.weight == 0) return;
    const at::NoGradGuard no_gradients;
    const auto seen = clean_features(net_, inputs_, rows_, options_.clusters.seed);
    const auto lost = lost_clusters(seen.features, seen.classes, near_->get(), options_.clusters);
    const auto is_lost = lost.ge(0);
    const auto found = is_lost.sum().item<int64_t>();
    classes_.index_copy_(0, rows_, at::where(is_lost, lost, seen.classes).to(at::kShort));
    weights_.zero_();
    if (found > 0) {
      const double share = kShare * static_cast<double>(rows_.numel()) / static_cast<double>(found);
      const auto ones = at::ones({rows_.numel()}, weights_.options());
      weights_.index_copy_(0, rows_,
                           ones.masked_fill_(is_lost, std::clamp(share, 1.0, kMostWeight)));
    }
    if (options_.on_look) {
      options_.on_look({.epoch = at.epoch(), .classes = seen.classes, .lost = lost});
    }
  }

  Ladder net_;
  torch::Tensor inputs_;
  torch::Tensor rows_;  // of the inputs, unlabeled ones: int64 [N]
  ClusterRepairOptions options_;
  std::shared_ptr<data::SharedNeighbours> near_;
  StepWeight weight_;      // w(t)
  torch::Tensor classes_;  // c_n, int16 [rows of inputs]
  torch::Tensor weights_;  // a_n, [rows of inputs]
};

}  // namespace

std::shared_ptr<ObjectivePiece> cluster_repair(Ladder net, torch::Tensor inputs,
                                               torch::Tensor unlabeled,
                                               ClusterRepairOptions options) {
  check_weight("cluster_repair", options.weight);
  auto rows = rows_of_piece("cluster_repair", net, inputs, std::move(unlabeled));
  for (size_t i = 0; i < options.at.size(); ++i) {
    TORCH_CHECK(
        options.at[i] >= 0 && options.at[i] < 1 && (i == 0 || options.at[i - 1] < options.at[i]),
        "cluster_repair: expected parts of the run, from 0 to below 1 and ascending, but "
        "got ",
        options.at, ".");
  }
  TORCH_CHECK(options.lasts > 0 && options.lasts <= 1,
              "cluster_repair: expected a part of the run above 0 for lasts but got ",
              options.lasts, ".");
  return std::make_shared<ClusterRepair>(std::move(net), std::move(inputs), std::move(rows),
                                         std::move(options));
}

}  // namespace ladder::train
