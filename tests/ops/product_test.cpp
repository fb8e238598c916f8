#include "ladder/ops/product.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ladder/ops/internal/tensor_float32.h"
#include "ladder/ops/kernels/cpu/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/products.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using ladder::ops::ProductPlan;
using ladder::ops::ProductPrecision;
using ladder::ops::ProductRoute;
using ladder::ops::ProductScope;
using ladder::testing::excess;
using ladder::testing::on_every_route;
using ladder::testing::product_bound;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::rounding_of_operands;
using ladder::testing::roundings;
using ladder::testing::ThreadsOfTest;
using ladder::testing::weighted_sum;

TEST_CASE("linear agrees with at::linear in value and gradient on every route", "[ops][grad]") {
  torch::manual_seed(1);
  on_every_route([](ProductRoute) {
    for (const auto& [rows, in, out] : {std::tuple{1, 1, 1},
                                        {1, 7, 3},
                                        {5, 1, 4},
                                        {33, 17, 65},
                                        {100, 250, 10},
                                        {530, 470, 290}}) {
      INFO(rows << " x " << in << " x " << out);
      const auto x = torch::randn({rows, in}).requires_grad_();
      const auto w = torch::randn({out, in}).requires_grad_();
      const auto xd = x.detach().to(torch::kDouble).requires_grad_();
      const auto wd = w.detach().to(torch::kDouble).requires_grad_();
      const auto y = ladder::ops::linear(x, w);
      const auto yd = torch::linear(xd, wd);
      require_close(y.to(torch::kDouble), yd, product_bound(x, w.t()));
      y.retain_grad();
      weighted_sum({y}).backward();
      weighted_sum({yd}).backward();
      const auto& grad = y.grad();  // rounded to float32, which is one rounding of each term
      require_close(x.grad().to(torch::kDouble), xd.grad(), product_bound(grad, w));
      require_close(w.grad().to(torch::kDouble), wd.grad(), product_bound(grad.t(), x));
    }
  });
}

TEST_CASE("linear takes transposed and strided operands", "[ops]") {
  torch::manual_seed(2);
  const auto x = torch::randn({7, 12}).t();                 // [12, 7]
  const auto w = torch::randn({5, 14}).slice(1, 0, 14, 2);  // [5, 7]
  require_close(ladder::ops::linear(x, w), torch::matmul(x, w.t()), product_bound(x, w.t()) * 2);
}

TEST_CASE("linear by the library's kernel is the same bit for bit on any number of threads",
          "[ops]") {
  torch::manual_seed(5);
  for (const auto precision : {ProductPrecision::kFloat32, ProductPrecision::kBFloat16}) {
    const ProductScope scope({precision, ProductRoute::kLadder});
    for (const auto& [rows, in, out] :
         {std::tuple{300, 784, 1000}, {1000, 300, 785}, {7, 900, 250}}) {
      const auto x = torch::randn({rows, in});
      const auto w = torch::randn({out, in});
      const auto product = [&](int count) {
        const ThreadsOfTest threads(count);
        return ladder::ops::linear(x, w);
      };
      const auto one = product(1);
      for (const int count : {2, 3, 8}) CHECK(torch::equal(product(count), one));
    }
  }
}

