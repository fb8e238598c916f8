#include "ladder/train/cost_buffer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace ladder::train {
namespace {

constexpr size_t kPendingSteps = 100;

// No learning rate can be the reason in the first step: the parameters are those of the start.
const char* advice(CostKind kind, int64_t step) {
  const bool first = step == 1;
  switch (kind) {
    case CostKind::kSupervised:
      return first ? "lower the noise or scale the inputs" : "lower the learning rate";
    case CostKind::kDenoising:
      return first ? "lower lambda or the noise, or scale the inputs"
                   : "lower lambda or the learning rate";
    case CostKind::kOther:
      break;
  }
  return first ? "lower its weight or the noise, or scale the inputs"
               : "lower its weight or the learning rate";
}

// The order to look in: the decoder goes down, and what is wrong above spreads below.
std::vector<size_t> reading_order(const std::vector<CostTerm>& terms) {
  std::vector<size_t> order;
  for (size_t i = 0; i < terms.size(); ++i) order.push_back(i);
  const auto rank = [&](size_t i) {
    return std::pair(static_cast<int>(terms[i].kind), -terms[i].level);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rank(a) < rank(b); });
  return order;
}

}  // namespace

CostBuffer::CostBuffer(std::vector<CostTerm> terms)
    : terms_(std::move(terms)), sums_(terms_.size() + 1, 0.0) {}

void CostBuffer::add(torch::Tensor costs, int64_t step) {
  TORCH_CHECK(costs.dim() == 1 && costs.size(0) == static_cast<int64_t>(sums_.size()),
              "Trainer: expected ", terms_.size(),
              terms_.size() == 1 ? " cost of a step" : " costs of a step",
              " and their total but got ", costs.numel() - 1,
              " and the total (the loss of an objective returns one cost for each of its terms).");
  pending_.push_back(std::move(costs));
  last_step_ = step;
  if (pending_.size() >= kPendingSteps) read();
}

void CostBuffer::read() {
  if (pending_.empty()) return;
  const auto costs = at::stack(std::exchange(pending_, {})).to(at::kCPU, at::kDouble).contiguous();
  const auto rows = costs.size(0);
  for (int64_t row = 0; row < rows; ++row) {
    const double* values = costs.const_data_ptr<double>() + row * costs.size(1);
    check_finite(values, last_step_ - rows + row + 1);
    for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += values[i];
  }
}

void CostBuffer::start_epoch() {
  read();
  std::fill(sums_.begin(), sums_.end(), 0.0);
}

void CostBuffer::restore(std::vector<double> sums) {
  TORCH_CHECK(sums.size() == sums_.size(), "CostBuffer: expected ", sums_.size(),
              " sums of costs but got ", sums.size(), ".");
  pending_.clear();
  sums_ = std::move(sums);
}

void CostBuffer::write_means(int64_t steps, size_t levels, Evaluation& evaluation) const {
  evaluation.denoising.resize(levels);
  const auto mean = [&](size_t i) { return sums_[i] / static_cast<double>(steps); };
  for (size_t i = 0; i < terms_.size(); ++i) {
    switch (terms_[i].kind) {
      case CostKind::kSupervised:
        evaluation.supervised = mean(i);
        break;
      case CostKind::kDenoising:
        TORCH_CHECK(terms_[i].level >= 0 && terms_[i].level < static_cast<int64_t>(levels),
                    "Trainer: expected denoising costs of levels below ", levels, " but got the ",
                    to_string(terms_[i]), " (Objective::levels returns the number of levels).");
        evaluation.denoising[static_cast<size_t>(terms_[i].level)] = mean(i);
        break;
      case CostKind::kOther:
        evaluation.others[terms_[i].name] = mean(i);
        break;
    }
  }
  evaluation.total = mean(terms_.size());
}

void CostBuffer::check_finite(const double* costs, int64_t step) const {
  const bool all =
      std::all_of(costs, costs + sums_.size(), [](double c) { return std::isfinite(c); });
  if (all) return;
  for (const auto i : reading_order(terms_)) {
    TORCH_CHECK(std::isfinite(costs[i]), "Trainer: the ", to_string(terms_[i]),
                " is not finite at step ", step, " (", advice(terms_[i].kind, step), ").");
  }
  const bool lambda = std::any_of(terms_.begin(), terms_.end(), [](const CostTerm& term) {
    return term.kind == CostKind::kDenoising;
  });
  TORCH_CHECK(false, "Trainer: the total cost is not finite at step ", step, " (lower ",
              lambda ? "lambda" : "the weights of its costs", ").");
}

}  // namespace ladder::train
