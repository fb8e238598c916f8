/// Comparison of tensors that does not let a broadcast, a dtype or a NaN pass.
#pragma once

#include <torch/torch.h>

#include "tests/support/bounds.h"
#include "tests/support/catch.h"

namespace ladder::testing {

/// Requires equal sizes, dtypes and devices, and finite values.
inline void require_comparable(const torch::Tensor& actual, const torch::Tensor& expected) {
  REQUIRE(actual.defined());
  REQUIRE(expected.defined());
  REQUIRE(actual.sizes().vec() == expected.sizes().vec());
  REQUIRE(actual.scalar_type() == expected.scalar_type());
  REQUIRE(actual.device() == expected.device());
  REQUIRE(torch::isfinite(actual.detach()).all().item<bool>());
}

/// Requires comparable tensors and, for each element, |actual - expected| within the bound.
inline void require_close(const torch::Tensor& actual, const torch::Tensor& expected,
                          const Bound& bound) {
  require_comparable(actual, expected);
  if (actual.numel() == 0) {
    return;
  }
  const auto a = actual.detach().to(torch::kCPU, torch::kDouble);
  const auto b = expected.detach().to(torch::kCPU, torch::kDouble);
  INFO("largest |a - b| is " << (a - b).abs().max().item<double>() << "; largest bound is "
                             << (bound.most + bound.share * b.abs()).max().item<double>()
                             << ", largest |b| " << b.abs().max().item<double>());
  REQUIRE(excess(a, b, bound) <= 0);
}

/// Requires the same numbers: for results of the same operations on the same operands.
inline void require_equal(const torch::Tensor& actual, const torch::Tensor& expected) {
  require_close(actual, expected, Bound{});
}

/// Requires what another formula gives for the same numbers in float64: at most a thousand
/// roundings of terms as large as the largest element. Other types must be equal.
inline void require_close(const torch::Tensor& actual, const torch::Tensor& expected) {
  if (!expected.defined() || expected.scalar_type() != torch::kDouble || expected.numel() == 0) {
    return require_equal(actual, expected);
  }
  require_close(actual, expected, roundings(1000, torch::kDouble, expected.abs().max()));
}

/// Requires of `actual` what f() computes in float64, within the rounding of its own type (see
/// rounding_of).
template <class F>
void require_rounded(const std::vector<torch::Tensor>& actual, const F& f) {
  const std::vector<torch::Tensor> exact = f();
  REQUIRE(actual.size() == exact.size());
  const auto dtype = actual.front().scalar_type();
  const auto bounds = rounding_of(f, dtype);
  for (size_t i = 0; i < actual.size(); ++i) {
    INFO("tensor " << i);
    // In float64 both sides are rounded.
    require_close(actual[i].detach().to(torch::kCPU, torch::kDouble), exact[i].detach(),
                  bounds[i] * (dtype == torch::kDouble ? 2 : 1));
  }
}

/// Requires of f(), which computes in float64, that it gives `expected`, within the rounding of its
/// own operations.
template <class F>
void require_result(const F& f, const std::vector<torch::Tensor>& expected) {
  const std::vector<torch::Tensor> actual = f();
  REQUIRE(actual.size() == expected.size());
  const auto bounds = rounding_of(f, torch::kDouble);
  for (size_t i = 0; i < actual.size(); ++i) {
    INFO("tensor " << i);
    require_close(actual[i], expected[i], bounds[i]);
  }
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

/// Compares the gradient of `f` at `inputs` with central differences, element by element, within
/// what these miss (bounds.h). Inputs are float64 leaves; `f` is deterministic (reseeds its
/// generator) and returns a scalar.
template <class F>
void require_gradient(const F& f, std::vector<torch::Tensor> inputs) {
  for (auto& input : inputs) {
    REQUIRE(input.scalar_type() == torch::kDouble);
    input.set_requires_grad(true);
    input.mutable_grad() = torch::Tensor();
  }
  f(inputs).backward();
  const torch::NoGradGuard no_grad;
  const threads::OneThread serial;  // as in rounding_of
  constexpr double kStep = 1e-5;
  const double of_value =
      rounding_of([&] { return std::vector<torch::Tensor>{f(inputs)}; }, torch::kDouble)[0]
          .most.template item<double>();
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto analytic = inputs[i].grad();
    REQUIRE(analytic.defined());
    auto numeric = torch::zeros_like(inputs[i]);
    auto twice = torch::zeros_like(inputs[i]);
    auto flat = inputs[i].view({-1});
    for (int64_t k = 0; k < flat.numel(); ++k) {
      const double original = flat[k].template item<double>();
      const auto slope = [&](double step) {
        flat[k] = original + step;
        const double above = f(inputs).template item<double>();
        flat[k] = original - step;
        const double below = f(inputs).template item<double>();
        flat[k] = original;
        return (above - below) / (2 * step);
      };
      numeric.view({-1})[k] = slope(kStep);
      twice.view({-1})[k] = slope(2 * kStep);
    }
    INFO("input " << i);
    require_close(analytic, numeric, Bound{.most = (twice - numeric).abs() + 2 * of_value / kStep});
  }
}

}  // namespace ladder::testing
