#include "ladder/train/internal/direct_step.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace ladder::train {

const DenseStep* DirectStep::forward(const Ladder& net, const SemiBatch& batch,
                                     NoiseSource& noise) {
  if (!built_) {
    step_ = DenseStep::of(net);
    built_ = true;
  }
  return step_ && step_->forward(batch, noise) ? step_.get() : nullptr;
}

torch::Tensor DirectStep::backward(const torch::Tensor& lambda, const std::vector<int64_t>& levels,
                                   const GradientReady& ready) {
  step_->backward(lambda, ready);
  const auto& denoising = step_->denoising();
  const auto& costed = step_->levels();
  auto costs = at::zeros({static_cast<int64_t>(levels.size()) + 2}, at::kFloat);
  auto* next = costs.mutable_data_ptr<float>();
  *next++ = step_->supervised();
  for (const auto level : levels) {
    const auto found = std::find(costed.begin(), costed.end(), level);
    *next++ = found == costed.end() ? 0 : denoising.const_data_ptr<float>()[found - costed.begin()];
  }
  *next = step_->supervised();
  if (!costed.empty()) *next += at::dot(denoising, lambda).item<float>();
  return costs;
}

}  // namespace ladder::train
