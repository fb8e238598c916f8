#include "ladder/ops/internal/classes.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>
#include <vector>

#include "ladder/core/internal/threads.h"
#include "ladder/ops/internal/autograd.h"
#include "ladder/ops/kernels/cpu/kernels.h"

namespace ladder::ops {
namespace plain {
namespace {

double weight_of(const Labels& labels, int64_t row) {
  return labels.weights != nullptr ? labels.weights[labels.y[row]] : 1;
}

// Of all rows: their number, or the sum of their classes' weights.
double total_weight(const Labels& labels, int64_t rows) {
  double total = 0;
  for (int64_t r = 0; r < rows; ++r) total += weight_of(labels, r);
  return total;
}

}  // namespace

bool are_labels(const at::Tensor& y, int64_t rows, int64_t classes) {
  if (!y.is_cpu() || y.scalar_type() != at::kLong || !y.is_contiguous() || y.dim() != 1 ||
      y.size(0) != rows) {
    return false;
  }
  const auto* labels = y.const_data_ptr<int64_t>();
  return std::all_of(labels, labels + rows,
                     [&](int64_t label) { return label >= 0 && label < classes; });
}

void softmax(const Classes& x) {
  cpu::kernels().rows.softmax(x.logits, x.rows, x.classes, x.p, nullptr);
}

void softmax_backward(const Classes& x, const float* grad_p, float* grad_logits) {
  for (int64_t at = 0; at < x.rows * x.classes; at += x.classes) {
    float sum = 0;
    for (int64_t c = 0; c < x.classes; ++c) sum += grad_p[at + c] * x.p[at + c];
    for (int64_t c = 0; c < x.classes; ++c) {
      grad_logits[at + c] = x.p[at + c] * (grad_p[at + c] - sum);
    }
  }
}

float cross_entropy(const Classes& x, const Labels& labels) {
  thread_local std::vector<float> log_p;
  log_p.resize(static_cast<size_t>(x.rows * x.classes));
  cpu::kernels().rows.softmax(x.logits, x.rows, x.classes, x.p, log_p.data());
  double sum = 0;
  for (int64_t r = 0; r < x.rows; ++r) {
    sum -= weight_of(labels, r) * log_p[static_cast<size_t>(r * x.classes + labels.y[r])];
  }
  return static_cast<float>(sum / total_weight(labels, x.rows));
}

void cross_entropy_backward(const Classes& x, const Labels& labels, float grad_cost,
                            float* grad_logits) {
  const double share = grad_cost / total_weight(labels, x.rows);
  for (int64_t r = 0; r < x.rows; ++r, grad_logits += x.classes) {
    const auto y = labels.y[r];
    const auto scale = static_cast<float>(share * weight_of(labels, r));
    const float* const p = x.p + r * x.classes;
    for (int64_t c = 0; c < x.classes; ++c) grad_logits[c] = p[c] * scale;
    grad_logits[y] = (p[y] - 1) * scale;
  }
}

}  // namespace plain

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// No label is this: LibTorch's default would leave rows of the label -100 out.
constexpr int64_t kNoIgnoredClass = std::numeric_limits<int64_t>::min();

using Weights = std::optional<at::Tensor>;

// Whether the functions of `plain` take the matrix. Where a graph of the gradient is wanted,
// LibTorch's make it.
bool is_plain(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 2 && x.is_contiguous() &&
         x.numel() > 0;
}
bool is_plain_backward(const at::Tensor& x) { return !at::GradMode::is_enabled() && is_plain(x); }

plain::Classes with_softmax(const at::Tensor& logits, const at::Tensor& p) {
  return {logits.size(0), logits.size(1), logits.const_data_ptr<float>(),
          p.mutable_data_ptr<float>()};
}

class SoftmaxFunction : public torch::autograd::Function<SoftmaxFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x) {
    const threads::OneThread serial(threads::is_small(x));
    at::Tensor p;
    if (is_plain(x)) {
      p = at::empty_like(x);
      plain::softmax(with_softmax(x, p));
    } else {
      p = at::softmax(x, 1);
    }
    ctx->save_for_backward({p});
    return p;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto p = ctx->get_saved_variables()[0];
    const threads::OneThread serial(threads::is_small(p));
    if (!is_plain_backward(p)) {
      return {at::_softmax_backward_data(grads[0], p, 1, p.scalar_type())};
    }
    const auto grad_p = grads[0].contiguous();
    const auto grad = at::empty_like(p);
    plain::softmax_backward({p.size(0), p.size(1), nullptr, p.mutable_data_ptr<float>()},
                            grad_p.const_data_ptr<float>(), grad.mutable_data_ptr<float>());
    return {grad};
  }
};

