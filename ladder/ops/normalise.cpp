#include "ladder/ops/normalise.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <tuple>

#include "ladder/ops/internal/alias.h"
#include "ladder/ops/internal/elements.h"
#include "ladder/ops/kernels/cpu/run.h"
#include "ladder/ops/kernels/cuda/run.h"

namespace ladder {
namespace {

constexpr const char* kActivationNames[] = {"identity", "relu", "leaky-relu", "tanh", "gelu"};

}  // namespace

std::string to_string(Activation activation) {
  return kActivationNames[static_cast<int>(activation)];
}

Activation activation_from_string(const std::string& name) {
  for (int i = 0; i < 5; ++i) {
    if (name == kActivationNames[i]) {
      return static_cast<Activation>(i);
    }
  }
  TORCH_CHECK(false, "Activation: expected identity, relu, leaky-relu, tanh or gelu but got '",
              name, "'.");
}

namespace ops {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using NormaliseTensors = std::tuple<at::Tensor, std::vector<at::Tensor>, at::Tensor, at::Tensor>;
using OptionalTensor = std::optional<at::Tensor>;

OptionalTensor contiguous(const OptionalTensor& t) {
  return t && t->defined() ? OptionalTensor(t->contiguous()) : std::nullopt;
}

std::vector<cpu::GroupSpan> spans(at::IntArrayRef rows, at::ArrayRef<double> noise_std) {
  std::vector<cpu::GroupSpan> result;
  int64_t row = 0;
  int64_t noise_row = 0;
  for (size_t g = 0; g < rows.size(); ++g) {
    result.push_back({row, row + rows[g], noise_std[g], noise_row});
    row += rows[g];
    noise_row += noise_std[g] != 0 ? rows[g] : 0;
  }
  return result;
}

// The kernel of `args` on the device of x, which is [rows, cols].
template <template <class> class Arguments, class T>
void run_kernel(const Arguments<T>& args, const at::Tensor& x) {
  if constexpr (kForCuda<T>) {
    if (x.is_cuda()) {
      return cuda::run(args, x);
    }
  }
  if constexpr (kForCpu<T>) {
    cpu::run(args);
  }
}

NoiseDraw draw_of(const OptionalTensor& noise, int64_t seed, int64_t offset,
                  const OptionalTensor& position) {
  return {.seed = static_cast<uint64_t>(seed),
          .offset = static_cast<uint64_t>(offset),
          .values = noise,
          .position = position};
}

struct RawNormalised {  // what the kernel leaves; z over all rows, or undefined
  at::Tensor h, z, mean, std;
};

// Whether the slope of the activation shows in its value.
bool shows_slope(Activation activation, double slope) {
  return activation != Activation::kGelu && (activation != Activation::kLeakyRelu || slope > 0);
}

RawNormalised forward_kernel(const at::Tensor& x, at::IntArrayRef rows,
                             at::ArrayRef<double> noise_std, const NoiseDraw& noise,
                             const OptionalTensor& gamma, const OptionalTensor& beta,
                             int64_t activation, double slope, const OptionalTensor& mean,
                             const OptionalTensor& std, bool store_z) {
  const auto groups = spans(rows, noise_std);
  const auto group_count = static_cast<int64_t>(groups.size());
  const auto cols = x.size(1);
  const bool stored = mean.has_value();
  RawNormalised raw{at::empty_like(x), store_z ? at::empty_like(x) : at::Tensor(), {}, {}};
  raw.mean = stored ? mean->expand({group_count, cols}).contiguous()
                    : at::empty({group_count, cols}, x.options());
  raw.std = stored ? std->expand({group_count, cols}).contiguous()
                   : at::empty({group_count, cols}, x.options());
  with_element(x, [&]<class T>(T*) {
    const cpu::NormaliseForward<T> args{.x = data_or_null<T>(x),
                                        .cols = cols,
                                        .groups = groups.data(),
                                        .group_count = group_count,
                                        .noise = noise_of<T>(noise, x.is_cuda()),
                                        .gamma = data_or_null<T>(gamma),
                                        .beta = data_or_null<T>(beta),
                                        .activation = static_cast<cpu::ActivationKind>(activation),
                                        .slope = slope,
                                        .eps = kVarianceEpsilon,
                                        .stored = stored,
                                        .mean = mutable_data_or_null<T>(raw.mean),
                                        .std = mutable_data_or_null<T>(raw.std),
                                        .z = mutable_data_or_null<T>(raw.z),
                                        .h = mutable_data_or_null<T>(raw.h)};
    run_kernel(args, x);
  });
  return raw;
}

std::vector<at::Tensor> split_groups(const at::Tensor& z, at::IntArrayRef rows, bool wanted) {
  std::vector<at::Tensor> result;
  if (!wanted) {
    return result;
  }
  int64_t row = 0;
  for (const auto count : rows) {
    result.push_back(alias_rows(z, row, count));
    row += count;
  }
  return result;
}

NormaliseTensors normalise_composite(const at::Tensor& x, at::IntArrayRef rows,
                                     at::ArrayRef<double> noise_std, const OptionalTensor& noise,
                                     int64_t seed, int64_t offset, const OptionalTensor& position,
                                     const OptionalTensor& gamma, const OptionalTensor& beta,
                                     int64_t activation, double slope, const OptionalTensor& mean,
                                     const OptionalTensor& std, bool keep_z) {
  NormaliseArguments arguments{.noise = draw_of(noise, seed, offset, position),
                               .gamma = gamma,
                               .beta = beta,
                               .activation = static_cast<Activation>(activation),
                               .leaky_slope = slope,
                               .mean = mean,
                               .std = std,
                               .keep_z = keep_z};
  for (size_t g = 0; g < rows.size(); ++g) {
    arguments.groups.push_back({rows[g], noise_std[g]});
  }
  auto result = reference::normalise(x, arguments);
  return {result.h, result.z, result.mean, result.std};
}

bool has_cuda_kernel(const at::Tensor& x, size_t groups) {
  return has_kernel(x) && groups <= cuda::kMostGroups;
}

class NormaliseFunction : public torch::autograd::Function<NormaliseFunction> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, at::IntArrayRef rows,
                               at::ArrayRef<double> noise_std, const OptionalTensor& noise,
                               int64_t seed, int64_t offset, const OptionalTensor& position,
                               const OptionalTensor& gamma, const OptionalTensor& beta,
                               int64_t activation, double slope, const OptionalTensor& mean,
                               const OptionalTensor& std, bool keep_z) {
    const auto x_dense = x.contiguous();
    const auto gamma_dense = contiguous(gamma);
    const auto beta_dense = contiguous(beta);
    const bool by_h = !keep_z && !gamma_dense.has_value() &&
                      shows_slope(static_cast<Activation>(activation), slope);
    const auto raw = forward_kernel(
        x_dense, rows, noise_std, draw_of(contiguous(noise), seed, offset, position), gamma_dense,
        beta_dense, activation, slope, contiguous(mean), contiguous(std), !by_h);
    ctx->set_materialize_grads(false);
    ctx->save_for_backward({x_dense, raw.z, by_h ? raw.h : at::Tensor(), raw.mean, raw.std,
                            gamma_dense.value_or(at::Tensor()), beta_dense.value_or(at::Tensor())});
    ctx->saved_data["rows"] = rows;
    ctx->saved_data["noise_std"] = noise_std;
    ctx->saved_data["activation"] = activation;
    ctx->saved_data["slope"] = slope;
    ctx->saved_data["stored"] = mean.has_value();
    // The outputs mean and std must not be the saved tensors themselves.
    variable_list outputs = {raw.h, alias_rows(raw.mean, 0, raw.mean.size(0)),
                             alias_rows(raw.std, 0, raw.std.size(0))};
    for (auto& z : split_groups(raw.z, rows, keep_z)) {
      outputs.push_back(std::move(z));
    }
    return outputs;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(),
                "normalise: the gradient of a gradient is not supported by the fused operator "
                "(use ops::reference::normalise where you need it).");
    const auto saved = ctx->get_saved_variables();
    const auto& x = saved[0];
    const auto& gamma = saved[5];
    const auto& beta = saved[6];
    const auto rows = ctx->saved_data["rows"].toIntVector();
    const auto noise_std = ctx->saved_data["noise_std"].toDoubleVector();
    const auto groups = spans(rows, noise_std);
    for (auto& grad : grads) {
      grad = grad.defined() ? grad.contiguous() : grad;
    }
    const auto grad_x = at::empty_like(x);
    const auto grad_gamma = gamma.defined() ? at::empty_like(gamma) : at::Tensor();
    const auto grad_beta = beta.defined() ? at::empty_like(beta) : at::Tensor();
    with_element(x, [&]<class T>(T*) {
      std::vector<const T*> grad_z;
      for (size_t g = 0; g < groups.size(); ++g) {
        const auto place = 3 + g;  // beyond the gradients where z was not kept
        grad_z.push_back(place < grads.size() ? data_or_null<T>(grads[place]) : nullptr);
      }
      const cpu::NormaliseBackward<T> args{
          .x = data_or_null<T>(x),
          .z = data_or_null<T>(saved[1]),
          .h = data_or_null<T>(saved[2]),
          .mean = data_or_null<T>(saved[3]),
          .std = data_or_null<T>(saved[4]),
          .cols = x.size(1),
          .groups = groups.data(),
          .group_count = static_cast<int64_t>(groups.size()),
          .gamma = data_or_null<T>(gamma),
          .beta = data_or_null<T>(beta),
          .activation = static_cast<cpu::ActivationKind>(ctx->saved_data["activation"].toInt()),
          .slope = ctx->saved_data["slope"].toDouble(),
          .stored = ctx->saved_data["stored"].toBool(),
          .grad_h = data_or_null<T>(grads[0]),
          .grad_z = grad_z.data(),
          .grad_mean = data_or_null<T>(grads[1]),
          .grad_std = data_or_null<T>(grads[2]),
          .grad_x = mutable_data_or_null<T>(grad_x),
          .grad_gamma = mutable_data_or_null<T>(grad_gamma),
          .grad_beta = mutable_data_or_null<T>(grad_beta)};
      run_kernel(args, x);
    });
    const at::Tensor none;
    return {grad_x,     none,      none, none, none, none, none,
            grad_gamma, grad_beta, none, none, none, none, none};
  }
};

