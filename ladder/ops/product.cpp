#include "ladder/ops/product.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

#include "ladder/ops/internal/autograd.h"
#include "ladder/ops/internal/tensor_float32.h"
#include "ladder/ops/internal/traced.h"
#include "ladder/ops/kernels/cpu/columns.h"

#ifdef LADDER_KERNELS_X86
#include <cpuid.h>
#endif

namespace ladder::ops {
namespace {

using OneDnnLinear = at::Tensor(const at::Tensor&, const at::Tensor&,
                                const std::optional<at::Tensor>&, c10::string_view,
                                c10::List<std::optional<at::Scalar>>,
                                std::optional<c10::string_view>);

const std::optional<c10::TypedOperatorHandle<OneDnnLinear>>& onednn_linear() {
  static const auto handle = []() -> std::optional<c10::TypedOperatorHandle<OneDnnLinear>> {
    auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!at::globalContext().hasMKLDNN() || !schema.has_value() ||
        !schema->hasKernelForDispatchKey(c10::DispatchKey::CPU)) {
      return std::nullopt;
    }
    return schema->typed<OneDnnLinear>();
  }();
  return handle;
}

at::Tensor multiply_by(const cpu::ProductKernel& kernel, const at::Tensor& x,
                       const at::Tensor& weight) {
  const auto rows = x.size(0);
  const auto columns = weight.size(0);
  const auto out = at::empty({rows, columns}, x.options());
  cpu::multiply({.a = {x.const_data_ptr<float>(), x.stride(0), x.stride(1)},
                 .b = {weight.const_data_ptr<float>(), weight.stride(0), weight.stride(1)},
                 .rows = rows,
                 .columns = columns,
                 .depth = x.size(1),
                 .c = out.mutable_data_ptr<float>(),
                 .c_row = columns},
                kernel);
  return out;
}

at::Tensor multiply_bfloat16(ProductRoute route, const at::Tensor& x, const at::Tensor& weight) {
  if (route == ProductRoute::kLadder) {
    return multiply_by(cpu::bfloat16_product(), x, weight);
  }
  return at::mm(x.to(at::kBFloat16), weight.to(at::kBFloat16).t()).to(at::kFloat);
}

// x weight^T by one route; both operands may be transposed views.
at::Tensor multiply(ProductRoute route, ProductPrecision precision, const at::Tensor& x,
                    const at::Tensor& weight) {
  if (precision == ProductPrecision::kBFloat16) {
    return multiply_bfloat16(route, x, weight);
  }
  static const c10::List<std::optional<at::Scalar>> kNoScalars;
  switch (route) {
    case ProductRoute::kAten:
      return at::mm(x, weight.t());
    case ProductRoute::kOneDnn:
      return onednn_linear()->call(x, weight, std::nullopt, "none", kNoScalars, "");
    case ProductRoute::kLadder:
      return multiply_by(cpu::kernels().product, x, weight);
  }
  TORCH_INTERNAL_ASSERT(false, "unknown product route");
}

double time_route(ProductRoute route, ProductPrecision precision) {
  const at::NoGradGuard no_grad;
  double total = 0;
  // A forward product, an input gradient and a weight gradient of a middle-sized level.
  const auto x = at::ones({300, 1000});
  const auto weight = at::ones({500, 1000});
  const auto grad = at::ones({300, 500});
  const std::array<std::pair<at::Tensor, at::Tensor>, 3> products = {
      {{x, weight}, {grad, weight.t()}, {grad.t(), x.t()}}};
  for (const auto& [a, b] : products) {
    double best = std::numeric_limits<double>::infinity();
    for (int i = 0; i < 8; ++i) {
      const auto start = std::chrono::steady_clock::now();
      multiply(route, precision, a, b);
      best = std::min(
          best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    total += best;
  }
  return total;
}

constexpr std::array<const char*, 3> kRouteNames = {"aten", "onednn", "ladder"};
constexpr std::array<const char*, 3> kPrecisionNames = {"float32", "bfloat16", "tf32"};

// Near a tie the library's own kernel is taken, whose results do not depend on the threads.
constexpr double kLadderAdvantage = 0.95;

thread_local std::optional<ProductPlan> t_plan;  // of the innermost scope

// The plan of a forward pass during its backward pass, on whatever thread that runs. Without a
// scope around the forward pass, LibTorch's TF32 settings are the caller's and stay.
class BackwardPlan {
 public:
  BackwardPlan(const ProductPlan& plan, bool scoped) : before_(t_plan) {
    if (scoped) {
      scope_.emplace(plan);
    } else {
      t_plan = plan;
    }
  }
  BackwardPlan(const BackwardPlan&) = delete;
  BackwardPlan& operator=(const BackwardPlan&) = delete;
  ~BackwardPlan() {
    scope_.reset();
    t_plan = before_;
  }

 private:
  std::optional<ProductPlan> before_;
  std::optional<ProductScope> scope_;
};

// AMX multiplies tiles of bfloat16 many times as fast as vectors do; the system has to allow it.
bool has_amx_bfloat16() {
#ifdef LADDER_KERNELS_X86
  constexpr unsigned kSystemSavesState = 1U << 27;
  constexpr unsigned kAmxBFloat16 = 1U << 22;
  constexpr unsigned kTiles = 3U << 17;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSystemSavesState) == 0) return false;
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kTiles) == kTiles && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 &&
         (d & kAmxBFloat16) != 0;
#else
  return false;
#endif
}

