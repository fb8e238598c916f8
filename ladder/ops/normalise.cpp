#include "ladder/ops/normalise.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <array>
#include <tuple>
#include <utility>

#include "ladder/ops/internal/activation_slope.h"
#include "ladder/ops/internal/alias.h"
#include "ladder/ops/internal/autograd.h"
#include "ladder/ops/internal/moments.h"
#include "ladder/ops/internal/operator_call.h"
#include "ladder/ops/internal/run_kernel.h"
#include "ladder/ops/internal/traced.h"
#include "ladder/ops/noise.h"

namespace ladder::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using NormaliseTensors = std::tuple<at::Tensor, std::vector<at::Tensor>, at::Tensor, at::Tensor>;
using OptionalTensor = std::optional<at::Tensor>;

struct NormaliseCall {
  using Result = NormaliseTensors;
  static constexpr const char* kOperator = "ladder::normalise";
  static constexpr const char* kSchema =
      "normalise(Tensor x, int[] rows, float[] noise_std, Tensor? noise, int seed, int offset, "
      "Tensor? position, Tensor? gamma, Tensor? beta, int activation, float leaky_slope, "
      "Tensor? mean, Tensor? std, bool keep_z) -> (Tensor h, Tensor[] z, Tensor mean, Tensor std)";

  at::Tensor x;
  at::IntArrayRef rows;
  at::ArrayRef<double> noise_std;
  OptionalTensor noise;
  int64_t seed, offset;
  OptionalTensor position, gamma, beta;
  int64_t activation;
  double leaky_slope;
  OptionalTensor mean, std;
  bool keep_z;

  auto fields() const {
    return std::tie(x, rows, noise_std, noise, seed, offset, position, gamma, beta, activation,
                    leaky_slope, mean, std, keep_z);
  }
};

// What an operator is called with, by this library or by name.
void check(const at::Tensor& x, at::IntArrayRef rows, at::ArrayRef<double> noise_std,
           const OptionalTensor& noise, const OptionalTensor& gamma, const OptionalTensor& beta,
           const OptionalTensor& mean, const OptionalTensor& std) {
  TORCH_CHECK(x.dim() == 2, "normalise: expected x of shape [R, C] but got ", x.sizes(), ".");
  TORCH_CHECK(rows.size() == noise_std.size(), "normalise: expected a noise_std for each of ",
              rows.size(), " groups but got ", noise_std.size(), ".");
  int64_t all_rows = 0;
  int64_t noisy_rows = 0;
  for (size_t g = 0; g < rows.size(); ++g) {
    TORCH_CHECK(rows[g] > 0, "normalise: expected groups of at least 1 row but got ", rows[g], ".");
    TORCH_CHECK(rows[g] > 1 || mean,
                "normalise: expected groups of at least 2 rows to measure their statistics but got "
                "1 (a single row has no variance and would become 0).");
    TORCH_CHECK(noise_std[g] >= 0, "normalise: expected noise_std >= 0 but got ", noise_std[g],
                ".");
    all_rows += rows[g];
    noisy_rows += noise_std[g] != 0 ? rows[g] : 0;
  }
  TORCH_CHECK(all_rows == x.size(0), "normalise: expected the groups to cover ", x.size(0),
              " rows but got ", all_rows, ".");
  TORCH_CHECK(!noise || noise->numel() == noisy_rows * x.size(1), "normalise: expected noise [",
              noisy_rows, ", ", x.size(1), "] but got ", noise->sizes(), ".");
  const auto check_vector = [&](const OptionalTensor& t, const char* name) {
    TORCH_CHECK(!t || (t->dim() == 1 && t->size(0) == x.size(1)), "normalise: expected ", name,
                " [", x.size(1), "] but got ", t->sizes(), ".");
    TORCH_CHECK(!t || t->scalar_type() == x.scalar_type(), "normalise: expected ", name,
                " of type ", x.scalar_type(), " but got ", t->scalar_type(), ".");
    TORCH_CHECK(!t || t->device() == x.device(), "normalise: expected ", name, " on ", x.device(),
                " but got it on ", t->device(), ".");
  };
  check_vector(gamma, "gamma");
  check_vector(beta, "beta");
  check_vector(mean, "a stored mean");
  check_vector(std, "a stored std");
  TORCH_CHECK(mean.has_value() == std.has_value(),
              "normalise: expected both stored mean and std or neither.");
}