// What the backward pass of a cross entropy needs. Weights may be undefined; p is there for costs
// by `plain`, total_weight for those of LibTorch.
struct CrossEntropyTrace {
  at::Tensor logits, y, weights, p, total_weight;

  auto fields() { return std::tie(logits, y, weights, p, total_weight); }
};

class CrossEntropyFunction : public torch::autograd::Function<CrossEntropyFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& logits, const at::Tensor& y,
                            const Weights& weights, int64_t reduction) {
    const threads::OneThread serial(threads::is_small(logits));
    ctx->saved_data["reduction"] = reduction;
    if (is_plain_of(logits, y, weights, reduction)) {
      const auto p = at::empty_like(logits);
      const auto cost = plain::cross_entropy(with_softmax(logits, p), labels_of(y, weights));
      ctx->save_for_backward(to_list(CrossEntropyTrace{.logits = logits,
                                                       .y = y,
                                                       .weights = weights.value_or(at::Tensor()),
                                                       .p = p,
                                                       .total_weight = {}}));
      return at::full({}, cost, logits.options().requires_grad(false));
    }
    const auto log_p = at::log_softmax(logits, 1);
    const auto [cost, total_weight] =
        at::nll_loss_forward(log_p, y, weights, reduction, kNoIgnoredClass);
    ctx->save_for_backward(to_list(CrossEntropyTrace{.logits = logits,
                                                     .y = y,
                                                     .weights = weights.value_or(at::Tensor()),
                                                     .p = {},
                                                     .total_weight = total_weight}));
    return cost;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto t = from_list<CrossEntropyTrace>(ctx->get_saved_variables());
    const auto weights = if_defined(t.weights);
    const auto& grad_cost = grads[0];
    const auto reduction = ctx->saved_data["reduction"].toInt();
    const threads::OneThread serial(threads::is_small(t.logits));
    if (t.p.defined() && is_plain_backward(t.logits)) {
      const auto grad = at::empty_like(t.logits);
      plain::cross_entropy_backward(with_softmax(t.logits, t.p), labels_of(t.y, weights),
                                    grad_cost.item<float>(), grad.mutable_data_ptr<float>());
      return of_logits(grad);
    }
    const auto log_p = at::log_softmax(t.logits, 1);
    const auto total_weight = t.total_weight.defined()
                                  ? t.total_weight
                                  : std::get<1>(at::nll_loss_forward(log_p.detach(), t.y, weights,
                                                                     reduction, kNoIgnoredClass));
    const auto slope = at::nll_loss_backward(grad_cost, log_p, t.y, weights, reduction,
                                             kNoIgnoredClass, total_weight);
    return of_logits(at::_log_softmax_backward_data(slope, log_p, 1, log_p.scalar_type()));
  }

 private:
  // The other arguments of `forward` have no gradient.
  static variable_list of_logits(const at::Tensor& grad) {
    return {grad, at::Tensor(), at::Tensor(), at::Tensor()};
  }

  static bool is_plain_of(const at::Tensor& logits, const at::Tensor& y, const Weights& weights,
                          int64_t reduction) {
    return reduction == at::Reduction::Mean && is_plain(logits) &&
           plain::are_labels(y, logits.size(0), logits.size(1)) &&
           (!weights || (weights->is_cpu() && weights->scalar_type() == at::kFloat &&
                         weights->is_contiguous() && weights->numel() == logits.size(1)));
  }

  static plain::Labels labels_of(const at::Tensor& y, const Weights& weights) {
    return {y.const_data_ptr<int64_t>(), weights ? weights->const_data_ptr<float>() : nullptr};
  }
};

