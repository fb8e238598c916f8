#include "ladder/ops/denoise.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <numeric>
#include <tuple>
#include <vector>

#include "ladder/ops/internal/alias.h"
#include "ladder/ops/internal/elements.h"
#include "ladder/ops/kernels/cpu/run.h"
#include "ladder/ops/kernels/cuda/run.h"
#include "ladder/ops/normalise.h"

namespace ladder::ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using DenoiseTensors = std::tuple<at::Tensor, at::Tensor>;
using OptionalTensor = std::optional<at::Tensor>;

at::Tensor dense(const at::Tensor& t) { return t.contiguous(); }
at::Tensor dense(const OptionalTensor& t) {
  return t && t->defined() ? t->contiguous() : at::Tensor();
}

// A denoising function as the operator's schema has it: its number, and what a perceptron needs.
struct FunctionForm {
  int64_t number = 0;
  std::vector<int64_t> hidden = {};
  bool augmented = false;
  double slope = 0;
};

constexpr int64_t kMlpNumber = 3;

FunctionForm form_of(const DenoisingFunction& function) {
  if (const auto* fixed = std::get_if<CombinatorFunction>(&function)) {
    return {.number = static_cast<int64_t>(*fixed)};
  }
  const auto& mlp = std::get<MlpFunction>(function);
  return {kMlpNumber, mlp.hidden, mlp.augmented, mlp.leaky_slope};
}

DenoisingFunction function_of(const FunctionForm& form) {
  if (form.number != kMlpNumber) {
    return static_cast<CombinatorFunction>(form.number);
  }
  return MlpFunction{form.hidden, form.augmented, form.slope};
}

cpu::CombinatorKind kind_of(const FunctionForm& form) {
  static_assert(kMlpNumber == static_cast<int64_t>(cpu::CombinatorKind::kMlp));
  return static_cast<cpu::CombinatorKind>(form.number);
}

cpu::MlpShape shape_of(const FunctionForm& form) {
  cpu::MlpShape shape;
  if (form.number == kMlpNumber) {
    shape.inputs = form.augmented ? 3 : 2;
    shape.slope = form.slope;
    shape.parameters = static_cast<int32_t>(parameter_count(function_of(form)));
    for (const auto units : form.hidden) {
      shape.units[shape.layers++] = static_cast<int32_t>(units);
    }
  }
  return shape;
}

bool fits_kernel(const DenoisingFunction& function) {
  const auto* mlp = std::get_if<MlpFunction>(&function);
  if (mlp == nullptr) {
    return true;
  }
  const auto units = std::accumulate(mlp->hidden.begin(), mlp->hidden.end(), int64_t{3});
  return mlp->hidden.size() <= cpu::kMostMlpLayers && units <= cpu::kMostMlpUnits &&
         parameter_count(function) <= cpu::kMostMlpParameters;
}

struct RawDenoised {
  at::Tensor z_hat, cost, u_mean, u_std;
};

RawDenoised forward_kernel(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                           const FunctionForm& form, const at::Tensor& target,
                           const at::Tensor& mean, const at::Tensor& std) {
  const auto rows = u.size(0);
  const auto cols = u.size(1);
  RawDenoised raw{
      at::empty_like(u), {}, at::empty({cols}, u.options()), at::empty({cols}, u.options())};
  raw.cost = at::empty({}, u.options());
  with_element(u, [&]<class T>(T*) {
    cpu::DenoiseForward<T> args{.z_noisy = data_or_null<T>(z_noisy),
                                .u = data_or_null<T>(u),
                                .rows = rows,
                                .cols = cols,
                                .combinator = kind_of(form),
                                .mlp = shape_of(form),
                                .weight = data_or_null<T>(weight),
                                .eps = kVarianceEpsilon,
                                .target = data_or_null<T>(target),
                                .target_mean = data_or_null<T>(mean),
                                .target_std = data_or_null<T>(std),
                                .u_mean = mutable_data_or_null<T>(raw.u_mean),
                                .u_std = mutable_data_or_null<T>(raw.u_std),
                                .z_hat = mutable_data_or_null<T>(raw.z_hat),
                                .cost = nullptr};
    if constexpr (kForCuda<T>) {
      if (u.is_cuda()) {
        return cuda::run(args, raw.cost);
      }
    }
    if constexpr (kForCpu<T>) {
      std::vector<double> cost(static_cast<size_t>(cols));
      args.cost = cost.data();
      cpu::run(args);
      const double total = std::accumulate(cost.begin(), cost.end(), 0.0);
      raw.cost.fill_(total / static_cast<double>(rows * cols));
    }
  });
  return raw;
}

