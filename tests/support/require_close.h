/// Comparison of tensors that does not let a broadcast, a dtype or a NaN pass.
#pragma once

#include <torch/torch.h>

#include "tests/support/catch.h"

namespace ladder::testing {

/// Requires equal sizes, dtypes and devices, finite values, and |a - b| <= atol + rtol |b|.
inline void require_close(const torch::Tensor& actual, const torch::Tensor& expected,
                          double rtol = 1e-9, double atol = 1e-11) {
  REQUIRE(actual.defined());
  REQUIRE(expected.defined());
  REQUIRE(actual.sizes().vec() == expected.sizes().vec());
  REQUIRE(actual.scalar_type() == expected.scalar_type());
  REQUIRE(actual.device() == expected.device());
  const auto a = actual.detach().to(torch::kDouble);
  const auto b = expected.detach().to(torch::kDouble);
  REQUIRE(torch::isfinite(a).all().item<bool>());
  if (a.numel() == 0) {
    return;
  }
  const auto excess = ((a - b).abs() - rtol * b.abs()).max().item<double>();
  INFO("largest |a - b| is " << (a - b).abs().max().item<double>()
                             << ", beyond rtol * |b|: " << excess);
  REQUIRE(excess <= atol);
}

/// Gradients of sum(weights_i * outputs_i) with fixed pseudo-random weights, so that every output
/// counts and gradients that cancel in a plain sum do not.
inline torch::Tensor weighted_sum(const std::vector<torch::Tensor>& outputs) {
  torch::Tensor total;
  int64_t salt = 1;
  for (const auto& output : outputs) {
    const auto n = output.numel();
    const auto weights =
        torch::sin(torch::arange(n, torch::kDouble) * 1.7 + static_cast<double>(salt++))
            .reshape(output.sizes())
            .to(output.options().requires_grad(false));
    const auto term = (output * weights).sum();
    total = total.defined() ? total + term : term;
  }
  return total;
}

/// Compares the gradient of `f` at `inputs` with central differences, element by element. Inputs
/// are float64 leaves; `f` is deterministic (reseeds its generator) and returns a scalar.
template <class F>
void require_gradient(const F& f, std::vector<torch::Tensor> inputs, double tolerance = 1e-6) {
  for (auto& input : inputs) {
    REQUIRE(input.scalar_type() == torch::kDouble);
    input.set_requires_grad(true);
    input.mutable_grad() = torch::Tensor();
  }
  f(inputs).backward();
  const torch::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto analytic = inputs[i].grad();
    REQUIRE(analytic.defined());
    auto numeric = torch::zeros_like(inputs[i]);
    auto flat = inputs[i].view({-1});
    auto flat_numeric = numeric.view({-1});
    for (int64_t k = 0; k < flat.numel(); ++k) {
      const double original = flat[k].template item<double>();
      flat[k] = original + kStep;
      const double above = f(inputs).template item<double>();
      flat[k] = original - kStep;
      const double below = f(inputs).template item<double>();
      flat[k] = original;
      flat_numeric[k] = (above - below) / (2 * kStep);
    }
    INFO("input " << i);
    require_close(analytic, numeric, tolerance, tolerance);
  }
}

}  // namespace ladder::testing