// Sum over the last dimension of -p log p, where 0 log 0 is 0.
at::Tensor entropy(const at::Tensor& p) { return -times_log(p, p).sum(-1); }

// With m the mean of p over R rows and the weight b of its entropy,
// d cost / d p_rc = (b (log m_c + 1) - log p_rc - 1) / R, whose constants softmax's gradient
// ignores.
class MutualInformationFunction : public torch::autograd::Function<MutualInformationFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, double spread) {
    const auto p = at::empty_like(x);
    const auto grad = at::empty_like(x);  // first d cost / d p, then the gradient of x
    const auto rows = x.size(0);
    const auto classes = x.size(1);
    auto* const probability = p.mutable_data_ptr<float>();
    auto* const slope = grad.mutable_data_ptr<float>();
    cpu::kernels().rows.softmax(x.const_data_ptr<float>(), rows, classes, probability, slope);
    // As in times_log, and 0 times the log of a class that is ruled out is 0. Keeps NaN.
    const auto least = std::log(std::numeric_limits<float>::min());
    for (int64_t i = 0; i < rows * classes; ++i) slope[i] = slope[i] < least ? least : slope[i];
    std::vector<double> mean(static_cast<size_t>(classes));
    double cost = 0;
    for (int64_t i = 0; i < rows * classes; ++i) {
      mean[static_cast<size_t>(i % classes)] += probability[i] / static_cast<double>(rows);
      cost -= static_cast<double>(probability[i]) * slope[i] / static_cast<double>(rows);
    }
    for (auto& value : mean) {
      const double log = std::log(std::max<double>(value, std::numeric_limits<float>::min()));
      cost += spread * value * log;
      value = spread * log;
    }
    for (int64_t i = 0; i < rows * classes; ++i) {
      slope[i] = static_cast<float>((mean[static_cast<size_t>(i % classes)] - slope[i]) /
                                    static_cast<double>(rows));
    }
    plain::softmax_backward({rows, classes, nullptr, probability}, slope, slope);
    ctx->save_for_backward({x, grad});
    ctx->saved_data["spread"] = spread;
    return at::full({}, cost, x.options().requires_grad(false));
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    if (!at::GradMode::is_enabled()) return {saved[1] * grads[0], {}};
    const auto p = at::softmax(saved[0], 1);
    const auto spread = ctx->saved_data["spread"].toDouble();
    const auto one = at::ones({}, p.options());
    const auto slope = (spread * times_log(one, p.mean(0)) - times_log(one, p)) / p.size(0);
    return {grads[0] * p * (slope - (p * slope).sum(1, /*keepdim=*/true)), {}};
  }
};

}  // namespace

at::Tensor softmax_of_rows(const at::Tensor& x) { return SoftmaxFunction::apply(x); }

at::Tensor times_log(const at::Tensor& a, const at::Tensor& p) {
  // Not log: MKL takes its own number of threads for it, and then keeps their cores.
  return at::xlogy(a, p.clamp_min(static_cast<double>(std::numeric_limits<float>::min())));
}

at::Tensor negative_mutual_information(const at::Tensor& x, double spread,
                                       const std::shared_ptr<BatchRanks>& ranks) {
  if (is_plain(x) && !several(ranks)) return MutualInformationFunction::apply(x, spread);
  const auto p = softmax_of_rows(x);
  return entropy(p).mean() - spread * entropy(mean_over(ranks, p.mean(0)));
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