void check(const NormaliseCall& call) {
  check(call.x, call.rows, call.noise_std, call.noise, call.gamma, call.beta, call.mean, call.std);
  TORCH_CHECK(!call.noise || call.noise->options().type_equal(call.x.options()),
              "normalise: expected noise in ", call.x.scalar_type(), " on ", call.x.device(),
              " like x but got ", call.noise->scalar_type(), " on ", call.noise->device(), ".");
}

Activation activation_of(const NormaliseCall& call) {
  TORCH_CHECK(call.activation >= 0 && call.activation <= static_cast<int64_t>(Activation::kGelu),
              "normalise: expected an activation from 0 (identity) to 4 (GELU) but got ",
              call.activation, ".");
  return static_cast<Activation>(call.activation);
}

NoiseDraw draw_of(const NormaliseCall& call) {
  return {.seed = static_cast<uint64_t>(call.seed),
          .offset = static_cast<uint64_t>(call.offset),
          .values = call.noise,
          .position = call.position};
}

std::vector<GroupSpan> groups_of(const NormaliseCall& call) {
  std::vector<GroupSpan> result;
  int64_t row = 0;
  int64_t noise_row = 0;
  for (size_t g = 0; g < call.rows.size(); ++g) {
    result.push_back({row, row + call.rows[g], call.noise_std[g], noise_row});
    row += call.rows[g];
    noise_row += call.noise_std[g] != 0 ? call.rows[g] : 0;
  }
  return result;
}

// ---- kernels ------------------------------------------------------------------------------------

// The tensors that the backward pass needs. One of z (over all rows) and h may be undefined.
struct NormaliseTrace {
  at::Tensor x, gamma, beta, z, h, mean, std;

  auto fields() { return std::tie(x, gamma, beta, z, h, mean, std); }
};

NormaliseTrace forward_kernel(const NormaliseCall& call, bool store_z) {
  NormaliseTrace t;
  t.x = call.x.contiguous();
  t.gamma = dense_or_none(call.gamma);
  t.beta = dense_or_none(call.beta);
  const auto groups = groups_of(call);
  const auto group_count = static_cast<int64_t>(groups.size());
  const auto cols = t.x.size(1);
  const bool stored = call.mean.has_value();
  t.h = at::empty_like(t.x);
  t.z = store_z ? at::empty_like(t.x) : at::Tensor();
  // Copies of stored statistics: results are not the tensors of the caller.
  const auto statistics = [&](const OptionalTensor& given) {
    return stored ? given->expand({group_count, cols}).clone(at::MemoryFormat::Contiguous)
                  : at::empty({group_count, cols}, t.x.options());
  };
  t.mean = statistics(call.mean);
  t.std = statistics(call.std);
  auto draw = draw_of(call);
  if (draw.values) {
    draw.values = draw.values->contiguous();
  }
  with_element(t.x, [&]<class T>(T*) {
    run_kernel(NormaliseForward<T>{.x = data_or_null<T>(t.x),
                                   .cols = cols,
                                   .groups = groups.data(),
                                   .group_count = group_count,
                                   .noise = noise_of<T>(draw, t.x.is_cuda()),
                                   .gamma = data_or_null<T>(t.gamma),
                                   .beta = data_or_null<T>(t.beta),
                                   .activation = activation_of(call),
                                   .slope = call.leaky_slope,
                                   .eps = kVarianceEpsilon,
                                   .stored = stored,
                                   .mean = mutable_data_or_null<T>(t.mean),
                                   .std = mutable_data_or_null<T>(t.std),
                                   .z = mutable_data_or_null<T>(t.z),
                                   .h = mutable_data_or_null<T>(t.h)},
               t.x);
  });
  return t;
}

std::vector<at::Tensor> z_of_groups(const at::Tensor& z, const NormaliseCall& call) {
  std::vector<at::Tensor> result;
  if (!call.keep_z) {
    return result;
  }
  int64_t row = 0;
  for (const auto count : call.rows) {
    result.push_back(alias_rows(z, row, count));
    row += count;
  }
  return result;
}

