#include "ladder/train/internal/direct_step.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <utility>

namespace ladder::train {
namespace {

// A value that gradients stop at.
at::Tensor leaf(const at::Tensor& value) {
  return value.defined() ? value.clone().requires_grad_() : value;
}

at::Tensor gradient_of(const at::Tensor& leaf) { return leaf.defined() ? leaf.grad() : leaf; }

}  // namespace

const DenseStep* DirectStep::forward(const Ladder& net, const SemiBatch& batch, NoiseSource& noise,
                                     const std::optional<torch::Tensor>& class_weights) {
  if (!built_) {
    step_ = DenseStep::of(net);
    built_ = true;
  }
  if (!step_ || !step_->forward(batch, noise, class_weights)) return nullptr;
  levels_ = net->shapes.size();
  return step_.get();
}

DirectStep::Added DirectStep::add(const SemiBatch& batch, const torch::Tensor& lambda,
                                  const MoreCosts& more) const {
  const at::AutoGradMode gradients(true);
  const auto logits = step_->logits();
  const auto denoising = leaf(step_->denoising());
  StepValues values{.batch = batch,
                    .logits = leaf(logits.labeled),
                    .unlabeled_logits = leaf(logits.unlabeled),
                    .clean_logits = leaf(logits.clean),
                    .denoising = std::vector<torch::Tensor>(levels_),
                    .lambda = std::vector<torch::Tensor>(levels_)};
  const auto& costed = step_->levels();
  for (size_t i = 0; i < costed.size(); ++i) {
    values.denoising[static_cast<size_t>(costed[i])] = denoising[static_cast<int64_t>(i)];
    values.lambda[static_cast<size_t>(costed[i])] = lambda[static_cast<int64_t>(i)];
  }
  Added added{.costs = more(values)};
  std::vector<torch::Tensor> roots;
  for (auto& cost : added.costs) {
    if (cost.requires_grad()) roots.push_back(cost);
  }
  if (!roots.empty()) torch::autograd::backward(roots);
  added.logits = {.labeled = gradient_of(values.logits),
                  .unlabeled = gradient_of(values.unlabeled_logits),
                  .clean = gradient_of(values.clean_logits)};
  added.denoising = denoising.grad();
  return added;
}

torch::Tensor DirectStep::backward(const SemiBatch& batch, const torch::Tensor& lambda,
                                   const std::vector<int64_t>& levels, const GradientReady& ready,
                                   const MoreCosts& more) {
  const auto added = more ? add(batch, lambda, more) : Added{};
  step_->backward(added.denoising.defined() ? lambda + added.denoising : lambda, ready,
                  added.logits);
  const auto& denoising = step_->denoising();
  const auto& costed = step_->levels();
  const auto count = levels.size() + added.costs.size() + 2;
  auto costs = at::zeros({static_cast<int64_t>(count)}, at::kFloat);
  auto* next = costs.mutable_data_ptr<float>();
  *next++ = step_->supervised();
  for (const auto level : levels) {
    const auto found = std::find(costed.begin(), costed.end(), level);
    *next++ = found == costed.end() ? 0 : denoising.const_data_ptr<float>()[found - costed.begin()];
  }
  float total = step_->supervised();
  if (!costed.empty()) total += at::dot(denoising, lambda).item<float>();
  for (const auto& cost : added.costs) {
    *next = cost.item<float>();
    total += *next++;
  }
  *next = total;
  return costs;
}

}  // namespace ladder::train