namespace {

// Calls check(a, b, c) with c = a b by the kernel, over odd sizes and every order of the operands.
void multiply_odd_sizes(
    const ladder::ops::cpu::ProductKernel& kernel,
    const std::function<void(torch::Tensor a, torch::Tensor b, torch::Tensor c)>& check) {
  namespace cpu = ladder::ops::cpu;
  const auto memory = torch::empty({cpu::kProductScratch + 16});
  auto* const scratch = memory.mutable_data_ptr<float>();
  for (const auto& [rows, depth, columns] : {std::tuple{1, 1, 1},
                                             {3, 5, 7},
                                             {13, 449, 33},
                                             {25, 17, 300},
                                             {520, 64, 16},
                                             {20, 1024, 33},  // rows that share places of a cache
                                             {2, 901, 40},
                                             {1, 131, 6},
                                             {4, 64, 9}}) {
    for (const int form : {0, 1, 2, 3}) {  // which operand is a transposed view
      INFO(rows << " x " << depth << " x " << columns << ", form " << form);
      const auto a = form & 1 ? torch::randn({depth, rows}).t() : torch::randn({rows, depth});
      const auto b = form & 2 ? torch::randn({columns, depth}).t() : torch::randn({depth, columns});
      const auto c = torch::full({rows, columns}, 7.0F);
      cpu::Product product{.a = {a.const_data_ptr<float>(), a.stride(0), a.stride(1)},
                           .b = {b.const_data_ptr<float>(), b.stride(1), b.stride(0)},
                           .rows = rows,
                           .columns = columns,
                           .depth = depth,
                           .c = c.mutable_data_ptr<float>(),
                           .c_row = columns};
      kernel.multiply(product, {0, rows, 0, columns}, {scratch});
      check(a, b, c);
      // Blocks from the last to the first, which share the rows that they pack.
      const auto in_blocks = torch::full_like(c, 7.0F);
      product.c = in_blocks.mutable_data_ptr<float>();
      cpu::PackedPanels packed_rows;
      for (int64_t row = (rows - 1) / (2 * kernel.rows); row >= 0; --row) {
        for (int64_t column = (columns - 1) / kernel.columns; column >= 0; --column) {
          kernel.multiply(
              product,
              {row * 2 * kernel.rows, std::min<int64_t>((row + 1) * 2 * kernel.rows, rows),
               column * kernel.columns, std::min<int64_t>((column + 1) * kernel.columns, columns)},
              {scratch, &packed_rows});
        }
      }
      CHECK(in_blocks.equal(c));
      if (depth <= cpu::kMaxPackedDepth) {
        const auto packed = torch::full({cpu::packed_size(columns, depth) + 1}, 7.0F);
        kernel.pack(product.b, columns, depth, packed.mutable_data_ptr<float>());
        CHECK(packed[-1].item<float>() == 7.0F);
        const auto again = torch::full_like(c, 7.0F);
        product.packed_b = packed.const_data_ptr<float>();
        product.c = again.mutable_data_ptr<float>();
        kernel.multiply(product, {0, rows, 0, columns}, {scratch});
        CHECK(again.equal(c));
      }
    }
  }
}

}  // namespace

TEST_CASE("linear by every kernel of this machine agrees with double precision",
          "[ops][every-kernel]") {
  torch::manual_seed(6);
  const auto all = ladder::ops::cpu::runnable_kernels();
  for (int t = 0; t < all.count; ++t) {
    INFO(all.tables[t]->name);
    multiply_odd_sizes(all.tables[t]->product, [](const auto& a, const auto& b, const auto& c) {
      const auto exact = torch::matmul(a.to(torch::kDouble), b.to(torch::kDouble));
      require_close(c.to(torch::kDouble), exact, product_bound(a, b));
    });
  }
}

TEST_CASE("linear by every bfloat16 kernel rounds operands and nothing else",
          "[ops][every-kernel]") {
  torch::manual_seed(7);
  const auto all = ladder::ops::cpu::runnable_kernels();
  std::vector<const ladder::ops::cpu::ProductKernel*> kernels = {
      &ladder::ops::cpu::bfloat16_product()};
  for (int t = 0; t < all.count; ++t) {
    kernels.push_back(&all.tables[t]->rounded_product);
  }
  for (const auto* kernel : kernels) {
    multiply_odd_sizes(*kernel, [](const auto& a, const auto& b, const auto& c) {
      const auto round = [](const torch::Tensor& t) {
        return t.to(torch::kBFloat16).to(torch::kDouble);
      };
      require_close(c.to(torch::kDouble), torch::matmul(round(a), round(b)),
                    product_bound(round(a), round(b)));
    });
  }
}

TEST_CASE("every bfloat16 kernel keeps what is not finite", "[ops][every-kernel]") {
  namespace cpu = ladder::ops::cpu;
  const double infinity = std::numeric_limits<double>::infinity();
  const auto memory = torch::empty({cpu::kProductScratch + 16});
  const auto all = cpu::runnable_kernels();
  std::vector<std::pair<std::string, const cpu::ProductKernel*>> kernels = {
      {"bfloat16", &cpu::bfloat16_product()}};
  for (int t = 0; t < all.count; ++t) {
    kernels.emplace_back(all.tables[t]->name, &all.tables[t]->rounded_product);
  }
  // The second has all bits of its fraction, the third rounds up to infinity.
  for (const uint32_t word : {0x7f800000U, 0x7fffffffU, 0x7f7fffffU}) {
    float value;
    std::memcpy(&value, &word, sizeof(value));
    for (const auto& [name, kernel] : kernels) {
      for (const int64_t rows : {1, 20}) {
        INFO(name << ", " << rows << " rows of " << value);
        const auto a = torch::full({rows, 3}, value), b = torch::ones({3, 5});
        const auto c = torch::zeros({rows, 5});
        kernel->multiply({.a = {a.const_data_ptr<float>(), 3, 1},
                          .b = {b.const_data_ptr<float>(), 1, 5},
                          .rows = rows,
                          .columns = 5,
                          .depth = 3,
                          .c = c.mutable_data_ptr<float>(),
                          .c_row = 5},
                         {0, rows, 0, 5}, {memory.mutable_data_ptr<float>()});
        CHECK((std::isnan(value) ? c.isnan() : c.eq(infinity)).all().item<bool>());
      }
    }
  }
}