NormaliseTensors normalise_composite(const NormaliseCall& call) {
  NormaliseArguments arguments{.noise = draw_of(call),
                               .gamma = call.gamma,
                               .beta = call.beta,
                               .activation = activation_of(call),
                               .leaky_slope = call.leaky_slope,
                               .mean = call.mean,
                               .std = call.std,
                               .keep_z = call.keep_z};
  for (size_t g = 0; g < call.rows.size(); ++g) {
    arguments.groups.push_back({call.rows[g], call.noise_std[g]});
  }
  auto result = reference::normalise(call.x, arguments);
  return {result.h, result.z, result.mean, result.std};
}

bool has_normalise_kernel(const at::Tensor& x, size_t groups) {
  if (!has_kernel(x) || x.is_cpu()) return has_kernel(x);
  const auto rows = x.sym_size(0).maybe_as_int();  // none for a symbol
  return groups <= cuda::kMaxGroups && rows.value_or(0) <= cuda::kMaxRows;
}

// An operator that calls a kernel whatever it is given.
void require_normalise_kernel(const char* op, const at::Tensor& x, size_t groups) {
  TORCH_CHECK(has_normalise_kernel(x, groups), op, ": expected a call that a kernel takes but got ",
              x.size(0), " rows in ", groups, groups == 1 ? " group" : " groups", " in ",
              x.scalar_type(), " on ", x.device(), " (call ladder::normalise, which takes any).");
}

NormaliseTensors run_normalise(const NormaliseCall& call) {
  const auto t = forward_kernel(call, call.keep_z);
  return {t.h, z_of_groups(t.z, call), t.mean, t.std};
}

NormaliseTensors normalise_kernel(const NormaliseCall& call) {
  check(call);
  if (!has_normalise_kernel(call.x, call.rows.size())) {  // called by name
    return normalise_composite(call);
  }
  return run_normalise(call);
}

// ---- gradients ----------------------------------------------------------------------------------

// What the operator is differentiable in, or the gradients of these.
struct NormaliseInputs {
  at::Tensor x, gamma, beta;

  auto fields() { return std::tie(x, gamma, beta); }
};

// What it returns, or the gradients of these. z is empty if nobody wants it.
struct NormaliseOutputs {
  at::Tensor h, mean, std;
  std::vector<at::Tensor> z;

  static NormaliseOutputs from(variable_list list) {
    return {list[0], list[1], list[2], {list.begin() + 3, list.end()}};
  }
  variable_list list() const {
    variable_list result = {h, mean, std};
    result.insert(result.end(), z.begin(), z.end());
    return result;
  }
};

struct NormaliseSettings {
  std::vector<GroupSpan> groups;
  Activation activation;
  double leaky_slope;
  bool stored;
};

// Fill those gradients of `result` that are defined.
void backward_kernel(const NormaliseTrace& t, const NormaliseSettings& settings,
                     const NormaliseOutputs& grads, const NormaliseInputs& result) {
  const auto& groups = settings.groups;
  // The kernel needs this one as memory.
  const auto grad_x = result.x.defined() ? result.x : at::empty_like(t.x);
  with_element(t.x, [&]<class T>(T*) {
    std::vector<const T*> grad_z(groups.size(), nullptr);
    for (size_t g = 0; g < grads.z.size(); ++g) {
      grad_z[g] = data_or_null<T>(grads.z[g]);
    }
    run_kernel(NormaliseBackward<T>{.x = data_or_null<T>(t.x),
                                    .z = data_or_null<T>(t.z),
                                    .h = data_or_null<T>(t.h),
                                    .mean = data_or_null<T>(t.mean),
                                    .std = data_or_null<T>(t.std),
                                    .cols = t.x.size(1),
                                    .groups = groups.data(),
                                    .group_count = static_cast<int64_t>(groups.size()),
                                    .gamma = data_or_null<T>(t.gamma),
                                    .beta = data_or_null<T>(t.beta),
                                    .activation = settings.activation,
                                    .slope = settings.leaky_slope,
                                    .stored = settings.stored,
                                    .grad_h = data_or_null<T>(grads.h),
                                    .grad_z = grad_z.data(),
                                    .grad_mean = data_or_null<T>(grads.mean),
                                    .grad_std = data_or_null<T>(grads.std),
                                    .grad_x = mutable_data_or_null<T>(grad_x),
                                    .grad_gamma = mutable_data_or_null<T>(result.gamma),
                                    .grad_beta = mutable_data_or_null<T>(result.beta)},
               t.x);
  });
}