class DenoiseFunction : public torch::autograd::Function<DenoiseFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& z_noisy, const at::Tensor& u,
                               const at::Tensor& weight, const FunctionForm& form,
                               const OptionalTensor& target, const OptionalTensor& mean,
                               const OptionalTensor& std) {
    const auto z_dense = dense(z_noisy);
    const auto u_dense = dense(u);
    const auto weight_dense = dense(weight);
    const auto target_dense = dense(target);
    const auto mean_dense = dense(mean);
    const auto std_dense = dense(std);
    const auto raw =
        forward_kernel(z_dense, u_dense, weight_dense, form, target_dense, mean_dense, std_dense);
    ctx->set_materialize_grads(false);
    ctx->saved_data["number"] = form.number;
    ctx->saved_data["hidden"] = form.hidden;
    ctx->saved_data["augmented"] = form.augmented;
    ctx->saved_data["slope"] = form.slope;
    ctx->save_for_backward({z_dense, u_dense, weight_dense, target_dense, mean_dense, std_dense,
                            raw.u_mean, raw.u_std, raw.z_hat});
    return {raw.z_hat, raw.cost};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "denoise: the gradient of a gradient is not supported by the fused operator "
                "(use ops::reference::denoise where you need it).");
    const auto saved = ctx->get_saved_variables();
    const auto& u = saved[1];
    const auto& weight = saved[2];
    const FunctionForm form{
        ctx->saved_data["number"].toInt(), ctx->saved_data["hidden"].toIntVector(),
        ctx->saved_data["augmented"].toBool(), ctx->saved_data["slope"].toDouble()};
    const auto rows = u.size(0);
    const auto cols = u.size(1);
    const auto grad_z_hat = grads[0].defined() ? grads[0].contiguous() : at::Tensor();
    const bool costed = saved[3].defined() && grads[1].defined();
    const auto grad_z_noisy = at::empty_like(u);
    const auto grad_u = at::empty_like(u);
    const auto grad_weight = at::empty_like(weight);
    at::Tensor grad_target, grad_mean, grad_std;
    if (costed && ctx->needs_input_grad(3)) {  // counted over tensors alone
      grad_target = at::empty_like(u);
    }
    if (costed && saved[4].defined()) {
      grad_mean = at::empty_like(saved[4]);
      grad_std = at::empty_like(saved[5]);
    }
    with_element(u, [&]<class T>(T*) {
      cpu::DenoiseBackward<T> args{.z_noisy = data_or_null<T>(saved[0]),
                                   .u = data_or_null<T>(u),
                                   .z_hat = data_or_null<T>(saved[8]),
                                   .rows = rows,
                                   .cols = cols,
                                   .combinator = kind_of(form),
                                   .mlp = shape_of(form),
                                   .weight = data_or_null<T>(weight),
                                   .target = costed ? data_or_null<T>(saved[3]) : nullptr,
                                   .target_mean = data_or_null<T>(saved[4]),
                                   .target_std = data_or_null<T>(saved[5]),
                                   .u_mean = data_or_null<T>(saved[6]),
                                   .u_std = data_or_null<T>(saved[7]),
                                   .grad_z_hat = data_or_null<T>(grad_z_hat),
                                   .grad_cost = 0,
                                   .grad_z_noisy = mutable_data_or_null<T>(grad_z_noisy),
                                   .grad_u = mutable_data_or_null<T>(grad_u),
                                   .grad_weight = mutable_data_or_null<T>(grad_weight),
                                   .grad_target = mutable_data_or_null<T>(grad_target),
                                   .grad_target_mean = mutable_data_or_null<T>(grad_mean),
                                   .grad_target_std = mutable_data_or_null<T>(grad_std)};
      if constexpr (kForCuda<T>) {
        if (u.is_cuda()) {
          return cuda::run(args, u, costed ? grads[1] : at::Tensor());
        }
      }
      if constexpr (kForCpu<T>) {
        args.grad_cost = costed ? grads[1].item<double>() / static_cast<double>(rows * cols) : 0.0;
        cpu::run(args);
      }
    });
    return {grad_z_noisy, grad_u, grad_weight, at::Tensor(), grad_target, grad_mean, grad_std};
  }
};

