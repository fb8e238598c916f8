#include "ladder/nn/stages/noisy_normalization.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "ladder/core/finite.h"
#include "ladder/nn/internal/not_negative.h"
#include "ladder/nn/internal/stage_input.h"
#include "ladder/nn/internal/unchanged.h"
#include "ladder/ops/convolve.h"

namespace ladder {
namespace {

template <class T>
void take_roots(torch::Tensor& values) {
  auto* const value = values.mutable_data_ptr<T>();
  std::transform(value, value + values.numel(), value, [](T x) { return std::sqrt(x); });
}

// On the CPU sqrt() is MKL's, which starts OpenMP's threads for any number of values. They would
// keep the cores that the helpers of the next product need.
torch::Tensor std_of(const torch::Tensor& variance) {
  // Half precision holds the root of the smallest variance, but not that variance.
  if (variance.element_size() < 4)
    return std_of(variance.to(torch::kFloat)).to(variance.scalar_type());
  auto std = variance + kVarianceEpsilon;
  if (std.is_cpu() && std.scalar_type() == torch::kFloat) {
    take_roots<float>(std);
  } else if (std.is_cpu() && std.scalar_type() == torch::kDouble) {
    take_roots<double>(std);
  } else {
    std.sqrt_();
  }
  return std;
}

}  // namespace

NoisyNormalizationImpl::NoisyNormalizationImpl(NoisyNormalizationOptions options_)
    : options(std::move(options_)), built_(options) {
  TORCH_CHECK(options.channels > 0, "NoisyNormalization: expected channels > 0 but got ",
              options.channels, ".");
  check_not_negative("NoisyNormalization", "noise_std", options.noise_std);
  TORCH_CHECK(std::isfinite(options.leaky_slope),
              "NoisyNormalization: expected a finite leaky_slope but got ", options.leaky_slope,
              ".");
  reset();
}

void NoisyNormalizationImpl::reset() {
  if (options.beta.value_or(options.activation != Activation::kIdentity)) {
    beta = register_parameter("beta", torch::zeros({options.channels}));
  }
  if (options.gamma) {
    gamma = register_parameter("gamma", torch::ones({options.channels}));
  }
  running_mean = register_buffer("running_mean", torch::zeros({options.channels}));
  running_var = register_buffer("running_var", torch::ones({options.channels}));
  batches = register_buffer("batches", torch::zeros({}, torch::kLong));
}

void NoisyNormalizationImpl::pretty_print(std::ostream& stream) const {
  stream << "ladder::NoisyNormalization(" << options.channels << ", noise_std=" << options.noise_std
         << ", " << to_string(options.activation) << (gamma.defined() ? ", gamma" : "") << ")";
}

void NoisyNormalizationImpl::reset_statistics() {
  const torch::NoGradGuard no_grad;
  running_mean.zero_();
  running_var.fill_(1);
  batches.zero_();
}

void NoisyNormalizationImpl::to(torch::Device device, torch::Dtype dtype, bool non_blocking) {
  to(dtype, non_blocking);
  to(device, non_blocking);
}

void NoisyNormalizationImpl::to(torch::Dtype dtype, bool non_blocking) {
  const auto count = batches.clone();  // not every count has a float
  Module::to(dtype, non_blocking);
  batches.set_data(count);
}

void NoisyNormalizationImpl::to(torch::Device device, bool non_blocking) {
  Module::to(device, non_blocking);
}

void NoisyNormalizationImpl::accumulate(const torch::Tensor& mean, const torch::Tensor& std,
                                        int64_t count) {
  const torch::NoGradGuard no_grad;
  batches.add_(1);
  const auto share = batches.to(running_mean.scalar_type()).reciprocal();
  const auto variance = (std.square() - kVarianceEpsilon) *
                        (static_cast<double>(count) / static_cast<double>(count - 1));
  running_mean.add_((mean - running_mean) * share);
  running_var.add_((variance - running_var) * share);
}

NoisyNormalizationOptions NoisyNormalizationImpl::fixed_options() const {
  auto fixed = options;
  fixed.noise_std = built_.noise_std;
  return fixed;
}

bool NoisyNormalizationImpl::options_hold() const { return fixed_options() == built_; }

void NoisyNormalizationImpl::check(const torch::Tensor& x, const Pass& pass) const {
  constexpr const char* kOwner = "NoisyNormalization";
  check_unchanged(kOwner, fixed_options(), built_);
  check_not_negative(kOwner, "noise_std", options.noise_std);
  TORCH_CHECK(x.dim() >= 2 && x.size(1) == options.channels, "NoisyNormalization: expected ",
              options.channels, " channels but got an input of shape ", x.sizes(),
              batch_hint(x, 2));
  TORCH_CHECK(x.size(0) == pass.rows(), "NoisyNormalization: expected ", pass.rows(),
              " rows (the pass's groups) but got ", x.size(0), ".");
  TORCH_CHECK(x.is_floating_point(), "NoisyNormalization: expected an input in ",
              c10::toString(running_mean.scalar_type()), " but got ",
              c10::toString(x.scalar_type()), ".");
}

StageOutput NoisyNormalizationImpl::forward(const torch::Tensor& x, const Pass& pass) {
  check(x, pass);
  const auto matrix = ops::maps_to_matrix(x);  // [R H W, C]
  const auto spatial = x.sizes().slice(2);
  const auto positions = c10::multiply_integers(spatial);

  ops::NormaliseArguments arguments{
      .gamma = gamma.defined() ? std::optional(gamma) : std::nullopt,
      .beta = beta.defined() ? std::optional(beta) : std::nullopt,
      .activation = options.activation,
      .leaky_slope = options.leaky_slope,
      .keep_z = pass.compared,
      .ranks = pass.statistics == Statistics::kBatch ? pass.ranks : std::shared_ptr<BatchRanks>()};
  int64_t noisy_rows = 0;
  for (const auto& group : pass.groups) {
    const auto values = group.rows * positions;  // per channel
    TORCH_CHECK(pass.statistics == Statistics::kStored || values != 1,
                "NoisyNormalization: expected at least 2 values per channel to ",
                pass.statistics == Statistics::kCalibrate ? "calibrate" : "normalise a group",
                " but got 1 (a single value has no variance and would become 0).");
    const double noise_std = group.noisy ? options.noise_std : 0.0;
    arguments.groups.push_back({group.rows * positions, noise_std});
    noisy_rows += noise_std != 0 ? group.rows * positions : 0;
  }
  if (noisy_rows > 0) {
    TORCH_CHECK(pass.noise != nullptr,
                "NoisyNormalization: expected a noise source for a pass with noisy rows.");
    arguments.noise = pass.noise->draw(noisy_rows, options.channels);
  }
  if (pass.statistics == Statistics::kStored) {
    TORCH_CHECK(batches.item<int64_t>() > 0,
                "NoisyNormalization: no stored statistics yet (call calibrate(inputs) after "
                "training and before forward in eval mode).");
    arguments.mean = running_mean;
    arguments.std = std_of(running_var);
  }

  auto result = ops::normalise(matrix, arguments);
  if (pass.statistics == Statistics::kCalibrate) {
    // Statistics that are not finite would spoil every prediction. Those of finite rows may not be:
    // squares overflow.
    if (find_not_finite(result.mean) || find_not_finite(result.std)) {
      check_finite("NoisyNormalization", "the rows of a calibration", x);
      check_finite("NoisyNormalization", "the means of a calibration", result.mean);
      check_finite("NoisyNormalization", "the standard deviations of a calibration", result.std);
    }
    if (pass.calibration != nullptr) {
      pass.calibration->measure(*this);
    }
    for (size_t g = 0; g < pass.groups.size(); ++g) {
      const auto group = static_cast<int64_t>(g);
      accumulate(result.mean.detach()[group], result.std.detach()[group], arguments.groups[g].rows);
    }
  }
  if (!spatial.empty()) {
    result.h = ops::matrix_to_maps(result.h, spatial);
    for (auto& z : result.z) {
      z = ops::matrix_to_maps(z, spatial);
    }
  }
  return {std::move(result.h), std::move(result.z), std::move(result.mean), std::move(result.std)};
}

}  // namespace ladder