class NormaliseFunction : public torch::autograd::Function<NormaliseFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const OptionalTensor& /*x*/,
                               const OptionalTensor& gamma, const OptionalTensor& /*beta*/,
                               const NormaliseCall& call) {
    const auto activation = activation_of(call);
    const bool by_h = !call.keep_z && !gamma && has_slope_at_value(activation, call.leaky_slope);
    auto t = forward_kernel(call, !by_h);
    // The outputs mean and std must not be the saved tensors themselves.
    const NormaliseOutputs outputs{.h = t.h,
                                   .mean = alias_rows(t.mean, 0, t.mean.size(0)),
                                   .std = alias_rows(t.std, 0, t.std.size(0)),
                                   .z = z_of_groups(t.z, call)};
    if (!by_h) {
      t.h = at::Tensor();
    }
    ctx->set_materialize_grads(false);
    ctx->save_for_backward(to_list(t));
    keep(ctx,
         NormaliseSettings{groups_of(call), activation, call.leaky_slope, call.mean.has_value()});
    return outputs.list();
  }

  static variable_list backward(AutogradContext* ctx, variable_list grad_list) {
    refuse_second_gradient("normalise");
    const auto t = from_list<NormaliseTrace>(ctx->get_saved_variables());
    const auto settings = kept<NormaliseSettings>(ctx);
    for (auto& grad : grad_list) {
      grad = grad.defined() ? grad.contiguous() : grad;
    }
    const auto grads = NormaliseOutputs::from(grad_list);
    auto result = wanted_gradients(ctx, NormaliseInputs{t.x, t.gamma, t.beta});
    backward_kernel(t, settings, grads, result);
    return to_list(result, /*more=*/1);
  }
};

// ---- tracing ------------------------------------------------------------------------------------

// The forward and the backward pass as operators of their own, with what lies between them as
// tensors: torch.compile records these two, and they compute shapes on tensors without memory.

constexpr const char* kNormaliseForwardSchema =
    "normalise_forward(Tensor x, int[] rows, float[] noise_std, Tensor? noise, int seed, "
    "int offset, Tensor? position, Tensor? gamma, Tensor? beta, int activation, "
    "float leaky_slope, Tensor? mean, Tensor? std) -> (Tensor h, Tensor z, Tensor mean, "
    "Tensor std)";
constexpr const char* kNormaliseBackwardSchema =
    "normalise_backward(Tensor x, Tensor z, Tensor mean, Tensor std, int[] rows, "
    "float[] noise_std, Tensor? gamma, Tensor? beta, int activation, float leaky_slope, "
    "bool stored, Tensor? grad_h, Tensor? grad_z, Tensor? grad_mean, Tensor? grad_std) -> "
    "(Tensor grad_x, Tensor grad_gamma, Tensor grad_beta)";

using NormaliseForwardTensors = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
using NormaliseGradients = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

struct NormaliseForwardCall {
  using Result = NormaliseForwardTensors;
  static constexpr const char* kOperator = "ladder::normalise_forward";

  at::Tensor x;
  at::IntArrayRef rows;
  at::ArrayRef<double> noise_std;
  OptionalTensor noise;
  int64_t seed, offset;
  OptionalTensor position, gamma, beta;
  int64_t activation;
  double leaky_slope;
  OptionalTensor mean, std;

  auto fields() const {
    return std::tie(x, rows, noise_std, noise, seed, offset, position, gamma, beta, activation,
                    leaky_slope, mean, std);
  }
};

struct NormaliseBackwardCall {
  using Result = NormaliseGradients;
  static constexpr const char* kOperator = "ladder::normalise_backward";

  at::Tensor x, z, mean, std;
  at::IntArrayRef rows;
  at::ArrayRef<double> noise_std;
  OptionalTensor gamma, beta;
  int64_t activation;
  double leaky_slope;
  bool stored;
  OptionalTensor grad_h, grad_z, grad_mean, grad_std;