NormaliseTensors normalise_kernel(const at::Tensor& x, at::IntArrayRef rows,
                                  at::ArrayRef<double> noise_std, const OptionalTensor& noise,
                                  int64_t seed, int64_t offset, const OptionalTensor& position,
                                  const OptionalTensor& gamma, const OptionalTensor& beta,
                                  int64_t activation, double slope, const OptionalTensor& mean,
                                  const OptionalTensor& std, bool keep_z) {
  if (x.is_cuda() && !has_cuda_kernel(x, rows.size())) {  // called by name
    return normalise_composite(x, rows, noise_std, noise, seed, offset, position, gamma, beta,
                               activation, slope, mean, std, keep_z);
  }
  const auto raw = forward_kernel(x.contiguous(), rows, noise_std,
                                  draw_of(contiguous(noise), seed, offset, position),
                                  contiguous(gamma), contiguous(beta), activation, slope,
                                  contiguous(mean), contiguous(std), keep_z);
  return {raw.h, split_groups(raw.z, rows, keep_z), raw.mean, raw.std};
}

bool requires_grad(const OptionalTensor& t) { return t && t->requires_grad(); }

NormaliseTensors normalise_autograd(const at::Tensor& x, at::IntArrayRef rows,
                                    at::ArrayRef<double> noise_std, const OptionalTensor& noise,
                                    int64_t seed, int64_t offset, const OptionalTensor& position,
                                    const OptionalTensor& gamma, const OptionalTensor& beta,
                                    int64_t activation, double slope, const OptionalTensor& mean,
                                    const OptionalTensor& std, bool keep_z) {
  if (x.is_cuda() && !has_cuda_kernel(x, rows.size())) {  // called by name
    return normalise_composite(x, rows, noise_std, noise, seed, offset, position, gamma, beta,
                               activation, slope, mean, std, keep_z);
  }
  if (!at::GradMode::is_enabled() ||
      !(x.requires_grad() || requires_grad(gamma) || requires_grad(beta))) {
    const at::AutoDispatchBelowADInplaceOrView below;
    return normalise_kernel(x, rows, noise_std, noise, seed, offset, position, gamma, beta,
                            activation, slope, mean, std, keep_z);
  }
  auto outputs = NormaliseFunction::apply(x, rows, noise_std, noise, seed, offset, position, gamma,
                                          beta, activation, slope, mean, std, keep_z);
  return {outputs[0], {outputs.begin() + 3, outputs.end()}, outputs[1], outputs[2]};
}

