#include "ladder/ops/denoise.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <cmath>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "ladder/ops/internal/autograd.h"
#include "ladder/ops/internal/moments.h"
#include "ladder/ops/internal/operator_call.h"
#include "ladder/ops/internal/run_kernel.h"
#include "ladder/ops/internal/traced.h"
#include "ladder/ops/normalise.h"

namespace ladder::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using DenoiseTensors = std::tuple<at::Tensor, at::Tensor>;
using OptionalTensor = std::optional<at::Tensor>;

struct DenoiseCall {
  using Result = DenoiseTensors;
  static constexpr const char* kOperator = "ladder::denoise";
  static constexpr const char* kSchema =
      "denoise(Tensor z_noisy, Tensor u, Tensor weight, int combinator, int[] mlp_hidden, "
      "bool mlp_augmented, float mlp_slope, Tensor? target, Tensor? target_mean, "
      "Tensor? target_std) -> (Tensor z_hat, Tensor cost)";

  at::Tensor z_noisy, u, weight;
  int64_t combinator;  // a CombinatorFunction, or kMlpNumber
  at::IntArrayRef mlp_hidden;
  bool mlp_augmented;
  double mlp_slope;
  OptionalTensor target, target_mean, target_std;

  auto fields() const {
    return std::tie(z_noisy, u, weight, combinator, mlp_hidden, mlp_augmented, mlp_slope, target,
                    target_mean, target_std);
  }
};

// The schema's number of a perceptron, which no CombinatorFunction may have.
constexpr int64_t kMlpNumber = 3;
static_assert(parameters_of(CombinatorFunction{kMlpNumber}) == 0);

DenoisingFunction function_of(const DenoiseCall& call) {
  if (call.combinator == kMlpNumber) {
    return MlpFunction{call.mlp_hidden.vec(), call.mlp_augmented, call.mlp_slope};
  }
  TORCH_CHECK(std::in_range<int>(call.combinator) &&
                  parameters_of(static_cast<CombinatorFunction>(call.combinator)) > 0,
              "denoise: expected a combinator from 0 (Gaussian) to 3 (perceptron) but got ",
              call.combinator, ".");
  return static_cast<CombinatorFunction>(call.combinator);
}

void check_like(const at::Tensor& t, const at::Tensor& like, const char* op) {
  TORCH_CHECK(t.scalar_type() == like.scalar_type(), op, ": expected operands of type ",
              like.scalar_type(), " but got ", t.scalar_type(), ".");
  TORCH_CHECK(t.device() == like.device(), op, ": expected operands on ", like.device(),
              " but got one on ", t.device(), ".");
}

void check_target(const at::Tensor& z_hat, const DenoisingTarget& target, const char* op) {
  TORCH_CHECK(target.z.sizes() == z_hat.sizes(), op, ": expected a target of shape ", z_hat.sizes(),
              " but got ", target.z.sizes(), ".");
  check_like(target.z, z_hat, op);
  TORCH_CHECK(target.mean.has_value() == target.std.has_value(), op,
              ": expected both mean and std of the target or neither.");
  for (const auto* statistic : {&target.mean, &target.std}) {
    TORCH_CHECK(!*statistic || ((*statistic)->dim() == 1 && (*statistic)->size(0) == z_hat.size(1)),
                op, ": expected target statistics [", z_hat.size(1), "] but got ",
                (*statistic)->sizes(), ".");
    if (*statistic) {
      check_like(**statistic, z_hat, op);
    }
  }
}

// What needs no sizes of tensors.
void check_function(const DenoisingFunction& function) {
  const auto* mlp = std::get_if<MlpFunction>(&function);
  if (mlp == nullptr) return;
  for (const auto units : mlp->hidden) {
    TORCH_CHECK(units > 0, "denoise: expected hidden layers of at least 1 unit but got ",
                at::IntArrayRef(mlp->hidden), ".");
  }
  TORCH_CHECK(mlp->leaky_slope >= 0 && std::isfinite(mlp->leaky_slope),
              "denoise: expected a finite leaky_slope >= 0 but got ", mlp->leaky_slope, ".");
}

