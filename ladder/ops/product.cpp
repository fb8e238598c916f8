#include "ladder/ops/product.h"

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <limits>
#include <mutex>
#include <optional>

#include "ladder/ops/kernels/cpu/columns.h"

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

constexpr int kUnset = -1;
std::array<std::atomic<int>, 3> g_routes = {kUnset, kUnset, kUnset};  // by precision
std::atomic<ProductPrecision> g_precision{ProductPrecision::kFloat32};

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

at::Tensor product_cuda(const at::Tensor& x, const at::Tensor& weight) {
  if (x.scalar_type() == at::kFloat && product_precision() == ProductPrecision::kBFloat16) {
    return at::mm(x.to(at::kBFloat16), weight.to(at::kBFloat16).t(), at::kFloat);
  }
  return at::mm(x, weight.t());
}

at::Tensor product(const at::Tensor& x, const at::Tensor& weight) {
  if (x.is_cuda()) {
    return product_cuda(x, weight);
  }
  const bool empty = x.numel() == 0 || weight.numel() == 0;  // oneDNN refuses those
  if (x.scalar_type() != at::kFloat || empty) {
    return at::mm(x, weight.t());
  }
  return multiply(product_route(), product_precision(), x, weight);
}

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x,
                            const at::Tensor& weight) {
    ctx->save_for_backward({x, weight});
    return product(x, weight);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    const auto& grad = grads[0];
    if (at::GradMode::is_enabled()) {  // a graph of the gradient is wanted
      return {at::matmul(grad, saved[1]), at::matmul(grad.t(), saved[0])};
    }
    return {ctx->needs_input_grad(0) ? product(grad, saved[1].t()) : at::Tensor(),
            ctx->needs_input_grad(1) ? product(grad.t(), saved[0].t()) : at::Tensor()};
  }
};

at::Tensor linear_kernel(const at::Tensor& x, const at::Tensor& weight) {
  return product(x, weight);
}

at::Tensor linear_autograd(const at::Tensor& x, const at::Tensor& weight) {
  return LinearFunction::apply(x, weight);
}

at::Tensor linear_composite(const at::Tensor& x, const at::Tensor& weight) {
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

ProductRoute product_route() {
  const auto precision = product_precision();
  auto& route = g_routes[static_cast<size_t>(precision)];
  if (route == kUnset) {
    static std::array<std::once_flag, 3> measured;
    std::call_once(measured[static_cast<size_t>(precision)], [&] {
      int unset = kUnset;
      route.compare_exchange_strong(unset, static_cast<int>(fastest_route(precision)));
    });
  }
  return static_cast<ProductRoute>(route.load());
}

void set_product_route(ProductRoute route) {
  TORCH_CHECK(route != ProductRoute::kOneDnn || onednn_linear(),
              "set_product_route: expected aten or ladder but got onednn, which this LibTorch was "
              "built without.");
  for (auto& of_precision : g_routes) {
    of_precision = static_cast<int>(route);
  }
}

ProductPrecision product_precision() { return g_precision; }

void set_product_precision(ProductPrecision precision) {
  g_precision = precision;
  const bool rounded = precision == ProductPrecision::kTensorFloat32;
  at::globalContext().setAllowTF32CuBLAS(rounded);
  at::globalContext().setAllowTF32CuDNN(rounded);
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight) {
  TORCH_CHECK(x.dim() == 2 && weight.dim() == 2,
              "linear: expected x [R, K] and weight [C, K] but got ", x.sizes(), " and ",
              weight.sizes(), ".");
  TORCH_CHECK(x.size(1) == weight.size(1), "linear: expected rows of ", weight.size(1),
              " values but got ", x.size(1), ".");
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