void check(const at::Tensor& x, const NormaliseArguments& a) {
  TORCH_CHECK(x.dim() == 2, "normalise: expected x of shape [R, C] but got ", x.sizes(), ".");
  int64_t rows = 0;
  int64_t noisy_rows = 0;
  for (const auto& group : a.groups) {
    TORCH_CHECK(group.rows > 0, "normalise: expected groups of at least 1 row but got ", group.rows,
                ".");
    TORCH_CHECK(group.rows > 1 || a.mean,
                "normalise: expected groups of at least 2 rows to measure their statistics but got "
                "1 (a single row has no variance and would become 0).");
    TORCH_CHECK(group.noise_std >= 0, "normalise: expected noise_std >= 0 but got ",
                group.noise_std, ".");
    rows += group.rows;
    noisy_rows += group.noise_std != 0 ? group.rows : 0;
  }
  TORCH_CHECK(rows == x.size(0), "normalise: expected the groups to cover ", x.size(0),
              " rows but got ", rows, ".");
  TORCH_CHECK(noisy_rows == 0 || a.noise, "normalise: expected noise for ", noisy_rows,
              " noisy rows but got none (give the pass a NoiseSource).");
  if (a.noise && a.noise->values) {
    TORCH_CHECK(a.noise->values->numel() == noisy_rows * x.size(1), "normalise: expected noise [",
                noisy_rows, ", ", x.size(1), "] but got ", a.noise->values->sizes(), ".");
  }
  const auto check_vector = [&](const OptionalTensor& t, const char* name) {
    TORCH_CHECK(!t || (t->dim() == 1 && t->size(0) == x.size(1)), "normalise: expected ", name,
                " [", x.size(1), "] but got ", t->sizes(), ".");
    TORCH_CHECK(!t || t->scalar_type() == x.scalar_type(), "normalise: expected ", name,
                " of type ", x.scalar_type(), " but got ", t->scalar_type(), ".");
    TORCH_CHECK(!t || t->device() == x.device(), "normalise: expected ", name, " on ", x.device(),
                " but got it on ", t->device(), ".");
  };
  check_vector(a.gamma, "gamma");
  check_vector(a.beta, "beta");
  check_vector(a.mean, "a stored mean");
  check_vector(a.std, "a stored std");
  TORCH_CHECK(a.mean.has_value() == a.std.has_value(),
              "normalise: expected both stored mean and std or neither.");
}

}  // namespace