void check(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
           const DenoisingFunction& function, const std::optional<DenoisingTarget>& target) {
  check_function(function);
  TORCH_CHECK(u.dim() == 2 && u.numel() > 0,
              "denoise: expected u of shape [M, C] with elements but got ", u.sizes(), ".");
  TORCH_CHECK(
      u.size(0) > 1,
      "denoise: expected at least 2 rows of u to measure their statistics but got 1 (a single "
      "row has no variance and would become 0).");
  TORCH_CHECK(z_noisy.sizes() == u.sizes(), "denoise: expected z_noisy of u's shape ", u.sizes(),
              " but got ", z_noisy.sizes(), ".");
  TORCH_CHECK(weight.dim() == 2 && weight.size(0) == parameter_count(function) &&
                  weight.size(1) == u.size(1),
              "denoise: expected weight [", parameter_count(function), ", ", u.size(1),
              "] but got ", weight.sizes(), ".");
  for (const auto* t : {&z_noisy, &weight}) {
    check_like(*t, u, "denoise");
  }
  if (target) {
    check_target(u, *target, "denoise");
  }
}

void check(const DenoiseCall& call, const DenoisingFunction& function) {
  TORCH_CHECK(call.target || (!call.target_mean && !call.target_std),
              "denoise: expected a target with its mean and std but got these without one.");
  std::optional<DenoisingTarget> target;
  if (call.target) target = DenoisingTarget{*call.target, call.target_mean, call.target_std};
  check(call.z_noisy, call.u, call.weight, function, target);
}

// ---- kernels ------------------------------------------------------------------------------------

CombinatorFunction fixed_function(const DenoisingFunction& function) {
  const auto* fixed = std::get_if<CombinatorFunction>(&function);
  return fixed != nullptr ? *fixed : CombinatorFunction::kGaussian;
}

MlpShape shape_of(const DenoisingFunction& function) {
  MlpShape shape;
  if (const auto* mlp = std::get_if<MlpFunction>(&function)) {
    shape.inputs = mlp->augmented ? 3 : 2;
    shape.slope = mlp->leaky_slope;
    shape.parameters = static_cast<int32_t>(parameter_count(function));
    for (const auto units : mlp->hidden) {
      shape.units[shape.layers++] = static_cast<int32_t>(units);
    }
  }
  return shape;
}

bool has_denoise_kernel(const at::Tensor& u, const DenoisingFunction& function) {
  const auto* mlp = std::get_if<MlpFunction>(&function);
  if (!has_kernel(u)) return false;
  if (u.is_cuda() && u.sym_size(0).maybe_as_int().value_or(0) > cuda::kMaxRows) return false;
  if (mlp == nullptr) return true;
  const auto units =
      std::accumulate(mlp->hidden.begin(), mlp->hidden.end(), int64_t{mlp->augmented ? 3 : 2});
  return u.is_cpu() && mlp->hidden.size() <= kMaxMlpLayers && units <= kMaxMlpUnits &&
         parameter_count(function) <= kMaxMlpParameters;
}

// An operator that calls a kernel whatever it is given.
void require_denoise_kernel(const char* op, const at::Tensor& u,
                            const DenoisingFunction& function) {
  const auto* mlp = std::get_if<MlpFunction>(&function);
  TORCH_CHECK(has_denoise_kernel(u, function), op, ": expected a call that a kernel takes but got ",
              u.size(0), " rows in ", u.scalar_type(), " on ", u.device(),
              mlp == nullptr ? std::string()
                             : c10::str(" with hidden layers ", at::IntArrayRef(mlp->hidden)),
              " (call ladder::denoise, which takes any).");
}

// The tensors that the backward pass needs; those of the target may be undefined.
struct DenoiseTrace {
  at::Tensor z_noisy, u, weight, target, target_mean, target_std, u_mean, u_std, z_hat;