TEST_CASE("linear in bfloat16 keeps what is not finite", "[ops]") {
  const double infinity = std::numeric_limits<double>::infinity();
  // The second has all bits of its fraction, the third rounds up to infinity.
  for (const uint32_t word : {0x7f800000U, 0x7fffffffU, 0x7f7fffffU}) {
    float value;
    std::memcpy(&value, &word, sizeof(value));
    for (const int64_t rows : {1, 20}) {  // below and above those that are packed
      const ProductScope scope({ProductPrecision::kBFloat16, ProductRoute::kLadder});
      const auto x = torch::full({rows, 3}, value);
      const auto y = ladder::ops::linear(x, torch::ones({5, 3}));
      CHECK((std::isnan(value) ? y.isnan() : y.eq(infinity)).all().item<bool>());
      const auto transposed = ladder::ops::linear(x.t().contiguous().t(), torch::ones({5, 3}));
      CHECK((std::isnan(value) ? transposed.isnan() : transposed.eq(infinity)).all().item<bool>());
    }
  }
}

TEST_CASE("linear of no rows, columns or depth is empty or zero on every route", "[ops]") {
  on_every_route([](ProductRoute) {
    CHECK(ladder::ops::linear(torch::ones({0, 3}), torch::ones({2, 3})).sizes() ==
          at::IntArrayRef({0, 2}));
    CHECK(ladder::ops::linear(torch::ones({2, 0}), torch::ones({4, 0})).eq(0).all().item<bool>());
  });
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
  // The sum of the gradient is 2 (w s) (w t), s the sum of the rows of x and t ones.
  const auto s = x.detach().sum(0), t = torch::ones({3}, torch::kDouble), plain = w.detach();
  require_close(torch::autograd::grad({grad.sum()}, {w})[0],
                2 * (torch::outer(plain.mv(t), s) + torch::outer(plain.mv(s), t)));
}

TEST_CASE("linear rounds operands to bfloat16 on every route when asked", "[ops]") {
  torch::manual_seed(4);
  const auto x = torch::randn({40, 30});
  const auto w = torch::randn({20, 30});
  const auto round = [](const torch::Tensor& t) {
    return t.to(torch::kBFloat16).to(torch::kFloat);
  };
  const auto expected = torch::linear(round(x), round(w));
  on_every_route([&](ProductRoute route) {
    const ProductScope scope({ProductPrecision::kBFloat16, route});
    const auto rounded = ladder::ops::linear(x, w);
    CHECK(rounded.scalar_type() == torch::kFloat);
    auto bound = product_bound(round(x), round(w).t()) * 2;
    if (route != ProductRoute::kLadder) {  // LibTorch stores the product in bfloat16
      bound = bound + roundings(1, torch::kBFloat16);
    }
    require_close(rounded, expected, bound);
    CHECK(excess(rounded, torch::linear(x, w), product_bound(x, w.t()) * 2) > 0);
    require_close(rounded, torch::linear(x, w), bound + rounding_of_operands(x, w.t()));
  });
}

TEST_CASE("ProductScope holds for its thread and its life", "[ops]") {
  const auto usual = ladder::ops::default_product_plan();
  CHECK(ladder::ops::product_plan() == usual);
  const ProductPlan outer{ProductPrecision::kBFloat16, ProductRoute::kAten};
  const ProductPlan inner{ProductPrecision::kFloat32, ProductRoute::kLadder};
  {
    const ProductScope scope(outer);
    CHECK(ladder::ops::product_plan() == outer);
    {
      const ProductScope narrower(inner);
      CHECK(ladder::ops::product_plan() == inner);
    }
    CHECK(ladder::ops::product_plan() == outer);
    ProductPlan elsewhere;
    std::thread([&] { elsewhere = ladder::ops::product_plan(); }).join();
    CHECK(elsewhere == usual);
    CHECK_THROWS(ladder::ops::linear(torch::ones({3}), torch::ones({4, 3})));
    CHECK(ladder::ops::product_plan() == outer);
  }
  CHECK(ladder::ops::product_plan() == usual);
  CHECK(to_string(outer) == "bfloat16 products by aten");
}