std::optional<DenoisingTarget> make_target(const OptionalTensor& target, const OptionalTensor& mean,
                                           const OptionalTensor& std) {
  if (!target) {
    return std::nullopt;
  }
  return DenoisingTarget{*target, mean, std};
}

DenoiseTensors denoise_composite(const at::Tensor& z_noisy, const at::Tensor& u,
                                 const at::Tensor& weight, int64_t combinator,
                                 at::IntArrayRef hidden, bool augmented, double slope,
                                 const OptionalTensor& target, const OptionalTensor& mean,
                                 const OptionalTensor& std) {
  auto result = reference::denoise(z_noisy, u, weight,
                                   function_of({combinator, hidden.vec(), augmented, slope}),
                                   make_target(target, mean, std));
  return {result.z_hat, result.cost.defined() ? result.cost : at::zeros({}, u.options())};
}

// Calls by name come without the choice that `denoise` makes.
bool has_cuda_kernel(const at::Tensor& u, int64_t combinator) {
  return has_kernel(u) && combinator != kMlpNumber;
}

DenoiseTensors denoise_autograd(const at::Tensor& z_noisy, const at::Tensor& u,
                                const at::Tensor& weight, int64_t combinator,
                                at::IntArrayRef hidden, bool augmented, double slope,
                                const OptionalTensor& target, const OptionalTensor& mean,
                                const OptionalTensor& std) {
  if (u.is_cuda() && !has_cuda_kernel(u, combinator)) {
    return denoise_composite(z_noisy, u, weight, combinator, hidden, augmented, slope, target, mean,
                             std);
  }
  const FunctionForm form{combinator, hidden.vec(), augmented, slope};
  auto outputs = DenoiseFunction::apply(z_noisy, u, weight, form, target, mean, std);
  return {outputs[0], outputs[1]};
}

DenoiseTensors denoise_kernel(const at::Tensor& z_noisy, const at::Tensor& u,
                              const at::Tensor& weight, int64_t combinator, at::IntArrayRef hidden,
                              bool augmented, double slope, const OptionalTensor& target,
                              const OptionalTensor& mean, const OptionalTensor& std) {
  if (u.is_cuda() && !has_cuda_kernel(u, combinator)) {
    return denoise_composite(z_noisy, u, weight, combinator, hidden, augmented, slope, target, mean,
                             std);
  }
  const auto raw = forward_kernel(dense(z_noisy), dense(u), dense(weight),
                                  {combinator, hidden.vec(), augmented, slope}, dense(target),
                                  dense(mean), dense(std));
  return {raw.z_hat, raw.cost};
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
    TORCH_CHECK(!*statistic || (*statistic)->numel() == z_hat.size(1), op,
                ": expected target statistics [", z_hat.size(1), "] but got ",
                (*statistic)->sizes(), ".");
    if (*statistic) {
      check_like(**statistic, z_hat, op);
    }
  }
}

void check(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
           const DenoisingFunction& function, const std::optional<DenoisingTarget>& target) {
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

}  // namespace