  auto fields() {
    return std::tie(z_noisy, u, weight, target, target_mean, target_std, u_mean, u_std, z_hat);
  }
};

struct Denoised {
  DenoiseTrace trace;
  at::Tensor cost;
};

Denoised forward_kernel(const DenoiseCall& call, const DenoisingFunction& function) {
  Denoised result;
  auto& t = result.trace;
  t.z_noisy = call.z_noisy.contiguous();
  t.u = call.u.contiguous();
  t.weight = call.weight.contiguous();
  t.target = dense_or_none(call.target);
  t.target_mean = dense_or_none(call.target_mean);
  t.target_std = dense_or_none(call.target_std);
  result.cost = at::empty({}, t.u.options());
  const auto rows = t.u.size(0);
  const auto cols = t.u.size(1);
  t.z_hat = at::empty_like(t.u);
  t.u_mean = at::empty({cols}, t.u.options());
  t.u_std = at::empty({cols}, t.u.options());
  with_element(t.u, [&]<class T>(T*) {
    std::vector<double> costs(t.u.is_cpu() ? static_cast<size_t>(cols) : 0);
    run_kernel(DenoiseForward<T>{.z_noisy = data_or_null<T>(t.z_noisy),
                                 .u = data_or_null<T>(t.u),
                                 .rows = rows,
                                 .cols = cols,
                                 .function = fixed_function(function),
                                 .mlp = shape_of(function),
                                 .weight = data_or_null<T>(t.weight),
                                 .eps = kVarianceEpsilon,
                                 .target = data_or_null<T>(t.target),
                                 .target_mean = data_or_null<T>(t.target_mean),
                                 .target_std = data_or_null<T>(t.target_std),
                                 .u_mean = mutable_data_or_null<T>(t.u_mean),
                                 .u_std = mutable_data_or_null<T>(t.u_std),
                                 .z_hat = mutable_data_or_null<T>(t.z_hat),
                                 .cost = costs.data()},
               result.cost);
    if (t.u.is_cpu()) {
      const double total = std::accumulate(costs.begin(), costs.end(), 0.0);
      result.cost.fill_(total / static_cast<double>(rows * cols));
    }
  });
  return result;
}

DenoiseTensors denoise_composite(const DenoiseCall& call) {
  std::optional<DenoisingTarget> target;
  if (call.target) {
    target = DenoisingTarget{*call.target, call.target_mean, call.target_std};
  }
  auto result = reference::denoise(call.z_noisy, call.u, call.weight, function_of(call), target);
  return {result.z_hat, result.cost.defined() ? result.cost : at::zeros({}, call.u.options())};
}

DenoiseTensors denoise_kernel(const DenoiseCall& call) {
  const auto function = function_of(call);
  check(call, function);
  if (!has_denoise_kernel(call.u, function)) {  // called by name
    return denoise_composite(call);
  }
  const auto result = forward_kernel(call, function);
  return {result.trace.z_hat, result.cost};
}

// ---- gradients ----------------------------------------------------------------------------------

// What the operator is differentiable in, or the gradients of these.
struct DenoiseInputs {
  at::Tensor z_noisy, u, weight, target, target_mean, target_std;

  auto fields() { return std::tie(z_noisy, u, weight, target, target_mean, target_std); }
};

// What it returns, or the gradients of these.
struct DenoiseOutputs {
  at::Tensor z_hat, cost;

  auto fields() { return std::tie(z_hat, cost); }
};