namespace {

// Puts the TF32 settings of products and convolutions back to those of a new process.
class TensorFloat32OfTest {
 public:
  TensorFloat32OfTest() = default;
  TensorFloat32OfTest(const TensorFloat32OfTest&) = delete;
  TensorFloat32OfTest& operator=(const TensorFloat32OfTest&) = delete;
  ~TensorFloat32OfTest() {
    auto& context = at::globalContext();
    context.setFloat32MatmulPrecision("highest");
    for (const auto backend : {at::Float32Backend::CUDA, at::Float32Backend::MKLDNN}) {
      context.setFloat32Precision(backend, at::Float32Op::MATMUL, at::Float32Precision::NONE);
    }
    context.setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV,
                                at::Float32Precision::TF32);
  }
};

}  // namespace

TEST_CASE("TensorFloat32Scope restores TF32 settings whichever way they were made", "[ops]") {
  using at::Float32Backend;
  using at::Float32Op;
  using at::Float32Precision;
  auto& context = at::globalContext();
  const auto of = [&](Float32Op op) { return context.float32Precision(Float32Backend::CUDA, op); };
  const std::vector<std::function<void()>> settings = {
      [] {}, [&] { context.setFloat32MatmulPrecision("high"); },
      [&] { context.setFloat32MatmulPrecision("medium"); },
      [&] {
        context.setFloat32Precision(Float32Backend::CUDA, Float32Op::MATMUL,
                                    Float32Precision::TF32);
      },
      [&] {
        context.setFloat32Precision(Float32Backend::CUDA, Float32Op::CONV, Float32Precision::IEEE);
      }};
  for (size_t i = 0; i < settings.size(); ++i) {
    INFO("setting " << i);
    const TensorFloat32OfTest restored;
    settings[i]();
    const auto matrices = of(Float32Op::MATMUL), convolutions = of(Float32Op::CONV);
    // What the older interface gives, or that it throws.
    const auto older = [&]() -> int {
      try {
        return static_cast<int>(context.float32MatmulPrecision());
      } catch (const c10::Error&) {
        return -1;
      }
    };
    const auto before = older();
    for (const bool allowed : {false, true}) {
      INFO("allowed " << allowed);
      {
        const ladder::ops::TensorFloat32Scope scope(allowed);
        const auto inside = allowed ? Float32Precision::TF32 : Float32Precision::IEEE;
        CHECK(of(Float32Op::MATMUL) == inside);
        CHECK(of(Float32Op::CONV) == inside);
        if (!allowed) CHECK_NOTHROW(context.float32MatmulPrecision());
        // Scopes nest, and a plan needs none of the older getters.
        const ProductScope inner({ProductPrecision::kFloat32, ProductRoute::kAten});
        CHECK(ladder::ops::product_plan().route == ProductRoute::kAten);
      }
      CHECK(of(Float32Op::MATMUL) == matrices);
      CHECK(of(Float32Op::CONV) == convolutions);
      CHECK(older() == before);
    }
  }
  CHECK(of(Float32Op::MATMUL) == Float32Precision::NONE);

  // Those of two threads end in the order in which they began.
  const TensorFloat32OfTest restored;
  auto first = std::make_unique<ladder::ops::TensorFloat32Scope>(false);
  auto second = std::make_unique<ladder::ops::TensorFloat32Scope>(false);
  first.reset();
  CHECK(of(Float32Op::CONV) == Float32Precision::IEEE);
  second.reset();
  CHECK(of(Float32Op::CONV) == Float32Precision::TF32);
}