  auto fields() const {
    return std::tie(x, z, mean, std, rows, noise_std, gamma, beta, activation, leaky_slope, stored,
                    grad_h, grad_z, grad_mean, grad_std);
  }
};

NormaliseCall whole_call(const NormaliseForwardCall& call) {
  return {.x = call.x,
          .rows = call.rows,
          .noise_std = call.noise_std,
          .noise = call.noise,
          .seed = call.seed,
          .offset = call.offset,
          .position = call.position,
          .gamma = call.gamma,
          .beta = call.beta,
          .activation = call.activation,
          .leaky_slope = call.leaky_slope,
          .mean = call.mean,
          .std = call.std,
          .keep_z = true};
}

NormaliseForwardTensors normalise_forward_kernel(const NormaliseForwardCall& call) {
  const auto whole = whole_call(call);
  check(whole);
  require_normalise_kernel("normalise_forward", call.x, call.rows.size());
  const auto t = forward_kernel(whole, /*store_z=*/true);
  return {t.h, t.z, t.mean, t.std};
}

NormaliseForwardTensors normalise_forward_shapes(const NormaliseForwardCall& call) {
  const c10::SymInt groups(static_cast<int64_t>(call.rows.size()));
  const auto statistics = at::empty_symint({groups, call.x.sym_size(1)}, call.x.options());
  return {dense_like(call.x), dense_like(call.x), statistics, at::empty_like(statistics)};
}

NormaliseGradients normalise_backward_shapes(const NormaliseBackwardCall& call) {
  return {dense_like(call.x), dense_like(call.gamma, call.x), dense_like(call.beta, call.x)};
}

void check_backward(const NormaliseBackwardCall& call) {
  const auto& x = call.x;
  // Groups of one row, whose statistics were stored, have a mean.
  check(x, call.rows, call.noise_std, {}, call.gamma, call.beta,
        call.stored ? OptionalTensor(call.mean.select(0, 0)) : std::nullopt,
        call.stored ? OptionalTensor(call.std.select(0, 0)) : std::nullopt);
  const auto groups = static_cast<int64_t>(call.rows.size());
  const auto check_like = [&](const OptionalTensor& t, at::IntArrayRef sizes, const char* name) {
    TORCH_CHECK(!t || (t->sizes() == sizes && t->options().type_equal(x.options())),
                "normalise_backward: expected ", name, " ", sizes, " like x but got ", t->sizes(),
                " in ", t->scalar_type(), ".");
  };
  const std::array<int64_t, 2> statistics = {groups, x.size(1)};
  check_like(call.z, x.sizes(), "z");
  check_like(call.mean, statistics, "mean");
  check_like(call.std, statistics, "std");
  check_like(call.grad_h, x.sizes(), "grad_h");
  check_like(call.grad_z, x.sizes(), "grad_z");
  check_like(call.grad_mean, statistics, "grad_mean");
  check_like(call.grad_std, statistics, "grad_std");
}

NormaliseGradients normalise_backward_kernel(const NormaliseBackwardCall& call) {
  const NormaliseCall forward{.x = call.x,
                              .rows = call.rows,
                              .noise_std = call.noise_std,
                              .noise = {},
                              .seed = 0,
                              .offset = 0,
                              .position = {},
                              .gamma = call.gamma,
                              .beta = call.beta,
                              .activation = call.activation,
                              .leaky_slope = call.leaky_slope,
                              .mean = {},
                              .std = {},
                              .keep_z = true};
  check_backward(call);
  require_normalise_kernel("normalise_backward", call.x, call.rows.size());
  const NormaliseTrace t{.x = call.x.contiguous(),
                         .gamma = dense_or_none(call.gamma),
                         .beta = dense_or_none(call.beta),
                         .z = call.z.contiguous(),
                         .h = {},
                         .mean = call.mean.contiguous(),
                         .std = call.std.contiguous()};
  NormaliseOutputs grads{.h = dense_or_none(call.grad_h),
                         .mean = dense_or_none(call.grad_mean),
                         .std = dense_or_none(call.grad_std),
                         .z = {}};
  if (const auto grad_z = dense_or_none(call.grad_z); grad_z.defined()) {
    grads.z = z_of_groups(grad_z, forward);
  }
  auto result = normalise_backward_shapes(call);
  backward_kernel(t, {groups_of(forward), activation_of(forward), call.leaky_slope, call.stored},
                  grads,
                  {.x = std::get<0>(result),
                   .gamma = call.gamma ? std::get<1>(result) : at::Tensor(),
                   .beta = call.beta ? std::get<2>(result) : at::Tensor()});
  return result;
}

