#include "ladder/train/level_costs.h"

#include <c10/core/GradMode.h>
#include <torch/nn/cloneable.h>

#include <memory>
#include <optional>
#include <string>

#include "ladder/core/internal/tensor_text.h"
#include "ladder/train/internal/unlabeled_loss.h"

namespace ladder::train {
namespace {

// The best affine estimate of the target from z~ alone.
class LateralImpl : public torch::nn::Cloneable<LateralImpl>, public Combinator {
 public:
  void reset() override {}

  torch::Tensor forward(const torch::Tensor& z_noisy, const torch::Tensor&) override {
    return z_noisy;
  }

  ops::DenoiseResult denoise(const torch::Tensor& z_noisy, const torch::Tensor&,
                             const std::optional<ops::DenoisingTarget>& target) override {
    if (!target) return {z_noisy, {}};
    const auto& z = target->z;
    const auto centred = z_noisy - z_noisy.mean(0);
    const auto slope =
        (centred * (z - z.mean(0))).mean(0) / centred.square().mean(0).clamp_min(kLeast);
    auto z_hat = z.mean(0) + slope * centred;
    // The cost normalises z^ by the statistics of the clean pass, which z is normalised by already.
    if (target->std) z_hat = *target->mean + *target->std * z_hat;
    return {z_hat, ops::denoising_cost(z_hat, *target)};
  }

 private:
  static constexpr double kLeast = 1e-30;  // of the variance: units that never change
};

std::vector<torch::Tensor> denoising_costs(Ladder& net, const torch::Tensor& x, uint64_t seed) {
  NoiseSource noise(seed);
  return unlabeled_loss(net, x, noise).denoising;
}

}  // namespace

std::vector<LevelCost> level_costs(Ladder& net, const torch::Tensor& x, uint64_t seed) {
  TORCH_CHECK(!net.is_empty() && net->has_decoder(),
              "level_costs: expected a network with a decoder but got ",
              net.is_empty() ? "an empty Ladder." : "a baseline.");
  TORCH_CHECK(x.defined() && x.dim() >= 1 && x.size(0) >= 2,
              "level_costs: expected at least 2 rows but got ", shape_text(x), ".");
  const torch::NoGradGuard no_grad;
  // The same stages below a decoder that ignores the vertical signal: zeros do.
  auto options = net->options;
  options.combinator = [](int64_t) { return AnyCombinator(std::make_shared<LateralImpl>()); };
  Ladder lateral_alone(options, net->stages);
  lateral_alone->decoder->to(x.device(), net->parameters().front().scalar_type());
  for (auto& parameter : lateral_alone->decoder->parameters()) parameter.zero_();
  const auto learned = denoising_costs(net, x, seed);
  const auto lateral = denoising_costs(lateral_alone, x, seed);
  std::vector<LevelCost> costs;
  for (size_t level = 0; level < learned.size(); ++level) {
    if (!learned[level].defined()) continue;
    costs.push_back({static_cast<int64_t>(level), learned[level].item<double>(),
                     lateral[level].item<double>()});
  }
  return costs;
}

}  // namespace ladder::train