NormaliseResult normalise(const at::Tensor& x, const NormaliseArguments& a) {
  check(x, a);
  if (!has_kernel(x) || (x.is_cuda() && !has_cuda_kernel(x, a.groups.size()))) {
    return reference::normalise(x, a);
  }
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("ladder::normalise", "")
          .typed<NormaliseTensors(const at::Tensor&, at::IntArrayRef, at::ArrayRef<double>,
                                  const OptionalTensor&, int64_t, int64_t, const OptionalTensor&,
                                  const OptionalTensor&, const OptionalTensor&, int64_t, double,
                                  const OptionalTensor&, const OptionalTensor&, bool)>();
  c10::SmallVector<int64_t, 4> rows;
  c10::SmallVector<double, 4> noise_std;
  for (const auto& group : a.groups) {
    rows.push_back(group.rows);
    noise_std.push_back(group.noise_std);
  }
  const auto noise = a.noise.value_or(NoiseDraw{});
  const auto values = noise.values ? OptionalTensor(noise.values->to(x.options())) : std::nullopt;
  auto [h, z, mean, std] =
      op.call(x, rows, noise_std, values, static_cast<int64_t>(noise.seed),
              static_cast<int64_t>(noise.offset), noise.position, a.gamma, a.beta,
              static_cast<int64_t>(a.activation), a.leaky_slope, a.mean, a.std, a.keep_z);
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
    means.push_back(a.mean ? *a.mean : part.mean(0));
    stds.push_back(a.std ? *a.std
                         : (part - means.back()).square().mean(0).add(kVarianceEpsilon).sqrt());
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
  m.def(
      "normalise(Tensor x, int[] rows, float[] noise_std, Tensor? noise, int seed, int offset, "
      "Tensor? position, Tensor? gamma, Tensor? beta, int activation, float leaky_slope, "
      "Tensor? mean, Tensor? std, bool keep_z) -> (Tensor h, Tensor[] z, Tensor mean, Tensor std)");
}
TORCH_LIBRARY_IMPL(ladder, CPU, m) { m.impl("normalise", normalise_kernel); }
TORCH_LIBRARY_IMPL(ladder, AutogradCPU, m) { m.impl("normalise", normalise_autograd); }
#ifdef LADDER_CUDA
TORCH_LIBRARY_IMPL(ladder, CUDA, m) { m.impl("normalise", normalise_kernel); }
TORCH_LIBRARY_IMPL(ladder, AutogradCUDA, m) { m.impl("normalise", normalise_autograd); }
#endif
TORCH_LIBRARY_IMPL(ladder, CompositeImplicitAutograd, m) {
  m.impl("normalise", normalise_composite);
}

}  // namespace ops
}  // namespace ladder