// Fill those gradients of `result` that are defined. Those of the target become undefined where the
// cost has no gradient.
void denoise_backward(const DenoiseTrace& t, const DenoisingFunction& function,
                      const DenoiseOutputs& grads, DenoiseInputs& result) {
  const auto rows = t.u.size(0);
  const auto cols = t.u.size(1);
  const auto grad_z_hat = dense_or_none(grads.z_hat);
  const bool costed = t.target.defined() && grads.cost.defined();
  if (!costed) {
    result.target = result.target_mean = result.target_std = at::Tensor();
  }
  // The kernel needs these as memory.
  const auto grad_z_noisy = result.z_noisy.defined() ? result.z_noisy : at::empty_like(t.u);
  const auto grad_u = result.u.defined() ? result.u : at::empty_like(t.u);
  const auto grad_cost = costed ? grads.cost : at::Tensor();
  with_element(t.u, [&]<class T>(T*) {
    const double cost_share =
        costed && t.u.is_cpu() ? grads.cost.item<double>() / static_cast<double>(rows * cols) : 0;
    run_kernel(DenoiseBackward<T>{.z_noisy = data_or_null<T>(t.z_noisy),
                                  .u = data_or_null<T>(t.u),
                                  .z_hat = data_or_null<T>(t.z_hat),
                                  .rows = rows,
                                  .cols = cols,
                                  .function = fixed_function(function),
                                  .mlp = shape_of(function),
                                  .weight = data_or_null<T>(t.weight),
                                  .target = costed ? data_or_null<T>(t.target) : nullptr,
                                  .target_mean = data_or_null<T>(t.target_mean),
                                  .target_std = data_or_null<T>(t.target_std),
                                  .u_mean = data_or_null<T>(t.u_mean),
                                  .u_std = data_or_null<T>(t.u_std),
                                  .grad_z_hat = data_or_null<T>(grad_z_hat),
                                  .grad_cost = cost_share,
                                  .grad_z_noisy = mutable_data_or_null<T>(grad_z_noisy),
                                  .grad_u = mutable_data_or_null<T>(grad_u),
                                  .grad_weight = mutable_data_or_null<T>(result.weight),
                                  .grad_target = mutable_data_or_null<T>(result.target),
                                  .grad_target_mean = mutable_data_or_null<T>(result.target_mean),
                                  .grad_target_std = mutable_data_or_null<T>(result.target_std)},
               t.u, grad_cost);
  });
}

class DenoiseAutograd : public torch::autograd::Function<DenoiseAutograd> {
 public:
  static variable_list forward(AutogradContext* ctx, const OptionalTensor& /*z_noisy*/,
                               const OptionalTensor& /*u*/, const OptionalTensor& /*weight*/,
                               const OptionalTensor& /*target*/,
                               const OptionalTensor& /*target_mean*/,
                               const OptionalTensor& /*target_std*/, const DenoiseCall& call) {
    const auto function = function_of(call);
    const auto result = forward_kernel(call, function);
    ctx->set_materialize_grads(false);
    ctx->save_for_backward(to_list(result.trace));
    keep(ctx, function);
    return to_list(DenoiseOutputs{result.trace.z_hat, result.cost});
  }

  static variable_list backward(AutogradContext* ctx, variable_list grad_list) {
    refuse_second_gradient("denoise");
    const auto t = from_list<DenoiseTrace>(ctx->get_saved_variables());
    const auto function = kept<DenoisingFunction>(ctx);
    const auto grads = from_list<DenoiseOutputs>(grad_list);
    auto result = wanted_gradients(
        ctx, DenoiseInputs{t.z_noisy, t.u, t.weight, t.target, t.target_mean, t.target_std});
    denoise_backward(t, function, grads, result);
    return to_list(result, /*more=*/1);
  }
};

// ---- tracing ------------------------------------------------------------------------------------

// The forward and the backward pass as operators of their own, as for `normalise`.

struct DenoiseForwardCall : DenoiseCall {
  using Result = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
  static constexpr const char* kOperator = "ladder::denoise_forward";
  static constexpr const char* kSchema =
      "denoise_forward(Tensor z_noisy, Tensor u, Tensor weight, int combinator, int[] mlp_hidden, "
      "bool mlp_augmented, float mlp_slope, Tensor? target, Tensor? target_mean, "
      "Tensor? target_std) -> (Tensor z_hat, Tensor cost, Tensor u_mean, Tensor u_std)";
};