int64_t parameter_count(const DenoisingFunction& function) {
  if (const auto* fixed = std::get_if<CombinatorFunction>(&function)) {
    return *fixed == CombinatorFunction::kVanilla ? cpu::kVanillaParameters
                                                  : cpu::kGaussianParameters;
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
  check(z_noisy, u, weight, function, target);
  const bool is_mlp = std::holds_alternative<MlpFunction>(function);
  if (!has_kernel(u) || !fits_kernel(function) || (u.is_cuda() && is_mlp)) {
    return reference::denoise(z_noisy, u, weight, function, target);
  }
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("ladder::denoise", "")
          .typed<DenoiseTensors(const at::Tensor&, const at::Tensor&, const at::Tensor&, int64_t,
                                at::IntArrayRef, bool, double, const OptionalTensor&,
                                const OptionalTensor&, const OptionalTensor&)>();
  const auto form = form_of(function);
  auto [z_hat, cost] =
      op.call(z_noisy, u, weight, form.number, form.hidden, form.augmented, form.slope,
              target ? OptionalTensor(target->z) : std::nullopt,
              target ? target->mean : std::nullopt, target ? target->std : std::nullopt);
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

}  // namespace

at::Tensor combine(const at::Tensor& z, const at::Tensor& u, const at::Tensor& weight,
                   const DenoisingFunction& function) {
  if (const auto* mlp = std::get_if<MlpFunction>(&function)) {
    return combine_mlp(z, u, weight, *mlp);
  }
  const auto w = weight.unbind(0);
  if (std::get<CombinatorFunction>(function) == CombinatorFunction::kVanilla) {
    const auto zu = z * u;
    return w[0] + w[1] * z + w[2] * u + w[3] * zu +
           w[4] * at::sigmoid(w[5] + w[6] * z + w[7] * u + w[8] * zu);
  }
  const auto mu = w[0] * at::sigmoid(w[1] * u + w[2]) + w[3] * u + w[4];
  auto v = w[5] * at::sigmoid(w[6] * u + w[7]) + w[8] * u + w[9];
  if (std::get<CombinatorFunction>(function) == CombinatorFunction::kGaussianSigmoid) {
    v = at::sigmoid(v);
  }
  return (z - mu) * v + mu;
}

DenoiseResult denoise(const at::Tensor& z_noisy, const at::Tensor& u, const at::Tensor& weight,
                      const DenoisingFunction& function,
                      const std::optional<DenoisingTarget>& target) {
  check(z_noisy, u, weight, function, target);
  const auto mean = u.mean(0);
  const auto std = (u - mean).square().mean(0).add(kVarianceEpsilon).sqrt();
  DenoiseResult result{combine(z_noisy, (u - mean) / std, weight, function), {}};
  if (target) {
    result.cost = denoising_cost(result.z_hat, *target);
  }
  return result;
}

}  // namespace reference

TORCH_LIBRARY_FRAGMENT(ladder, m) {
  m.def(
      "denoise(Tensor z_noisy, Tensor u, Tensor weight, int combinator, int[] mlp_hidden, "
      "bool mlp_augmented, float mlp_slope, Tensor? target, Tensor? target_mean, "
      "Tensor? target_std) -> (Tensor z_hat, Tensor cost)");
}
TORCH_LIBRARY_IMPL(ladder, CPU, m) { m.impl("denoise", denoise_kernel); }
TORCH_LIBRARY_IMPL(ladder, AutogradCPU, m) { m.impl("denoise", denoise_autograd); }
#ifdef LADDER_CUDA
TORCH_LIBRARY_IMPL(ladder, CUDA, m) { m.impl("denoise", denoise_kernel); }
TORCH_LIBRARY_IMPL(ladder, AutogradCUDA, m) { m.impl("denoise", denoise_autograd); }
#endif
TORCH_LIBRARY_IMPL(ladder, CompositeImplicitAutograd, m) { m.impl("denoise", denoise_composite); }

}  // namespace ladder::ops