ProductRoute fastest_route(ProductPrecision precision) {
  auto fastest = ProductRoute::kAten;
  double least = std::numeric_limits<double>::infinity();
  for (const auto route : available_product_routes()) {
    if (precision == ProductPrecision::kBFloat16 && route == ProductRoute::kOneDnn) {
      continue;  // as kAten there
    }
    double seconds = time_route(route, precision);
    if (route == ProductRoute::kLadder) {
      seconds *= kLadderAdvantage;
    }
    if (seconds < least) {
      least = seconds;
      fastest = route;
    }
  }
  return fastest;
}

at::Tensor product_cuda(const ProductPlan& plan, const at::Tensor& x, const at::Tensor& weight) {
  if (x.scalar_type() == at::kFloat && plan.precision == ProductPrecision::kBFloat16) {
    return at::mm(x.to(at::kBFloat16), weight.to(at::kBFloat16).t(), at::kFloat);
  }
  return at::mm(x, weight.t());
}

at::Tensor product(const ProductPlan& plan, const at::Tensor& x, const at::Tensor& weight) {
  if (x.is_cuda()) {
    return product_cuda(plan, x, weight);
  }
  const bool empty = x.numel() == 0 || weight.numel() == 0;  // oneDNN refuses those
  if (x.scalar_type() != at::kFloat || empty) {
    return at::mm(x, weight.t());
  }
  return multiply(plan.route, plan.precision, x, weight);
}

// A plan in one number, which a step saves and reads in less time than a struct.
int64_t packed(const ProductPlan& plan, bool scoped) {
  return static_cast<int64_t>(plan.precision) << 8 | static_cast<int64_t>(plan.route) << 1 |
         static_cast<int64_t>(scoped);
}

std::pair<ProductPlan, bool> unpacked(int64_t number) {
  return {
      {static_cast<ProductPrecision>(number >> 8), static_cast<ProductRoute>(number >> 1 & 0x7F)},
      (number & 1) != 0};
}

// The operands of a product, or their gradients.
struct LinearInputs {
  at::Tensor x, weight;

  auto fields() { return std::tie(x, weight); }
};

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& weight) {
    const auto plan = product_plan();
    ctx->save_for_backward(to_list(LinearInputs{x, weight}));
    ctx->saved_data["plan"] = packed(plan, t_plan.has_value());
    return product(plan, x, weight);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto [plan, scoped] = unpacked(ctx->saved_data["plan"].toInt());
    const BackwardPlan during(plan, scoped);
    const auto in = from_list<LinearInputs>(ctx->get_saved_variables());
    const auto& grad = grads[0];
    // linear, and not product, where a graph of the gradient is wanted.
    const auto by = [&, plan = plan](const at::Tensor& a, const at::Tensor& b) {
      return at::GradMode::is_enabled() ? ops::linear(a, b) : product(plan, a, b);
    };
    return to_list(
        LinearInputs{.x = ctx->needs_input_grad(0) ? by(grad, in.weight.t()) : at::Tensor(),
                     .weight = ctx->needs_input_grad(1) ? by(grad.t(), in.x.t()) : at::Tensor()});
  }
};

void check_linear(const at::Tensor& x, const at::Tensor& weight) {
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 2,
              "linear: expected x [R, K] and weight [C, K] but got ", x.sizes(), " and ",
              weight.sizes(), ".");
  TORCH_CHECK(x.size(1) == weight.size(1), "linear: expected rows of ", weight.size(1),
              " values but got ", x.size(1), ".");
  TORCH_CHECK(x.scalar_type() == weight.scalar_type() && x.device() == weight.device(),
              "linear: expected a weight in ", x.scalar_type(), " on ", x.device(),
              " like x but got ", weight.scalar_type(), " on ", weight.device(), ".");
}