struct DenoiseBackwardCall {
  using Result = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
  static constexpr const char* kOperator = "ladder::denoise_backward";
  static constexpr const char* kSchema =
      "denoise_backward(Tensor z_noisy, Tensor u, Tensor weight, int combinator, "
      "int[] mlp_hidden, bool mlp_augmented, float mlp_slope, Tensor? target, "
      "Tensor? target_mean, Tensor? target_std, Tensor u_mean, Tensor u_std, Tensor z_hat, "
      "Tensor? grad_z_hat, Tensor? grad_cost) -> (Tensor grad_z_noisy, Tensor grad_u, "
      "Tensor grad_weight, Tensor grad_target, Tensor grad_target_mean, Tensor grad_target_std)";

  DenoiseCall call;
  at::Tensor u_mean, u_std, z_hat;
  OptionalTensor grad_z_hat, grad_cost;

  auto fields() const {
    return std::tuple_cat(call.fields(), std::tie(u_mean, u_std, z_hat, grad_z_hat, grad_cost));
  }
};

DenoiseForwardCall::Result denoise_forward_kernel(const DenoiseForwardCall& call) {
  const auto function = function_of(call);
  check(call, function);
  require_denoise_kernel("denoise_forward", call.u, function);
  const auto result = forward_kernel(call, function);
  return {result.trace.z_hat, result.cost, result.trace.u_mean, result.trace.u_std};
}

DenoiseForwardCall::Result denoise_forward_shapes(const DenoiseForwardCall& call) {
  const auto column = at::empty_symint({call.u.sym_size(1)}, call.u.options());
  return {dense_like(call.u), at::empty({}, call.u.options()), column, at::empty_like(column)};
}

DenoiseBackwardCall::Result denoise_backward_shapes(const DenoiseBackwardCall& call) {
  const auto& of = call.call;
  return {dense_like(of.u),
          dense_like(of.u),
          dense_like(of.weight),
          dense_like(of.target, of.u),
          dense_like(of.target_mean, of.u),
          dense_like(of.target_std, of.u)};
}

DenoiseBackwardCall::Result denoise_backward_kernel(const DenoiseBackwardCall& call) {
  const auto& of = call.call;
  const auto function = function_of(of);
  check(of, function);
  require_denoise_kernel("denoise_backward", of.u, function);
  for (const auto* column : {&call.u_mean, &call.u_std}) {
    TORCH_CHECK(column->dim() == 1 && column->size(0) == of.u.size(1),
                "denoise_backward: expected statistics [", of.u.size(1), "] of u but got ",
                column->sizes(), ".");
    check_like(*column, of.u, "denoise_backward");
  }
  for (const auto& like : {OptionalTensor(call.z_hat), call.grad_z_hat}) {
    TORCH_CHECK(!like || like->sizes() == of.u.sizes(),
                "denoise_backward: expected z_hat and its gradient of u's shape ", of.u.sizes(),
                " but got ", like->sizes(), ".");
    if (like) check_like(*like, of.u, "denoise_backward");
  }
  if (call.grad_cost) {
    TORCH_CHECK(call.grad_cost->dim() == 0,
                "denoise_backward: expected the gradient of the cost to be a scalar but got ",
                call.grad_cost->sizes(), ".");
    check_like(*call.grad_cost, of.u, "denoise_backward");
  }
  const DenoiseTrace t{.z_noisy = of.z_noisy.contiguous(),
                       .u = of.u.contiguous(),
                       .weight = of.weight.contiguous(),
                       .target = dense_or_none(of.target),
                       .target_mean = dense_or_none(of.target_mean),
                       .target_std = dense_or_none(of.target_std),
                       .u_mean = call.u_mean.contiguous(),
                       .u_std = call.u_std.contiguous(),
                       .z_hat = call.z_hat.contiguous()};
  auto result = denoise_backward_shapes(call);
  const auto wanted = [](const OptionalTensor& input, const at::Tensor& gradient) {
    return input ? gradient : at::Tensor();
  };
  DenoiseInputs filled{std::get<0>(result),
                       std::get<1>(result),
                       std::get<2>(result),
                       wanted(of.target, std::get<3>(result)),
                       wanted(of.target_mean, std::get<4>(result)),
                       wanted(of.target_std, std::get<5>(result))};
  if (!call.grad_cost) {
    for (auto* gradient : {&std::get<3>(result), &std::get<4>(result), &std::get<5>(result)}) {
      gradient->zero_();
    }
  }
  denoise_backward(
      t, function,
      {.z_hat = dense_or_none(call.grad_z_hat), .cost = call.grad_cost.value_or(at::Tensor())},
      filled);
  return result;
}

