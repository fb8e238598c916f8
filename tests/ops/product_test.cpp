#include "ladder/ops/product.h"

#include <torch/torch.h>

#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using ladder::ops::ProductPrecision;
using ladder::ops::ProductRoute;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::weighted_sum;

namespace {

struct KeepSettings {
  ProductRoute route = ladder::ops::product_route();
  ~KeepSettings() {
    ladder::ops::set_product_route(route);
    ladder::ops::set_product_precision(ProductPrecision::kFloat32);
  }
};

}  // namespace

TEST_CASE("linear agrees with at::linear in value and gradient on every route", "[ops][grad]") {
  const KeepSettings keep;
  torch::manual_seed(1);
  for (const auto route : ladder::ops::available_product_routes()) {
    INFO(to_string(route));
    ladder::ops::set_product_route(route);
    for (const auto& [rows, in, out] :
         {std::tuple{1, 1, 1}, {1, 7, 3}, {5, 1, 4}, {33, 17, 65}, {100, 250, 10}}) {
      INFO(rows << " x " << in << " x " << out);
      const auto x = torch::randn({rows, in}).requires_grad_();
      const auto w = torch::randn({out, in}).requires_grad_();
      const auto xd = x.detach().to(torch::kDouble).requires_grad_();
      const auto wd = w.detach().to(torch::kDouble).requires_grad_();
      const auto y = ladder::ops::linear(x, w);
      const auto yd = torch::linear(xd, wd);
      require_close(y.to(torch::kDouble), yd, 1e-4, 1e-4);
      weighted_sum({y}).backward();
      weighted_sum({yd}).backward();
      require_close(x.grad().to(torch::kDouble), xd.grad(), 1e-4, 1e-4);
      require_close(w.grad().to(torch::kDouble), wd.grad(), 1e-4, 1e-4);
    }
  }
}

TEST_CASE("linear takes transposed and strided operands", "[ops]") {
  torch::manual_seed(2);
  const auto x = torch::randn({7, 12}).t();                 // [12, 7]
  const auto w = torch::randn({5, 14}).slice(1, 0, 14, 2);  // [5, 7]
  require_close(ladder::ops::linear(x, w), torch::matmul(x, w.t()), 1e-5, 1e-5);
}

TEST_CASE("linear passes central differences, also through a gradient of a gradient",
          "[ops][grad]") {
  torch::manual_seed(3);
  const auto x = torch::randn({4, 3}, torch::kDouble);
  const auto w = torch::randn({5, 3}, torch::kDouble);
  require_gradient(
      [](const std::vector<torch::Tensor>& in) {
        return weighted_sum({ladder::ops::linear(in[0], in[1])});
      },
      {x, w});
  const auto y = ladder::ops::linear(x, w).square().sum();
  const auto grad = torch::autograd::grad({y}, {x}, {}, true, true)[0];
  CHECK(torch::autograd::grad({grad.sum()}, {w})[0].defined());
}

TEST_CASE("linear rounds operands to bfloat16 when asked", "[ops]") {
  const KeepSettings keep;
  torch::manual_seed(4);
  const auto x = torch::randn({40, 30});
  const auto w = torch::randn({20, 30});
  const auto exact = ladder::ops::linear(x, w);
  ladder::ops::set_product_precision(ProductPrecision::kBFloat16);
  const auto rounded = ladder::ops::linear(x, w);
  CHECK(rounded.scalar_type() == torch::kFloat);
  require_close(rounded, exact, 0.02, 0.15);
  CHECK_FALSE(torch::allclose(rounded, exact, 1e-6, 1e-6));
}

TEST_CASE("linear names what does not fit", "[ops]") {
  CHECK_THROWS_WITH(ladder::ops::linear(torch::ones({2, 3}), torch::ones({4, 5})),
                    Catch::Contains("linear: expected rows of 5 values but got 3."));
  CHECK_THROWS_WITH(ladder::ops::linear(torch::ones({3}), torch::ones({4, 3})),
                    Catch::Contains("linear: expected x [R, K] and weight [C, K]"));
}
