#include "ladder/train/internal/held_classes.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "ladder/train/internal/class_cost.h"
#include "ladder/train/internal/number_text.h"
#include "ladder/train/internal/unlabeled_rows.h"

namespace ladder::train {
namespace {

constexpr double kShare = 0.1;      // that lost rows have in the weight of all
constexpr double kMaxWeight = 100;  // of a lost row
constexpr int64_t kMaxClasses = int64_t{std::numeric_limits<int16_t>::max()} + 1;

int64_t step_of(double part, const StepPosition& at) {
  return std::llround(part * static_cast<double>(at.steps));
}

void check(const HeldClassesOptions& options) {
  check_weight(options.piece, options.weight);
  for (size_t i = 0; i < options.at.size(); ++i) {
    TORCH_CHECK(
        options.at[i] >= 0 && options.at[i] < 1 && (i == 0 || options.at[i - 1] < options.at[i]),
        options.piece, ": expected parts of the run, from 0 to below 1 and ascending, but got ",
        options.at, ".");
  }
  TORCH_CHECK(options.lasts > 0 && options.lasts <= 1, options.piece,
              ": expected a part of the run above 0 for lasts but got ", options.lasts, ".");
}

}  // namespace

HeldClasses::HeldClasses(HeldClassesOptions options, Ladder net, torch::Tensor inputs,
                         torch::Tensor unlabeled)
    : options_(std::move(options)),
      net_(std::move(net)),
      inputs_(std::move(inputs)),
      weight_(options_.piece, options_.device) {
  check(options_);
  rows_ = rows_of_piece(options_.piece, net_, inputs_, std::move(unlabeled));
  TORCH_CHECK(rows_.numel() >= 2, options_.piece, ": expected at least 2 unlabeled rows but got ",
              rows_.numel(), " (one row has no mean and variance to be normalised by).");
  TORCH_CHECK(net_->classes() <= kMaxClasses, options_.piece, ": expected a network of at most ",
              kMaxClasses, " classes, which are kept in 16 bits, but got ", net_->classes(), ".");
  const auto count = inputs_.size(0);
  classes_ = at::zeros({count}, at::dtype(at::kShort).device(options_.device));
  weights_ = at::zeros({count}, at::TensorOptions().device(options_.device));
}

std::map<std::string, torch::Tensor> HeldClasses::state() {
  return {{"classes", classes_}, {"weights", weights_}};
}

std::map<std::string, std::string> HeldClasses::looks() const {
  std::string at;
  for (const auto part : options_.at) {
    if (!at.empty()) at += ",";
    at += number_text(part);
  }
  return {
      {"weight", number_text(options_.weight)}, {"at", at}, {"lasts", number_text(options_.lasts)}};
}

void HeldClasses::before_step(const StepPosition& at) {
  const bool idle = at.steps == 0 || options_.weight == 0;
  bool on = false;
  for (const auto part : options_.at) {
    const auto begin = step_of(part, at);
    if (at.step == begin && !idle) look(at);
    on = on || (at.step >= begin && at.step < step_of(part + options_.lasts, at));
  }
  weight_.set(on && !idle ? options_.weight : 0);
}

torch::Tensor HeldClasses::cost(const StepValues& values) {
  check_runs_unlabeled_rows(options_.piece, values);
  const auto cost = [&] {
    const auto& rows = rows_of_batch(options_.piece, values);
    return mean_class_cost(values.unlabeled_logits, classes_.index_select(0, rows).to(at::kLong),
                           weights_.index_select(0, rows));
  };
  return weight_.times(cost, values.unlabeled_logits);
}

void HeldClasses::hold(const torch::Tensor& classes, const torch::Tensor& weights) {
  classes_.index_copy_(0, rows_, classes.to(at::kShort));
  weights_.index_copy_(0, rows_, weights.to(weights_.scalar_type()));
}

void HeldClasses::hold_lost(const torch::Tensor& classes, const torch::Tensor& lost) {
  const auto is_lost = lost.ge(0);
  const auto found = is_lost.sum().item<int64_t>();
  auto weights = at::zeros({lost.numel()}, lost.options().dtype(at::kFloat));
  if (found > 0) {
    const auto share = kShare * static_cast<double>(lost.numel()) / static_cast<double>(found);
    weights.fill_(1).masked_fill_(is_lost, std::clamp(share, 1.0, kMaxWeight));
  }
  hold(at::where(is_lost, lost, classes), weights);
}

}  // namespace ladder::train