// What the backward pass of a traced call needs beside tensors.
struct TracedDenoiseSettings {
  int64_t combinator;
  std::vector<int64_t> mlp_hidden;
  bool mlp_augmented;
  double mlp_slope;
};

class TracedDenoise : public torch::autograd::Function<TracedDenoise> {
 public:
  static variable_list forward(AutogradContext* ctx, const OptionalTensor& z_noisy,
                               const OptionalTensor& u, const OptionalTensor& weight,
                               const OptionalTensor& target, const OptionalTensor& target_mean,
                               const OptionalTensor& target_std, const DenoiseCall& call) {
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [z_hat, cost, u_mean, u_std] = Operator<DenoiseForwardCall>::call({call});
    ctx->set_materialize_grads(false);
    const auto kept_or_none = [](const OptionalTensor& t) { return t.value_or(at::Tensor()); };
    ctx->save_for_backward(to_list(DenoiseTrace{.z_noisy = *z_noisy,
                                                .u = *u,
                                                .weight = *weight,
                                                .target = kept_or_none(target),
                                                .target_mean = kept_or_none(target_mean),
                                                .target_std = kept_or_none(target_std),
                                                .u_mean = u_mean,
                                                .u_std = u_std,
                                                .z_hat = z_hat}));
    keep(ctx, TracedDenoiseSettings{call.combinator, call.mlp_hidden.vec(), call.mlp_augmented,
                                    call.mlp_slope});
    return to_list(DenoiseOutputs{z_hat, cost});
  }

  static variable_list backward(AutogradContext* ctx, variable_list grad_list) {
    refuse_second_gradient("denoise");
    const auto t = from_list<DenoiseTrace>(ctx->get_saved_variables());
    const auto grads = from_list<DenoiseOutputs>(grad_list);
    const auto settings = kept<TracedDenoiseSettings>(ctx);
    const at::AutoDispatchBelowADInplaceOrView below;
    const auto [z_noisy, u, weight, target, target_mean, target_std] =
        Operator<DenoiseBackwardCall>::call({.call = {.z_noisy = t.z_noisy,
                                                      .u = t.u,
                                                      .weight = t.weight,
                                                      .combinator = settings.combinator,
                                                      .mlp_hidden = settings.mlp_hidden,
                                                      .mlp_augmented = settings.mlp_augmented,
                                                      .mlp_slope = settings.mlp_slope,
                                                      .target = if_defined(t.target),
                                                      .target_mean = if_defined(t.target_mean),
                                                      .target_std = if_defined(t.target_std)},
                                             .u_mean = t.u_mean,
                                             .u_std = t.u_std,
                                             .z_hat = t.z_hat,
                                             .grad_z_hat = if_defined(grads.z_hat),
                                             .grad_cost = if_defined(grads.cost)});
    const auto of = [](const at::Tensor& input, const at::Tensor& gradient) {
      return input.defined() ? gradient : at::Tensor();
    };
    return to_list(DenoiseInputs{.z_noisy = z_noisy,
                                 .u = u,
                                 .weight = weight,
                                 .target = of(t.target, target),
                                 .target_mean = of(t.target_mean, target_mean),
                                 .target_std = of(t.target_std, target_std)},
                   /*more=*/1);
  }
};

