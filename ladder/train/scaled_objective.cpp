#include "ladder/train/scaled_objective.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "ladder/core/floating_rows.h"
#include "ladder/core/internal/tensor_text.h"
#include "ladder/nn/internal/costed_levels.h"
#include "ladder/ops/internal/classes.h"
#include "ladder/train/internal/direct_step.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/setting_names.h"

namespace ladder::train {
namespace {

constexpr double kFirstHiddenWeight = 1;
constexpr double kUpperWeight = 0.03;

class ScaledObjective : public Objective {
 public:
  ScaledObjective(Ladder net, ScaledObjectiveOptions options)
      : net_(std::move(net)), options_(std::move(options)), plain_(objective(net_)) {
    std::vector<double> used, floors;
    for (size_t level = 0; level < options_.weights.size(); ++level) {
      if (options_.weights[level] > 0) {
        levels_.push_back(static_cast<int64_t>(level));
        used.push_back(options_.weights[level]);
        floors.push_back(cost_floor(options_, level));
      }
    }
    const auto parameter = net_->parameters().front();
    weights_ = at::tensor(used, at::kDouble).to(parameter.options());
    floors_ = at::tensor(floors, at::kDouble).to(parameter.options());
    means_ = at::zeros({static_cast<int64_t>(used.size())}, parameter.options());
    start_ = at::ones({}, parameter.options());
    if (!options_.class_weights.empty()) {
      class_weights_ = at::tensor(options_.class_weights, at::kDouble).to(parameter.options());
    }
  }

  torch::nn::Module& module() override { return *net_; }
  Ladder classifier() override { return net_; }
  size_t levels() const override { return plain_->levels(); }

  std::map<std::string, std::string> settings() const override {
    auto settings = plain_->settings();
    settings["lambda"] = "scaled " + numbers_text(options_.weights);
    settings["lambda_decay"] = number_text(options_.decay);
    settings["lambda_floor"] = number_text(options_.floor);
    settings["class_weights"] = numbers_text(options_.class_weights);
    // Runs from before there was such a setting go on.
    if (options_.input_variance != 1) {
      settings[kInputVariance] = number_text(options_.input_variance);
    }
    return settings;
  }

  std::vector<CostTerm> terms() const override {
    std::vector<CostTerm> terms = {{.kind = CostKind::kSupervised}};
    for (const auto level : levels_) {
      terms.push_back({.kind = CostKind::kDenoising, .level = level});
    }
    return terms;
  }

  std::map<std::string, torch::Tensor> state() override {
    return {{"cost_means", means_}, {"cost_means_start", start_}};
  }

  std::vector<torch::Tensor> row_statistics() override { return {means_, start_}; }

  torch::Tensor direct_step(const SemiBatch& batch, NoiseSource& noise, const GradientReady& ready,
                            const MoreCosts& more) override {
    if (!network_costs_the_same()) return {};
    const auto* costs = direct_.forward(net_, batch, noise, class_weights_);
    if (costs == nullptr) return {};
    return direct_.backward(batch,
                            levels_.empty() ? costs->denoising() : lambda(costs->denoising()),
                            levels_, ready, more);
  }

  StepLoss loss(const SemiBatch& batch, NoiseSource& noise) override {
    auto loss = net_->loss(batch, noise);
    const auto supervised =
        class_weights_ ? weighted_cross_entropy(loss.logits, batch) : loss.supervised;
    StepLoss step{.total = supervised, .costs = {supervised}};
    std::vector<at::Tensor> weights(loss.denoising.size());
    if (!levels_.empty()) {
      std::vector<at::Tensor> costs;
      for (const auto level : levels_) {
        costs.push_back(loss.denoising[static_cast<size_t>(level)]);
      }
      const auto stacked = at::stack(costs);
      const auto now = lambda(mean_over(batch.ranks, stacked.detach()));
      for (size_t i = 0; i < levels_.size(); ++i) {
        weights[static_cast<size_t>(levels_[i])] = now[static_cast<int64_t>(i)];
      }
      step.total = supervised + at::dot(stacked, now);
      step.costs.insert(step.costs.end(), costs.begin(), costs.end());
    }
    step.values = {batch,
                   loss.logits,
                   loss.unlabeled_logits,
                   loss.clean_logits,
                   std::move(loss.denoising),
                   std::move(weights)};
    return step;
  }

 private:
  // True if the network has a denoising cost at the levels with a weight, and at no other.
  bool network_costs_the_same() const { return costed_levels(net_->options.lambda) == levels_; }

