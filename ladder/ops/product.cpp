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

// x weight^T by one route; both operands may be transposed views.
at::Tensor multiply(ProductRoute route, const at::Tensor& x, const at::Tensor& weight) {
  if (route == ProductRoute::kAten) {
    return at::mm(x, weight.t());
  }
  static const c10::List<std::optional<at::Scalar>> kNoScalars;
  return onednn_linear()->call(x, weight, std::nullopt, "none", kNoScalars, "");
}

double time_route(ProductRoute route) {
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
      multiply(route, a, b);
      best = std::min(
          best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    total += best;
  }
  return total;
}

std::atomic<int> g_route{-1};
std::atomic<ProductPrecision> g_precision{ProductPrecision::kFloat32};

at::Tensor product(const at::Tensor& x, const at::Tensor& weight) {
  if (x.scalar_type() != at::kFloat) {
    return at::mm(x, weight.t());
  }
  if (g_precision == ProductPrecision::kBFloat16) {
    return at::mm(x.to(at::kBFloat16), weight.to(at::kBFloat16).t()).to(at::kFloat);
  }
  return multiply(product_route(), x, weight);
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

at::Tensor linear_cpu(const at::Tensor& x, const at::Tensor& weight) { return product(x, weight); }

at::Tensor linear_autograd(const at::Tensor& x, const at::Tensor& weight) {
  return LinearFunction::apply(x, weight);
}

at::Tensor linear_composite(const at::Tensor& x, const at::Tensor& weight) {
  return at::linear(x, weight);
}

}  // namespace

std::string to_string(ProductRoute route) {
  return route == ProductRoute::kAten ? "aten" : "onednn";
}

std::string to_string(ProductPrecision precision) {
  return precision == ProductPrecision::kFloat32 ? "float32" : "bfloat16";
}

std::vector<ProductRoute> available_product_routes() {
  std::vector<ProductRoute> routes = {ProductRoute::kAten};
  if (onednn_linear()) {
    routes.push_back(ProductRoute::kOneDnn);
  }
  return routes;
}

ProductRoute product_route() {
  if (g_route < 0) {
    static std::once_flag measured;
    std::call_once(measured, [] {
      auto fastest = ProductRoute::kAten;
      if (onednn_linear() && time_route(ProductRoute::kOneDnn) < time_route(ProductRoute::kAten)) {
        fastest = ProductRoute::kOneDnn;
      }
      int unset = -1;
      g_route.compare_exchange_strong(unset, static_cast<int>(fastest));
    });
  }
  return static_cast<ProductRoute>(g_route.load());
}

void set_product_route(ProductRoute route) {
  TORCH_CHECK(route == ProductRoute::kAten || onednn_linear(),
              "set_product_route: expected a route of this LibTorch (aten) but got onednn, which "
              "it was built without.");
  g_route = static_cast<int>(route);
}

ProductPrecision product_precision() { return g_precision; }
void set_product_precision(ProductPrecision precision) { g_precision = precision; }

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
TORCH_LIBRARY_IMPL(ladder, CPU, m) { m.impl("linear", linear_cpu); }
TORCH_LIBRARY_IMPL(ladder, AutogradCPU, m) { m.impl("linear", linear_autograd); }
TORCH_LIBRARY_IMPL(ladder, CompositeImplicitAutograd, m) { m.impl("linear", linear_composite); }

}  // namespace ladder::ops