// What a traced call returns, or the gradients of these; z over all rows.
struct TracedNormaliseOutputs {
  at::Tensor h, z, mean, std;

  auto fields() { return std::tie(h, z, mean, std); }
};

// What the backward pass of a traced call needs beside tensors.
struct TracedNormaliseSettings {
  std::vector<int64_t> rows;
  std::vector<double> noise_std;
  int64_t activation;
  double leaky_slope;
  bool stored, has_gamma, has_beta;
};

class TracedNormalise : public torch::autograd::Function<TracedNormalise> {
 public:
  static variable_list forward(AutogradContext* ctx, const OptionalTensor& x,
                               const OptionalTensor& gamma, const OptionalTensor& beta,
                               const NormaliseCall& call) {
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [h, z, mean, std] = Operator<NormaliseForwardCall>::call({.x = *x,
                                                                   .rows = call.rows,
                                                                   .noise_std = call.noise_std,
                                                                   .noise = call.noise,
                                                                   .seed = call.seed,
                                                                   .offset = call.offset,
                                                                   .position = call.position,
                                                                   .gamma = gamma,
                                                                   .beta = beta,
                                                                   .activation = call.activation,
                                                                   .leaky_slope = call.leaky_slope,
                                                                   .mean = call.mean,
                                                                   .std = call.std});
    ctx->set_materialize_grads(false);
    ctx->save_for_backward(to_list(NormaliseTrace{.x = *x,
                                                  .gamma = gamma.value_or(at::Tensor()),
                                                  .beta = beta.value_or(at::Tensor()),
                                                  .z = z,
                                                  .h = {},
                                                  .mean = mean,
                                                  .std = std}));
    keep(ctx, TracedNormaliseSettings{call.rows.vec(), call.noise_std.vec(), call.activation,
                                      call.leaky_slope, call.mean.has_value(), gamma.has_value(),
                                      beta.has_value()});
    return to_list(TracedNormaliseOutputs{h, z, mean, std});
  }

  static variable_list backward(AutogradContext* ctx, variable_list grad_list) {
    refuse_second_gradient("normalise");
    const auto t = from_list<NormaliseTrace>(ctx->get_saved_variables());
    const auto grads = from_list<TracedNormaliseOutputs>(grad_list);
    const auto settings = kept<TracedNormaliseSettings>(ctx);
    const at::AutoDispatchBelowADInplaceOrView below;
    auto [grad_x, grad_gamma, grad_beta] =
        Operator<NormaliseBackwardCall>::call({.x = t.x,
                                               .z = t.z,
                                               .mean = t.mean,
                                               .std = t.std,
                                               .rows = settings.rows,
                                               .noise_std = settings.noise_std,
                                               .gamma = if_defined(t.gamma),
                                               .beta = if_defined(t.beta),
                                               .activation = settings.activation,
                                               .leaky_slope = settings.leaky_slope,
                                               .stored = settings.stored,
                                               .grad_h = if_defined(grads.h),
                                               .grad_z = if_defined(grads.z),
                                               .grad_mean = if_defined(grads.mean),
                                               .grad_std = if_defined(grads.std)});
    return to_list(NormaliseInputs{.x = grad_x,
                                   .gamma = settings.has_gamma ? grad_gamma : at::Tensor(),
                                   .beta = settings.has_beta ? grad_beta : at::Tensor()},
                   /*more=*/1);
  }
};

NormaliseTensors normalise_traced(const NormaliseCall& call) {
  const auto outputs = from_list<TracedNormaliseOutputs>(apply_function<TracedNormalise>(
      NormaliseInputs{call.x, call.gamma.value_or(at::Tensor()), call.beta.value_or(at::Tensor())},
      call));
  std::vector<at::Tensor> z;
  int64_t row = 0;
  for (const auto count : call.rows) {
    if (call.keep_z) z.push_back(outputs.z.narrow(0, row, count));
    row += count;
  }
  return {outputs.h, std::move(z), outputs.mean, outputs.std};
}