  // The mean of this over the ranks is that of all their rows, whose weights it divides by.
  at::Tensor weighted_cross_entropy(const at::Tensor& logits, const SemiBatch& batch) const {
    if (!several(batch.ranks)) {
      return ops::weighted_mean_cross_entropy(logits, batch.y, *class_weights_);
    }
    const auto sum = ops::weighted_sum_of_cross_entropies(logits, batch.y, *class_weights_);
    return sum / mean_over(batch.ranks, class_weights_->index_select(0, batch.y).sum());
  }

  // lambda_l(t); takes the costs into their running means.
  at::Tensor lambda(const at::Tensor& costs) {
    const at::NoGradGuard no_gradients;
    means_.mul_(options_.decay).add_(costs, 1 - options_.decay);
    start_.mul_(options_.decay);
    return weights_ / at::maximum(means_ / (1 - start_), floors_);
  }

  Ladder net_;
  ScaledObjectiveOptions options_;
  std::shared_ptr<Objective> plain_;
  std::vector<int64_t> levels_;  // with a weight above 0
  at::Tensor weights_, floors_, means_, start_;
  std::optional<at::Tensor> class_weights_;
  DirectStep direct_;
};

}  // namespace

std::shared_ptr<Objective> scaled_objective(const Ladder& net, ScaledObjectiveOptions options) {
  TORCH_CHECK(!net.is_empty(), "scaled_objective: expected a network but got an empty Ladder.");
  const auto levels = static_cast<size_t>(net->top_level()) + 1;
  TORCH_CHECK(options.weights.size() == levels, "scaled_objective: expected ", levels,
              " weights, one for each level from the input up, but got ", options.weights.size(),
              ".");
  const auto& lambda = net->options.lambda;
  for (size_t level = 0; level < levels; ++level) {
    const double weight = options.weights[level];
    TORCH_CHECK(weight >= 0 && std::isfinite(weight),
                "scaled_objective: expected weights of at least 0 but got ", weight, " at level ",
                level, ".");
    TORCH_CHECK(weight == 0 || (level < lambda.size() && lambda[level] > 0),
                "scaled_objective: expected a network with a denoising cost at level ", level,
                ", which has weight ", weight, ", but its lambda there is 0.");
  }
  TORCH_CHECK(options.decay >= 0 && options.decay < 1,
              "scaled_objective: expected a decay from 0 to below 1 but got ", options.decay, ".");
  TORCH_CHECK(options.floor > 0 && std::isfinite(options.floor),
              "scaled_objective: expected a floor above 0 but got ", options.floor, ".");
  TORCH_CHECK(options.input_variance > 0 && std::isfinite(options.input_variance),
              "scaled_objective: expected an input variance above 0 but got ",
              options.input_variance, ".");
  TORCH_CHECK(options.class_weights.empty() ||
                  static_cast<int64_t>(options.class_weights.size()) == net->classes(),
              "scaled_objective: expected ", net->classes(), " class weights but got ",
              options.class_weights.size(), ".");
  for (const double weight : options.class_weights) {
    TORCH_CHECK(weight > 0 && std::isfinite(weight),
                "scaled_objective: expected class weights above 0 but got ", weight, ".");
  }
  return std::make_shared<ScaledObjective>(net, std::move(options));
}

double cost_floor(const ScaledObjectiveOptions& options, size_t level) {
  return options.floor * (level == 0 ? options.input_variance : 1);
}

double mean_column_variance(const torch::Tensor& rows) {
  TORCH_CHECK(rows.defined() && rows.dim() >= 1 && rows.numel() > 0 &&
                  (rows.is_floating_point() || rows.scalar_type() == at::kByte),
              "mean_column_variance: expected rows [n, ...], floating or uint8, but got ",
              type_and_shape_text(rows), ".");
  constexpr int64_t kRows = 4096;  // at once
  const at::NoGradGuard no_gradients;
  const auto n = rows.size(0);
  const auto block = [&](int64_t begin) {
    return floating_rows(rows.narrow(0, begin, std::min(kRows, n - begin)))
        .to(at::kDouble)
        .reshape({-1, rows.numel() / n});
  };
  at::Tensor sums = at::zeros({rows.numel() / n}, rows.options().dtype(at::kDouble));
  for (int64_t begin = 0; begin < n; begin += kRows) sums += block(begin).sum(0);
  const auto means = sums / n;
  double squares = 0;
  for (int64_t begin = 0; begin < n; begin += kRows) {
    squares += (block(begin) - means).square().sum().item<double>();
  }
  return squares / static_cast<double>(rows.numel());
}

std::vector<double> scaled_weights(size_t levels, double input) {
  std::vector<double> weights(levels + 1, kUpperWeight);
  weights[0] = input;
  if (levels >= 1) weights[1] = kFirstHiddenWeight;
  return weights;
}

}  // namespace ladder::train