TEST_CASE("linear goes back by the plan of its forward pass, on any thread", "[ops][grad]") {
  torch::manual_seed(8);
  const auto x = torch::randn({40, 30}).requires_grad_();
  const auto w = torch::randn({20, 30}).requires_grad_();
  const auto seed = torch::randn({40, 20});
  const auto gradients = [&](const torch::Tensor& y) {
    return torch::autograd::grad({y}, {x, w}, {seed});
  };
  const auto usual = gradients(ladder::ops::linear(x, w));
  for (const auto route : ladder::ops::available_product_routes()) {
    INFO(to_string(route));
    std::vector<torch::Tensor> expected;
    torch::Tensor y;
    {
      const ProductScope scope({ProductPrecision::kBFloat16, route});
      expected = gradients(ladder::ops::linear(x, w));
      y = ladder::ops::linear(x, w);
    }
    std::vector<torch::Tensor> found;
    std::thread([&] { found = gradients(y); }).join();
    for (size_t i = 0; i < 2; ++i) {
      CHECK(found[i].equal(expected[i]));
      CHECK_FALSE(found[i].equal(usual[i]));
    }
    // A gradient that is differentiated again was computed by the same plan.
    {
      const ProductScope scope({ProductPrecision::kBFloat16, route});
      y = ladder::ops::linear(x, w);
    }
    const auto again = torch::autograd::grad({y}, {x, w}, {seed}, true, true);
    CHECK(again[0].equal(expected[0]));
    CHECK(again[1].equal(expected[1]));
  }
}

#if defined(__x86_64__)
TEST_CASE("The default plan of bfloat16 leaves its products to AMX", "[ops]") {
  std::ifstream cpu("/proc/cpuinfo");
  bool amx = false;
  for (std::string word; cpu >> word;) amx = amx || word == "amx_bf16";
  const bool ours = ladder::ops::cpu::has_wide_kernels() && !amx;
  CHECK(ladder::ops::default_product_plan(ProductPrecision::kBFloat16).route ==
        (ours ? ProductRoute::kLadder : ProductRoute::kAten));
}
#endif

TEST_CASE("The default plan is the same each time, the fastest is one that is offered", "[ops]") {
  for (const auto precision : {ProductPrecision::kFloat32, ProductPrecision::kBFloat16,
                               ProductPrecision::kTensorFloat32}) {
    const auto plan = ladder::ops::default_product_plan(precision);
    CHECK(plan.precision == precision);
    CHECK(plan == ladder::ops::default_product_plan(precision));
    const auto fastest = ladder::ops::fastest_product_plan(precision);
    CHECK(fastest.precision == precision);
    const auto routes = ladder::ops::available_product_routes();
    CHECK(std::count(routes.begin(), routes.end(), fastest.route) == 1);
    CHECK(std::count(routes.begin(), routes.end(), plan.route) == 1);
  }
  CHECK(ladder::ops::default_product_plan().route ==
        (ladder::ops::cpu::has_wide_kernels() ? ProductRoute::kLadder : ProductRoute::kAten));
  CHECK(ladder::ops::product_plan() == ladder::ops::default_product_plan());
}

TEST_CASE("Product routes are found by the name they print", "[ops]") {
  for (const auto route : {ProductRoute::kAten, ProductRoute::kOneDnn, ProductRoute::kLadder}) {
    CHECK(ladder::ops::product_route_from_string(to_string(route)) == route);
  }
  CHECK_THROWS_WITH(
      ladder::ops::product_route_from_string("mkl"),
      Catch::Contains("ProductRoute: expected aten, onednn or ladder but got 'mkl'."));
}

TEST_CASE("Product precisions are found by the name they print", "[ops]") {
  for (const auto precision : {ProductPrecision::kFloat32, ProductPrecision::kBFloat16,
                               ProductPrecision::kTensorFloat32}) {
    CHECK(ladder::ops::product_precision_from_string(to_string(precision)) == precision);
  }
  CHECK_THROWS_WITH(
      ladder::ops::product_precision_from_string("half"),
      Catch::Contains("ProductPrecision: expected float32, bfloat16 or tf32 but got 'half'."));
}

TEST_CASE("linear names what does not fit", "[ops]") {
  CHECK_THROWS_WITH(ladder::ops::linear(torch::ones({2, 3}), torch::ones({4, 5})),
                    Catch::Contains("linear: expected rows of 5 values but got 3."));
  CHECK_THROWS_WITH(ladder::ops::linear(torch::ones({3}), torch::ones({4, 3})),
                    Catch::Contains("linear: expected x [R, K] and weight [C, K]"));
  CHECK_THROWS_WITH(
      ladder::ops::linear(torch::ones({2, 3}), torch::ones({4, 3}, torch::kDouble)),
      Catch::Contains("linear: expected a weight in Float on cpu like x but got Double on cpu."));
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("ladder::linear", "");
  torch::jit::Stack stack = {torch::ones({2, 3}), torch::ones({4, 5})};
  CHECK_THROWS_WITH(op.callBoxed(stack),
                    Catch::Contains("linear: expected rows of 5 values but got 3."));
}