DenoiseTensors denoise_autograd(const DenoiseCall& call) {
  const auto function = function_of(call);
  const bool traced = is_traced(call.u);
  if (traced) {
    check_function(function);  // sizes may be symbols
  } else {
    check(call, function);
  }
  if (!has_denoise_kernel(call.u, function)) {  // called by name
    return denoise_composite(call);
  }
  const DenoiseInputs inputs{call.z_noisy,
                             call.u,
                             call.weight,
                             call.target.value_or(at::Tensor()),
                             call.target_mean.value_or(at::Tensor()),
                             call.target_std.value_or(at::Tensor())};
  const auto outputs =
      from_list<DenoiseOutputs>(traced ? apply_function<TracedDenoise>(inputs, call)
                                       : apply_function<DenoiseAutograd>(inputs, call));
  return {outputs.z_hat, outputs.cost};
}

}  // namespace

int64_t parameter_count(const DenoisingFunction& function) {
  if (const auto* fixed = std::get_if<CombinatorFunction>(&function)) {
    return parameters_of(*fixed);
  }
  const auto& mlp = std::get<MlpFunction>(function);
  int64_t count = 0;
  int64_t in = mlp.augmented ? 3 : 2;
  for (const auto out : mlp.hidden) {
    count += out * (in + 1);
    in = out;
  }
  return count + in + 1;
}

DenoiseResult denoise(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                      const DenoisingFunction& function,
                      const std::optional<DenoisingTarget>& target) {
  if (!has_denoise_kernel(u, function)) {
    return reference::denoise(z_noisy, u, weight, function, target);
  }
  DenoiseCall call{.z_noisy = z_noisy,
                   .u = u,
                   .weight = weight,
                   .combinator = kMlpNumber,
                   .mlp_hidden = {},
                   .mlp_augmented = false,
                   .mlp_slope = 0,
                   .target = {},
                   .target_mean = {},
                   .target_std = {}};
  if (const auto* mlp = std::get_if<MlpFunction>(&function)) {
    call.mlp_hidden = mlp->hidden;
    call.mlp_augmented = mlp->augmented;
    call.mlp_slope = mlp->leaky_slope;
  } else {
    call.combinator = static_cast<int64_t>(std::get<CombinatorFunction>(function));
  }
  if (target) {
    call.target = target->z;
    call.target_mean = target->mean;
    call.target_std = target->std;
  }
  auto [z_hat, cost] = Operator<DenoiseCall>::call(call);
  return {std::move(z_hat), target ? std::move(cost) : at::Tensor()};
}

at::Tensor normalise_rows(const at::Tensor& u) {
  return normalise(u, {.groups = {{.rows = u.size(0)}}}).h;
}

at::Tensor denoising_cost(const at::Tensor& z_hat, const DenoisingTarget& target) {
  check_target(z_hat, target, "denoising_cost");
  const auto rescaled = target.mean ? (z_hat - *target.mean) / *target.std : z_hat;
  return (rescaled - target.z).square().mean();
}