at::Tensor linear_kernel(const at::Tensor& x, const at::Tensor& weight) {
  check_linear(x, weight);
  return product(product_plan(), x, weight);
}

at::Tensor linear_autograd(const at::Tensor& x, const at::Tensor& weight) {
  if (is_traced(x)) return at::linear(x, weight);  // what records it may choose the product
  check_linear(x, weight);
  return LinearFunction::apply(x, weight);
}

at::Tensor linear_composite(const at::Tensor& x, const at::Tensor& weight) {
  check_linear(x, weight);
  return at::linear(x, weight);
}

}  // namespace

std::string to_string(ProductRoute route) { return kRouteNames[static_cast<size_t>(route)]; }

ProductRoute product_route_from_string(const std::string& name) {
  const auto found = std::find(kRouteNames.begin(), kRouteNames.end(), name);
  TORCH_CHECK(found != kRouteNames.end(), "ProductRoute: expected aten, onednn or ladder but got '",
              name, "'.");
  return static_cast<ProductRoute>(found - kRouteNames.begin());
}

std::string to_string(ProductPrecision precision) {
  return kPrecisionNames[static_cast<size_t>(precision)];
}

ProductPrecision product_precision_from_string(const std::string& name) {
  const auto found = std::find(kPrecisionNames.begin(), kPrecisionNames.end(), name);
  TORCH_CHECK(found != kPrecisionNames.end(),
              "ProductPrecision: expected float32, bfloat16 or tf32 but got '", name, "'.");
  return static_cast<ProductPrecision>(found - kPrecisionNames.begin());
}

std::vector<ProductRoute> available_product_routes() {
  std::vector<ProductRoute> routes = {ProductRoute::kAten};
  if (onednn_linear()) {
    routes.push_back(ProductRoute::kOneDnn);
  }
  routes.push_back(ProductRoute::kLadder);
  return routes;
}

std::string to_string(const ProductPlan& plan) {
  return to_string(plan.precision) + " products by " + to_string(plan.route);
}

ProductPlan default_product_plan(ProductPrecision precision) {
  static const bool amx = has_amx_bfloat16();
  const bool by_amx = amx && precision == ProductPrecision::kBFloat16;
  return {precision,
          cpu::has_wide_kernels() && !by_amx ? ProductRoute::kLadder : ProductRoute::kAten};
}

ProductPlan fastest_product_plan(ProductPrecision precision) {
  return {precision, fastest_route(precision)};
}

ProductPlan product_plan() {
  static const auto plan = default_product_plan();
  return t_plan.value_or(plan);
}

ProductScope::ProductScope(const ProductPlan& plan) : before_(t_plan) {
  TORCH_CHECK(plan.route != ProductRoute::kOneDnn || onednn_linear(),
              "ProductScope: expected the route aten or ladder but got onednn, which this LibTorch "
              "was built without.");
  static const bool has_cuda = at::globalContext().hasCUDA();
  if (has_cuda) {
    tensor_float32_ =
        std::make_unique<TensorFloat32Scope>(plan.precision == ProductPrecision::kTensorFloat32);
  }
  t_plan = plan;  // last: no plan stays where a scope was not made
}

ProductScope::~ProductScope() { t_plan = before_; }

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("ladder::linear", "")
                             .typed<at::Tensor(const at::Tensor&, const at::Tensor&)>();
  return op.call(x, weight);
}

TORCH_LIBRARY_FRAGMENT(ladder, m) { m.def("linear(Tensor x, Tensor weight) -> Tensor"); }
TORCH_LIBRARY_IMPL(ladder, CPU, m) { m.impl("linear", linear_kernel); }
TORCH_LIBRARY_IMPL(ladder, CUDA, m) { m.impl("linear", linear_kernel); }
TORCH_LIBRARY_IMPL(ladder, AutogradCPU, m) { m.impl("linear", linear_autograd); }
TORCH_LIBRARY_IMPL(ladder, AutogradCUDA, m) { m.impl("linear", linear_autograd); }
TORCH_LIBRARY_IMPL(ladder, CompositeImplicitAutograd, m) { m.impl("linear", linear_composite); }

}  // namespace ladder::ops
