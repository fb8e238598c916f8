#include "ladder/ops/internal/classes.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>
#include <optional>
#include <tuple>

#include "ladder/core/internal/threads.h"

namespace ladder::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class SoftmaxFunction : public torch::autograd::Function<SoftmaxFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    const threads::OneThread serial(threads::is_small(x));
    auto y = at::softmax(x, 1);
    ctx->save_for_backward({y});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto y = ctx->get_saved_variables()[0];
    const threads::OneThread serial(threads::is_small(y));
    return {at::_softmax_backward_data(grads[0], y, 1, y.scalar_type())};
  }
};

constexpr int64_t kNoIgnoredClass = -100;  // LibTorch's default; labels are never negative

using Weights = std::optional<at::Tensor>;

// In two calls; without weights all classes count the same.
CrossEntropy costs_of_rows(const at::Tensor& logits, const at::Tensor& y, const Weights& weights,
                           int64_t reduction) {
  const threads::OneThread serial(threads::is_small(logits));
  CrossEntropy result;
  result.log_p = at::log_softmax(logits, 1);
  std::tie(result.cost, result.weight) =
      at::nll_loss_forward(result.log_p, y, weights, reduction, kNoIgnoredClass);
  return result;
}

at::Tensor costs_of_rows_backward(const at::Tensor& grad_cost, const at::Tensor& log_p,
                                  const at::Tensor& y, const Weights& weights, int64_t reduction,
                                  const at::Tensor& weight) {
  const threads::OneThread serial(threads::is_small(log_p));
  const auto slope =
      at::nll_loss_backward(grad_cost, log_p, y, weights, reduction, kNoIgnoredClass, weight);
  return at::_log_softmax_backward_data(slope, log_p, 1, log_p.scalar_type());
}

class CrossEntropyFunction : public torch::autograd::Function<CrossEntropyFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& logits, const at::Tensor& y,
                            const Weights& weights, int64_t reduction) {
    const auto result = costs_of_rows(logits, y, weights, reduction);
    ctx->save_for_backward(
        {logits, y, weights.value_or(at::Tensor()), result.log_p, result.weight});
    ctx->saved_data["reduction"] = reduction;
    return result.cost;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const threads::OneThread serial(threads::is_small(saved[0]));
    // Where a graph of the gradient is wanted, log_p has to be part of it.
    const auto log_p = at::GradMode::is_enabled() ? at::log_softmax(saved[0], 1) : saved[3];
    return {costs_of_rows_backward(grads[0], log_p, saved[1],
                                   saved[2].defined() ? Weights(saved[2]) : std::nullopt,
                                   ctx->saved_data["reduction"].toInt(), saved[4]),
            at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

CrossEntropy cross_entropy(const at::Tensor& logits, const at::Tensor& y, const Weights& weights) {
  return costs_of_rows(logits, y, weights, at::Reduction::Mean);
}

at::Tensor cross_entropy_backward(const at::Tensor& grad_cost, const CrossEntropy& forward,
                                  const at::Tensor& y, const Weights& weights) {
  return costs_of_rows_backward(grad_cost, forward.log_p, y, weights, at::Reduction::Mean,
                                forward.weight);
}

at::Tensor softmax_of_rows(const at::Tensor& x) { return SoftmaxFunction::apply(x); }

at::Tensor times_log(const at::Tensor& a, const at::Tensor& p) {
  // Not log: MKL takes its own number of threads for it, and then keeps their cores.
  return at::xlogy(a, p.clamp_min(static_cast<double>(std::numeric_limits<float>::min())));
}

at::Tensor mean_cross_entropy(const at::Tensor& logits, const at::Tensor& y) {
  return CrossEntropyFunction::apply(logits, y, Weights(), at::Reduction::Mean);
}

at::Tensor weighted_sum_of_cross_entropies(const at::Tensor& logits, const at::Tensor& y,
                                           const at::Tensor& weights) {
  return CrossEntropyFunction::apply(logits, y, Weights(weights), at::Reduction::Sum);
}

at::Tensor weighted_mean_cross_entropy(const at::Tensor& logits, const at::Tensor& y,
                                       const at::Tensor& weights) {
  return CrossEntropyFunction::apply(logits, y, Weights(weights), at::Reduction::Mean);
}

}  // namespace ladder::ops