bool requires_grad(const OptionalTensor& t) { return t && t->requires_grad(); }

NormaliseTensors normalise_autograd(const NormaliseCall& call) {
  if (is_traced(call.x) && has_normalise_kernel(call.x, call.rows.size())) {
    return normalise_traced(call);  // whose sizes may be symbols
  }
  check(call);
  if (!has_normalise_kernel(call.x, call.rows.size())) {  // called by name
    return normalise_composite(call);
  }
  if (!at::GradMode::is_enabled() ||
      !(call.x.requires_grad() || requires_grad(call.gamma) || requires_grad(call.beta))) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return run_normalise(call);
  }
  const NormaliseInputs inputs{call.x, call.gamma.value_or(at::Tensor()),
                               call.beta.value_or(at::Tensor())};
  auto outputs = NormaliseOutputs::from(apply_function<NormaliseFunction>(inputs, call));
  return {outputs.h, std::move(outputs.z), outputs.mean, outputs.std};
}

struct Groups {
  explicit Groups(const NormaliseArguments& a) {
    for (const auto& group : a.groups) {
      rows.push_back(group.rows);
      noise_std.push_back(group.noise_std);
    }
  }

  c10::SmallVector<int64_t, 4> rows;
  c10::SmallVector<double, 4> noise_std;
};

// (The operator itself cannot tell: seed 0 is a seed.)
void check_noise_is_given(const NormaliseArguments& a, const Groups& groups) {
  if (a.noise) return;
  int64_t noisy_rows = 0;
  for (size_t g = 0; g < groups.rows.size(); ++g) {
    noisy_rows += groups.noise_std[g] > 0 ? groups.rows[g] : 0;
  }
  TORCH_CHECK(noisy_rows == 0, "normalise: expected noise for ", noisy_rows,
              " noisy rows but got none (give the pass a NoiseSource).");
}

void check(const at::Tensor& x, const NormaliseArguments& a) {
  const Groups groups(a);
  check(x, groups.rows, groups.noise_std, a.noise ? a.noise->values : std::nullopt, a.gamma, a.beta,
        a.mean, a.std);
  check_noise_is_given(a, groups);
}

// The statistics over all ranks first; then noise, scale and activation as for stored statistics.
NormaliseResult normalise_over(const at::Tensor& x, const NormaliseArguments& a) {
  std::vector<int64_t> rows;
  for (const auto& group : a.groups) {
    rows.push_back(group.rows);
  }
  auto measured = standardise_over(a.ranks, x, rows);
  auto rest = a;
  rest.ranks = nullptr;
  const auto options = x.options().requires_grad(false);
  rest.mean = at::zeros({x.size(1)}, options);
  rest.std = at::ones({x.size(1)}, options);
  auto result = normalise(measured.x, rest);
  result.mean = std::move(measured.mean);
  result.std = std::move(measured.std);
  return result;
}

}  // namespace

NormaliseResult normalise(const at::Tensor& x, const NormaliseArguments& a) {
  if (several(a.ranks) && !a.mean) {
    check(x, a);
    return normalise_over(x, a);
  }
  if (!has_normalise_kernel(x, a.groups.size())) {
    return reference::normalise(x, a);
  }
  const Groups groups(a);
  check_noise_is_given(a, groups);
  const auto noise = a.noise.value_or(NoiseDraw{});
  auto [h, z, mean, std] = Operator<NormaliseCall>::call(
      {.x = x,
       .rows = groups.rows,
       .noise_std = groups.noise_std,
       .noise = noise.values ? OptionalTensor(noise.values->to(x.options())) : std::nullopt,
       .seed = static_cast<int64_t>(noise.seed),
       .offset = static_cast<int64_t>(noise.offset),
       .position = noise.position,
       .gamma = a.gamma,
       .beta = a.beta,
       .activation = static_cast<int64_t>(a.activation),
       .leaky_slope = a.leaky_slope,
       .mean = a.mean,
       .std = a.std,
       .keep_z = a.keep_z});
  return {std::move(h), std::move(z), std::move(mean), std::move(std)};
}

