#include "ladder/ops/internal/classes.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "ladder/core/internal/threads.h"

namespace ladder::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool is_small(const at::Tensor& t) { return t.is_cpu() && t.numel() < threads::kSerialValues; }

class SoftmaxFunction : public torch::autograd::Function<SoftmaxFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    const threads::OneThread serial(is_small(x));
    auto y = at::softmax(x, 1);
    ctx->save_for_backward({y});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto y = ctx->get_saved_variables()[0];
    const threads::OneThread serial(is_small(y));
    const auto weighted = grads[0] * y;
    return {weighted - y * weighted.sum(1, /*keepdim=*/true)};
  }
};

class CrossEntropyFunction : public torch::autograd::Function<CrossEntropyFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& logits, const at::Tensor& y) {
    const threads::OneThread serial(is_small(logits));
    ctx->save_for_backward({logits, y});
    return at::nll_loss(at::log_softmax(logits, 1), y);
  }

  // (softmax(logits) - one_hot(y)) / R.
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto& logits = saved[0];
    const threads::OneThread serial(is_small(logits));
    const auto places = saved[1].unsqueeze(1);
    const auto ones = at::full(places.sizes(), -1, logits.options());
    const auto slope = at::softmax(logits, 1).scatter_add(1, places, ones);
    return {slope * (grads[0] / logits.size(0)), at::Tensor()};
  }
};

}  // namespace

at::Tensor softmax_of_rows(const at::Tensor& x) { return SoftmaxFunction::apply(x); }

at::Tensor mean_cross_entropy(const at::Tensor& logits, const at::Tensor& y) {
  return CrossEntropyFunction::apply(logits, y);
}

}  // namespace ladder::ops