namespace reference {
namespace {

at::Tensor combine_mlp(const at::Tensor& z, const at::Tensor& u, const at::Tensor& weight,
                       const MlpFunction& mlp) {
  std::vector<at::Tensor> inputs = {u, z};
  if (mlp.augmented) {
    inputs.push_back(u * z);
  }
  auto h = at::stack(inputs).permute({2, 1, 0});  // [C, M, in]
  int64_t row = 0;
  const auto layer = [&](int64_t out) {
    const auto in = h.size(2);
    const auto w = weight.narrow(0, row, out * in).reshape({out, in, -1}).permute({2, 1, 0});
    const auto bias = weight.narrow(0, row + out * in, out).t().unsqueeze(1);  // [C, 1, out]
    row += out * (in + 1);
    return at::baddbmm(bias, h, w);  // [C, M, out]
  };
  for (const auto out : mlp.hidden) {
    h = at::leaky_relu(layer(out), mlp.leaky_slope);
  }
  return layer(1).squeeze(2).t();
}

at::Tensor combine_gaussian(const at::Tensor& z, const at::Tensor& u,
                            const std::vector<at::Tensor>& w, bool sigmoid_v) {
  const auto mu = w[0] * at::sigmoid(w[1] * u + w[2]) + w[3] * u + w[4];
  auto v = w[5] * at::sigmoid(w[6] * u + w[7]) + w[8] * u + w[9];
  if (sigmoid_v) v = at::sigmoid(v);
  return (z - mu) * v + mu;
}

at::Tensor combine_vanilla(const at::Tensor& z, const at::Tensor& u,
                           const std::vector<at::Tensor>& w) {
  const auto zu = z * u;
  return w[0] + w[1] * z + w[2] * u + w[3] * zu +
         w[4] * at::sigmoid(w[5] + w[6] * z + w[7] * u + w[8] * zu);
}

}  // namespace

at::Tensor combine(const at::Tensor& z, const at::Tensor& u, const at::Tensor& weight,
                   const DenoisingFunction& function) {
  if (const auto* mlp = std::get_if<MlpFunction>(&function)) {
    return combine_mlp(z, u, weight, *mlp);
  }
  const auto w = weight.unbind(0);
  switch (std::get<CombinatorFunction>(function)) {
    case CombinatorFunction::kGaussian:
      return combine_gaussian(z, u, w, /*sigmoid_v=*/false);
    case CombinatorFunction::kVanilla:
      return combine_vanilla(z, u, w);
    case CombinatorFunction::kGaussianSigmoid:
      return combine_gaussian(z, u, w, /*sigmoid_v=*/true);
  }
  TORCH_INTERNAL_ASSERT(false);
}

DenoiseResult denoise(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                      const DenoisingFunction& function,
                      const std::optional<DenoisingTarget>& target) {
  check(z_noisy, u, weight, function, target);
  const auto moments = moments_of(u);
  DenoiseResult result{combine(z_noisy, (u - moments.mean) / moments.std, weight, function), {}};
  if (target) {
    result.cost = denoising_cost(result.z_hat, *target);
  }
  return result;
}

}  // namespace reference

TORCH_LIBRARY_FRAGMENT(ladder, m) {
  m.def(DenoiseCall::kSchema);
  m.def(DenoiseForwardCall::kSchema);
  m.def(DenoiseBackwardCall::kSchema);
}
TORCH_LIBRARY_IMPL(ladder, Meta, m) {
  m.impl("denoise_forward", Operator<DenoiseForwardCall>::unpacked<denoise_forward_shapes>);
  m.impl("denoise_backward", Operator<DenoiseBackwardCall>::unpacked<denoise_backward_shapes>);
}
TORCH_LIBRARY_IMPL(ladder, CPU, m) {
  m.impl("denoise", Operator<DenoiseCall>::unpacked<denoise_kernel>);
  m.impl("denoise_forward", Operator<DenoiseForwardCall>::unpacked<denoise_forward_kernel>);
  m.impl("denoise_backward", Operator<DenoiseBackwardCall>::unpacked<denoise_backward_kernel>);
}
TORCH_LIBRARY_IMPL(ladder, AutogradCPU, m) {
  m.impl("denoise", Operator<DenoiseCall>::unpacked<denoise_autograd>);
}
#ifdef LADDER_CUDA
TORCH_LIBRARY_IMPL(ladder, CUDA, m) {
  m.impl("denoise", Operator<DenoiseCall>::unpacked<denoise_kernel>);
  m.impl("denoise_forward", Operator<DenoiseForwardCall>::unpacked<denoise_forward_kernel>);
  m.impl("denoise_backward", Operator<DenoiseBackwardCall>::unpacked<denoise_backward_kernel>);
}
TORCH_LIBRARY_IMPL(ladder, AutogradCUDA, m) {
  m.impl("denoise", Operator<DenoiseCall>::unpacked<denoise_autograd>);
}
#endif
TORCH_LIBRARY_IMPL(ladder, CompositeImplicitAutograd, m) {
  m.impl("denoise", Operator<DenoiseCall>::unpacked<denoise_composite>);
}

}  // namespace ladder::ops