namespace reference {

at::Tensor activate(const at::Tensor& a, Activation activation, double leaky_slope) {
  switch (activation) {
    case Activation::kIdentity:
      return a;
    case Activation::kRelu:
      return at::relu(a);
    case Activation::kLeakyRelu:
      return at::leaky_relu(a, leaky_slope);
    case Activation::kTanh:
      return at::tanh(a);
    case Activation::kGelu:
      return at::gelu(a);
  }
  TORCH_INTERNAL_ASSERT(false, "unknown activation");
}

NormaliseResult normalise(const at::Tensor& x, const NormaliseArguments& a) {
  check(x, a);
  const auto cols = x.size(1);
  int64_t noisy_rows = 0;
  for (const auto& group : a.groups) {
    noisy_rows += group.noise_std != 0 ? group.rows : 0;
  }
  at::Tensor noise;
  if (noisy_rows > 0) {
    noise = standard_normal(*a.noise, noisy_rows, cols, x.options());
  }
  NormaliseResult result;
  std::vector<at::Tensor> means, stds;
  int64_t row = 0;
  int64_t noise_row = 0;
  for (const auto& group : a.groups) {
    const auto part = x.narrow(0, row, group.rows);  // [rows, C]
    const auto moments = a.mean ? Moments{a.mean->detach(), a.std->detach()} : moments_of(part);
    means.push_back(moments.mean);
    stds.push_back(moments.std);
    auto z = (part - means.back()) / stds.back();
    if (group.noise_std != 0) {
      z = z + noise.narrow(0, noise_row, group.rows).reshape({group.rows, cols}) * group.noise_std;
      noise_row += group.rows;
    }
    result.z.push_back(z);
    row += group.rows;
  }
  auto h = at::cat(result.z);
  if (a.beta) {
    h = h + *a.beta;
  }
  if (a.gamma) {
    h = h * *a.gamma;
  }
  result.h = activate(h, a.activation, a.leaky_slope);
  result.mean = at::stack(means);
  result.std = at::stack(stds);
  if (!a.keep_z) {
    result.z.clear();
  }
  return result;
}

}  // namespace reference

TORCH_LIBRARY_FRAGMENT(ladder, m) {
  m.def(NormaliseCall::kSchema);
  m.def(kNormaliseForwardSchema);
  m.def(kNormaliseBackwardSchema);
}
TORCH_LIBRARY_IMPL(ladder, CPU, m) {
  m.impl("normalise", Operator<NormaliseCall>::unpacked<normalise_kernel>);
  m.impl("normalise_forward", Operator<NormaliseForwardCall>::unpacked<normalise_forward_kernel>);
  m.impl("normalise_backward",
         Operator<NormaliseBackwardCall>::unpacked<normalise_backward_kernel>);
}
TORCH_LIBRARY_IMPL(ladder, Meta, m) {
  m.impl("normalise_forward", Operator<NormaliseForwardCall>::unpacked<normalise_forward_shapes>);
  m.impl("normalise_backward",
         Operator<NormaliseBackwardCall>::unpacked<normalise_backward_shapes>);
}
TORCH_LIBRARY_IMPL(ladder, AutogradCPU, m) {
  m.impl("normalise", Operator<NormaliseCall>::unpacked<normalise_autograd>);
}
#ifdef LADDER_CUDA
TORCH_LIBRARY_IMPL(ladder, CUDA, m) {
  m.impl("normalise", Operator<NormaliseCall>::unpacked<normalise_kernel>);
  m.impl("normalise_forward", Operator<NormaliseForwardCall>::unpacked<normalise_forward_kernel>);
  m.impl("normalise_backward",
         Operator<NormaliseBackwardCall>::unpacked<normalise_backward_kernel>);
}
TORCH_LIBRARY_IMPL(ladder, AutogradCUDA, m) {
  m.impl("normalise", Operator<NormaliseCall>::unpacked<normalise_autograd>);
}
#endif
TORCH_LIBRARY_IMPL(ladder, CompositeImplicitAutograd, m) {
  m.impl("normalise", Operator<NormaliseCall>::unpacked<normalise_composite>);
}

}  // namespace ladder::ops
