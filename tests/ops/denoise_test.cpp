#include "ladder/ops/denoise.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <string>

#include "ladder/core/internal/threads.h"
#include "ladder/ops/kernels/cpu/kernels.h"
#include "ladder/ops/normalise.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using ladder::ops::CombinatorFunction;
using ladder::ops::DenoisingFunction;
using ladder::ops::DenoisingTarget;
using ladder::ops::MlpFunction;
using ladder::ops::parameter_count;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::rounding_of;
using ladder::testing::weighted_sum;

namespace {

// What two rows 4 apart normalise to, up to their sign: 2 / sqrt(4 + 1e-10).
const double kOne = 2 / std::sqrt(4 + ladder::kVarianceEpsilon);

const std::vector<DenoisingFunction> kFunctions = {
    CombinatorFunction::kGaussian,
    CombinatorFunction::kVanilla,
    CombinatorFunction::kGaussianSigmoid,
    MlpFunction{.hidden = {}, .augmented = true},
    MlpFunction{.hidden = {4}, .augmented = false},
    MlpFunction{.hidden = {2, 2, 2}, .augmented = true},
    MlpFunction{.hidden = {3, 1, 5}, .augmented = false, .leaky_slope = 0.3},
    MlpFunction{.hidden = {1, 1, 1, 1, 1, 1, 1, 1}, .augmented = true},
    MlpFunction{.hidden = {17, 20}, .augmented = true},  // nearly all that the kernel takes
    MlpFunction{.hidden = {30, 31}, .augmented = true},  // too many parameters for the kernel
    MlpFunction{.hidden = std::vector<int64_t>(9, 1)},   // too many layers
};

// z~, u, weight, target, mean, std.
std::vector<torch::Tensor> operands(int64_t rows, int64_t columns,
                                    const DenoisingFunction& function, torch::Dtype dtype) {
  const auto options = torch::kDouble;
  std::vector<torch::Tensor> in = {torch::randn({rows, columns}, options),
                                   torch::randn({rows, columns}, options) * 3 + 1,
                                   torch::randn({parameter_count(function), columns}, options),
                                   torch::randn({rows, columns}, options),
                                   torch::randn({columns}, options),
                                   torch::rand({columns}, options) + 0.5};
  for (auto& t : in) {
    t = t.to(dtype).requires_grad_();
  }
  return in;
}

// z^ and the cost by `f`, then the gradients of what is used: no target, a target as it is,
// rescaled.
template <class F>
std::vector<torch::Tensor> values_and_gradients(const std::vector<torch::Tensor>& of,
                                                torch::Dtype dtype,
                                                const DenoisingFunction& function, int form,
                                                const F& f) {
  std::vector<torch::Tensor> in;
  for (const auto& t : of) {
    in.push_back(t.detach().to(dtype).clone().requires_grad_());
  }
  const auto target = form == 0   ? std::nullopt
                      : form == 1 ? std::optional(DenoisingTarget{in[3]})
                                  : std::optional(DenoisingTarget{in[3], in[4], in[5]});
  const auto result = f(in[0], in[1], in[2], function, target);
  std::vector<torch::Tensor> results = {result.z_hat};
  auto sum = weighted_sum({result.z_hat});
  if (form > 0) {
    results.push_back(result.cost);
    sum = sum + 3 * result.cost;
  }
  sum.backward();
  const size_t used = form == 0 ? 3 : form == 1 ? 4 : 6;
  for (size_t i = 0; i < used; ++i) {
    results.push_back(in[i].grad());
  }
  return results;
}

// Requires of the operator in `dtype` what the composite gives in float64.
void require_as_composite(const std::vector<torch::Tensor>& in, torch::Dtype dtype,
                          const DenoisingFunction& function, int form) {
  const auto composite = [&] {
    const ladder::threads::OneThread serial;  // the reference's small tensors
    return values_and_gradients(in, torch::kDouble, function, form,
                                ladder::ops::reference::denoise);
  };
  const auto actual = values_and_gradients(in, dtype, function, form, ladder::ops::denoise);
  const auto expected = composite();
  REQUIRE(actual.size() == expected.size());
  std::vector<ladder::testing::Bound> bounds;
  const auto rows = in[0].size(0);
  if (rows > 1000 && parameter_count(function) > 10) {
    // Measuring takes seconds: sums over all rows of what each weight adds, terms like the largest.
    const auto depth = 16.0 * static_cast<double>(rows * parameter_count(function));
    for (const auto& tensor : expected) {
      bounds.push_back(ladder::testing::roundings(depth, dtype, tensor.abs().max()));
    }
  } else {
    bounds =
        rounding_of(composite, dtype, rows > 1000 ? 2 : 4);  // of many, the largest says enough
  }
  for (size_t i = 0; i < actual.size(); ++i) {
    INFO("tensor " << i << " of z^, cost and gradients");
    require_close(actual[i].to(torch::kDouble), expected[i], bounds[i]);
  }
}

}  // namespace

TEST_CASE("denoise is the published Gaussian formula on known numbers", "[ops]") {
  // Two rows, so that u normalises to -1 and 1; a3 = 0.5, a4 = 2, a9 = 0.25, a10 = 0.5, a1 = 1.
  auto a = torch::zeros({10, 1}, torch::kDouble);
  a[0] = 1;
  a[1] = 1;
  a[2] = 0.5;
  a[3] = 2;
  a[6] = 1;
  a[8] = 0.25;
  a[9] = 0.5;
  const auto z = torch::tensor({{0.3}, {-0.7}}, torch::kDouble);
  const auto u = torch::tensor({{4.0}, {8.0}}, torch::kDouble);
  const auto expected = [](double zt, double un) {
    const double mu = 1 / (1 + std::exp(-(un + 0.5))) + 2 * un;
    const double v = 0.25 * un + 0.5;
    return (zt - mu) * v + mu;
  };
  const auto result = ladder::ops::denoise(z, u, a, CombinatorFunction::kGaussian,
                                           DenoisingTarget{torch::zeros({2, 1}, torch::kDouble)});
  const double first = expected(0.3, -kOne);
  const double second = expected(-0.7, kOne);
  require_close(result.z_hat, torch::tensor({{first}, {second}}, torch::kDouble));
  require_close(result.cost, torch::tensor((first * first + second * second) / 2, torch::kDouble));
}

TEST_CASE("denoise kernel agrees with the composite in float64", "[ops][grad]") {
  torch::manual_seed(1);
  for (const auto& function : kFunctions) {
    // The last in parts of rows.
    for (const auto& [rows, columns] :
         {std::pair{2, 1}, {3, 7}, {5, 16}, {9, 33}, {4, 130}, {2500, 35}}) {
      for (const int form : {0, 1, 2}) {  // no target, a target as it is, rescaled
        INFO("function of " << parameter_count(function) << " parameters, " << rows << " x "
                            << columns << ", form " << form);
        require_as_composite(operands(rows, columns, function, torch::kDouble), torch::kDouble,
                             function, form);
      }
    }
  }
}

TEST_CASE("denoise kernel in float32 stays within rounding of float64", "[ops][grad]") {
  torch::manual_seed(2);
  for (const auto& function : kFunctions) {
    INFO("function of " << parameter_count(function) << " parameters");
    auto in = operands(20, 37, function, torch::kFloat);
    {
      const torch::NoGradGuard no_grad;  // sums of many products lose digits by their size alone
      in[2] /= std::max<double>(1, std::sqrt(static_cast<double>(parameter_count(function)) / 10));
    }
    require_as_composite(in, torch::kFloat, function, 2);
  }
}

TEST_CASE("denoise passes central differences", "[ops][grad]") {
  torch::manual_seed(3);
  for (const auto& function : kFunctions) {
    INFO("function of " << parameter_count(function) << " parameters");
    auto in = operands(6, 3, function, torch::kDouble);
    for (auto& t : in) {
      t = t.detach();
    }
    require_gradient(
        [&](const std::vector<torch::Tensor>& t) {
          const auto r =
              ladder::ops::denoise(t[0], t[1], t[2], function, DenoisingTarget{t[3], t[4], t[5]});
          return weighted_sum({r.z_hat}) + 2 * r.cost;
        },
        in);
  }
}

TEST_CASE("denoise passes v through a sigmoid where asked", "[ops]") {
  // Rows that normalise to u = -1 and 1; mu = 3, v = s(0.5 + 2 u).
  auto a = torch::zeros({10, 1}, torch::kDouble);
  a[4] = 3;
  a[8] = 2;
  a[9] = 0.5;
  const auto z = torch::tensor({{0.3}, {-0.7}}, torch::kDouble);
  const auto u = torch::tensor({{4.0}, {8.0}}, torch::kDouble);
  const auto expected = [](double zt, double un) {
    const double v = 1 / (1 + std::exp(-(0.5 + 2 * un)));
    return v * zt + (1 - v) * 3;
  };
  const auto result =
      ladder::ops::denoise(z, u, a, CombinatorFunction::kGaussianSigmoid, std::nullopt);
  require_close(result.z_hat,
                torch::tensor({{expected(0.3, -kOne)}, {expected(-0.7, kOne)}}, torch::kDouble));
}

TEST_CASE("denoise runs a perceptron a column, on known numbers", "[ops]") {
  // One hidden unit on [u, z~]: 2 u - z~ + 0.5, then -3 h + 1; in the other column all is negated.
  const auto w = torch::tensor({{2.0, -2.0}, {-1.0, 1.0}, {0.5, -0.5}, {-3.0, 3.0}, {1.0, -1.0}},
                               torch::kDouble);
  const auto z = torch::tensor({{0.3, 0.3}, {-0.7, -0.7}}, torch::kDouble);
  const auto u = torch::tensor({{4.0, 4.0}, {8.0, 8.0}}, torch::kDouble);  // -1 and 1
  const auto leaky = [](double x) { return x > 0 ? x : 0.1 * x; };
  const auto expected = [&](double zt, double un, double sign) {
    return sign * (-3 * leaky(sign * (2 * un - zt + 0.5)) + 1);
  };
  const auto result =
      ladder::ops::denoise(z, u, w, MlpFunction{.hidden = {1}, .augmented = false}, std::nullopt);
  require_close(result.z_hat, torch::tensor({{expected(0.3, -kOne, 1), expected(0.3, -kOne, -1)},
                                             {expected(-0.7, kOne, 1), expected(-0.7, kOne, -1)}},
                                            torch::kDouble));
}

TEST_CASE("denoise counts the parameters of its functions", "[ops]") {
  CHECK(parameter_count(CombinatorFunction::kGaussian) == 10);
  CHECK(parameter_count(CombinatorFunction::kVanilla) == 9);
  CHECK(parameter_count(CombinatorFunction::kGaussianSigmoid) == 10);
  CHECK(parameter_count(MlpFunction{.hidden = {4}, .augmented = false}) == 4 * 3 + 5);
  CHECK(parameter_count(MlpFunction{.hidden = {2, 2, 2}, .augmented = true}) == 8 + 6 + 6 + 3);
  CHECK(parameter_count(MlpFunction{.hidden = {}, .augmented = true}) == 4);
}

TEST_CASE("denoise kernels agree between instruction sets", "[ops][every-kernel]") {
  torch::manual_seed(8);
  namespace cpu = ladder::ops::cpu;
  const auto tables = cpu::runnable_kernels();
  constexpr int64_t kRows = 7;
  constexpr int64_t kCols = 45;
  const ladder::ops::MlpShape perceptron{
      .inputs = 3, .layers = 2, .units = {2, 3}, .parameters = 21, .slope = 0.1};
  const auto z = torch::randn({kRows, kCols});
  const auto u = torch::randn({kRows, kCols});
  const auto weight = torch::randn({21, kCols});
  for (const auto& [fixed, mlp] :
       {std::pair{CombinatorFunction::kGaussian, ladder::ops::MlpShape{}},
        {CombinatorFunction::kVanilla, {}},
        {CombinatorFunction::kGaussianSigmoid, {}},
        {CombinatorFunction::kGaussian, perceptron}}) {
    const DenoisingFunction function =
        mlp.inputs == 0 ? DenoisingFunction(fixed)
                        : DenoisingFunction(MlpFunction{.hidden = {2, 3}, .augmented = true});
    const auto bound = rounding_of(
        [&] {
          const auto used = weight.narrow(0, 0, parameter_count(function));
          return std::vector{
              ladder::ops::reference::denoise(z.to(torch::kDouble), u.to(torch::kDouble),
                                              used.to(torch::kDouble), function, std::nullopt)
                  .z_hat};
        },
        torch::kFloat)[0];
    torch::Tensor first;
    for (int i = 0; i < tables.count; ++i) {
      INFO(tables.tables[i]->name << ", function " << static_cast<int>(fixed) << ", "
                                  << mlp.parameters << " parameters of a perceptron");
      auto z_hat = torch::empty_like(u);
      auto mean = torch::empty({kCols});
      auto std = torch::empty({kCols});
      std::vector<double> cost(kCols);
      tables.tables[i]->run(
          ladder::ops::DenoiseForward<float>{.z_noisy = z.const_data_ptr<float>(),
                                             .u = u.const_data_ptr<float>(),
                                             .rows = kRows,
                                             .cols = kCols,
                                             .function = fixed,
                                             .mlp = mlp,
                                             .weight = weight.const_data_ptr<float>(),
                                             .eps = 1e-10F,
                                             .target = nullptr,
                                             .target_mean = nullptr,
                                             .target_std = nullptr,
                                             .u_mean = mean.mutable_data_ptr<float>(),
                                             .u_std = std.mutable_data_ptr<float>(),
                                             .z_hat = z_hat.mutable_data_ptr<float>(),
                                             .cost = cost.data()},
          0, kCols);
      if (i == 0) {
        first = z_hat;
      }
      require_close(z_hat, first, bound * 2);
    }
  }
}

TEST_CASE("denoise in parts of rows gives the same bits on any number of threads", "[ops]") {
  for (const size_t chosen : {0, 5}) {  // Gaussian; a perceptron
    const auto& function = kFunctions[chosen];
    INFO("function of " << parameter_count(function) << " parameters");
    ladder::testing::check_same_on_threads([&] {
      torch::manual_seed(14);
      const auto in = operands(5000, 33, function, torch::kFloat);
      const auto result =
          ladder::ops::denoise(in[0], in[1], in[2], function, DenoisingTarget{in[3], in[4], in[5]});
      (weighted_sum({result.z_hat}) + result.cost).backward();
      std::vector<torch::Tensor> results = {result.z_hat, result.cost};
      for (const auto& t : in) {
        results.push_back(t.grad());
      }
      return results;
    });
  }
}

TEST_CASE("denoise takes strided operands", "[ops]") {
  torch::manual_seed(4);
  const auto z = torch::randn({5, 8}).t();
  const auto u = torch::randn({8, 10}).slice(1, 0, 10, 2);
  const auto w = torch::randn({5, 10}).t();
  const auto composite = [&] {
    return std::vector{ladder::ops::reference::denoise(z.to(torch::kDouble), u.to(torch::kDouble),
                                                       w.to(torch::kDouble),
                                                       CombinatorFunction::kGaussian, std::nullopt)
                           .z_hat};
  };
  require_close(ladder::ops::denoise(z, u, w, CombinatorFunction::kGaussian, std::nullopt)
                    .z_hat.to(torch::kDouble),
                composite()[0], rounding_of(composite, torch::kFloat)[0]);
}

TEST_CASE("normalise_rows and denoising_cost are what denoise does around a combinator", "[ops]") {
  torch::manual_seed(5);
  const auto in = operands(6, 4, CombinatorFunction::kVanilla, torch::kDouble);
  const DenoisingTarget target{in[3], in[4], in[5]};
  const auto whole =
      ladder::ops::denoise(in[0], in[1], in[2], CombinatorFunction::kVanilla, target);
  const auto parts = [&] {
    const auto z_hat = ladder::ops::reference::combine(in[0], ladder::ops::normalise_rows(in[1]),
                                                       in[2], CombinatorFunction::kVanilla);
    return std::vector{z_hat, ladder::ops::denoising_cost(z_hat, target)};
  };
  const auto bounds = rounding_of(parts, torch::kDouble);
  require_close(whole.z_hat, parts()[0], bounds[0]);
  require_close(whole.cost, parts()[1], bounds[1]);
}

TEST_CASE("denoise names what does not fit", "[ops]") {
  const auto z = torch::ones({4, 3});
  const auto w = torch::ones({10, 3});
  using ladder::ops::denoise;
  const auto g = CombinatorFunction::kGaussian;
  CHECK_THROWS_WITH(denoise(z, torch::ones({4, 2}), w, g, {}),
                    Catch::Contains("expected z_noisy of u's shape [4, 2] but got [4, 3]"));
  CHECK_THROWS_WITH(denoise(z, z, torch::ones({9, 3}), g, {}),
                    Catch::Contains("expected weight [10, 3] but got [9, 3]"));
  CHECK_THROWS_WITH(denoise(z, z, w, MlpFunction{.hidden = {4}, .augmented = true}, {}),
                    Catch::Contains("expected weight [21, 3] but got [10, 3]"));
  CHECK_THROWS_WITH(denoise(z, z, w, g, DenoisingTarget{torch::ones({3, 3})}),
                    Catch::Contains("expected a target of shape [4, 3] but got [3, 3]"));
  CHECK_THROWS_WITH(denoise(z, z, w, g, DenoisingTarget{z, torch::ones({3})}),
                    Catch::Contains("expected both mean and std of the target or neither"));
  const auto column = torch::ones({3, 1});  // would scale rows in place of columns
  for (const auto& rows : {torch::ones({3, 3}), torch::ones({4, 3})}) {
    CHECK_THROWS_WITH(
        ladder::ops::denoising_cost(rows, DenoisingTarget{torch::ones_like(rows), column, column}),
        Catch::Contains("expected target statistics [3] but got [3, 1]"));
  }
  CHECK_THROWS_WITH(denoise(z, z, w.to(torch::kDouble), g, {}),
                    Catch::Contains("expected operands of type Float but got Double"));
}

TEST_CASE("denoise names a perceptron that cannot be", "[ops]") {
  const auto z = torch::ones({4, 3});
  for (const auto f : {ladder::ops::denoise, ladder::ops::reference::denoise}) {
    for (const int64_t units : {0, -3}) {
      const MlpFunction function{.hidden = {2, units}};
      CHECK_THROWS_WITH(f(z, z, torch::ones({9, 3}), function, {}),
                        Catch::Contains("denoise: expected hidden layers of at least 1 unit but "
                                        "got [2, " +
                                        std::to_string(units) + "]."));
    }
    for (const double slope : {-0.1, std::nan(""), std::numeric_limits<double>::infinity()}) {
      INFO("slope " << slope);
      const MlpFunction function{.hidden = {2}, .leaky_slope = slope};
      const auto weight = torch::ones({parameter_count(function), 3});
      CHECK_THROWS_WITH(f(z, z, weight, function, {}),
                        Catch::Contains("denoise: expected a finite leaky_slope >= 0 but got "));
    }
  }
}

TEST_CASE("denoise refuses one row, which has no statistics", "[ops]") {
  const auto z = torch::randn({1, 3});
  CHECK_THROWS_WITH(ladder::ops::denoise(z, z, torch::ones({10, 3}),
                                         ladder::ops::CombinatorFunction::kGaussian, {}),
                    Catch::Contains("denoise: expected at least 2 rows of u to measure their "
                                    "statistics but got 1 (a single row has no variance and would "
                                    "become 0)."));
}

TEST_CASE("denoise computes the gradients that are asked for, and no others", "[ops][grad]") {
  torch::manual_seed(16);
  for (const int64_t rows : {7, 2100}) {  // in one part, and in parts of rows
    const std::vector<torch::Tensor> values = {
        torch::randn({rows, 5}, torch::kDouble), torch::randn({rows, 5}, torch::kDouble),
        torch::randn({10, 5}, torch::kDouble),   torch::randn({rows, 5}, torch::kDouble),
        torch::randn({5}, torch::kDouble),       torch::rand({5}, torch::kDouble) + 0.5};
    const auto gradients = [&](int wanted) {
      std::vector<torch::Tensor> inputs;
      for (int i = 0; i < 6; ++i) {
        inputs.push_back(values[i].clone().requires_grad_((wanted >> i & 1) != 0));
      }
      const auto result =
          ladder::ops::denoise(inputs[0], inputs[1], inputs[2], CombinatorFunction::kGaussian,
                               DenoisingTarget{inputs[3], inputs[4], inputs[5]});
      (result.cost + result.z_hat.square().sum()).backward();
      std::vector<torch::Tensor> grads;
      for (const auto& input : inputs) {
        grads.push_back(input.grad());
      }
      return grads;
    };
    const auto complete = gradients(63);
    for (int wanted = 1; wanted < 63; ++wanted) {
      INFO(rows << " rows, wanted " << wanted);
      const auto some = gradients(wanted);
      for (int i = 0; i < 6; ++i) {
        REQUIRE(some[i].defined() == ((wanted >> i & 1) != 0));
        CHECK((!some[i].defined() || torch::equal(some[i], complete[i])));
      }
    }
  }
}

TEST_CASE("denoise runs on devices without kernels", "[ops]") {
  const auto meta = torch::TensorOptions().device(torch::kMeta);
  const auto u = torch::empty({6, 4}, meta);
  const auto result = ladder::ops::denoise(u, u, torch::empty({10, 4}, meta),
                                           CombinatorFunction::kGaussian, DenoisingTarget{u});
  CHECK(result.z_hat.is_meta());
  CHECK(result.cost.dim() == 0);
}

namespace {

void denoise_by_name(const torch::Tensor& z, const torch::Tensor& u, const torch::Tensor& weight,
                     int64_t combinator) {
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("ladder::denoise", "");
  torch::jit::Stack stack = {z,     u,   weight,        combinator,    std::vector<int64_t>{},
                             false, 0.1, c10::IValue(), c10::IValue(), c10::IValue()};
  op.callBoxed(stack);
}

}  // namespace

TEST_CASE("denoise called by name names a number that is no combinator", "[ops]") {
  const auto u = torch::ones({2, 3});
  CHECK_THROWS_WITH(denoise_by_name(u, u, torch::ones({10, 3}), 4),
                    Catch::Contains("denoise: expected a combinator from 0 (Gaussian) to 3 "
                                    "(perceptron) but got 4."));
}

TEST_CASE("denoise called by name checks its operands", "[ops]") {
  const auto u = torch::ones({2, 3});
  CHECK_THROWS_WITH(denoise_by_name(u, u, torch::ones({9, 3}), 0),
                    Catch::Contains("denoise: expected weight [10, 3] but got [9, 3]."));
  CHECK_THROWS_WITH(denoise_by_name(torch::ones({2, 4}), u, torch::ones({10, 3}), 0),
                    Catch::Contains("denoise: expected z_noisy of u's shape [2, 3]"));
  // Without a target nothing would say how large its statistics are.
  torch::jit::Stack stack = {u,
                             u,
                             torch::ones({10, 3}),
                             0,
                             std::vector<int64_t>(),
                             false,
                             0.1,
                             c10::IValue(),
                             torch::ones({1}),
                             c10::IValue()};
  const auto denoise_operator =
      c10::Dispatcher::singleton().findSchemaOrThrow("ladder::denoise", "");
  CHECK_THROWS_WITH(denoise_operator.callBoxed(stack),
                    Catch::Contains("denoise: expected a target with its mean and std but got "
                                    "these without one."));
}

TEST_CASE("denoise_forward and denoise_backward called by name take what their kernels take",
          "[ops]") {
  const auto u = torch::randn({2, 3});
  const auto call = [](const std::string& name, const torch::Tensor& of,
                       const std::vector<int64_t>& hidden, const c10::IValue& grad_cost) {
    const auto type = of.scalar_type();
    const auto weight = torch::ones({parameter_count(MlpFunction{.hidden = hidden}), 3}, type);
    torch::jit::Stack stack = {of,     of,    weight, 3,  // a perceptron
                               hidden, false, 0.1,    of, c10::IValue(), c10::IValue()};
    if (name == "denoise_backward") {
      const auto column = torch::ones({3}, type);
      stack.insert(stack.end(), {column, column, of, of, grad_cost});
    }
    c10::Dispatcher::singleton()
        .findSchemaOrThrow(("ladder::" + name).c_str(), "")
        .callBoxed(stack);
  };
  for (const std::string name : {"denoise_forward", "denoise_backward"}) {
    INFO(name);
    const auto one = torch::ones({});
    CHECK_NOTHROW(call(name, u, {4}, one));
    CHECK_NOTHROW(call(name, u, {62}, one));  // 64 units with its inputs
    // More layers, units and parameters of a column than the kernels' memory holds.
    for (const auto& hidden : {std::vector<int64_t>(9, 1), {63}, {100}, {30, 31}}) {
      CHECK_THROWS_WITH(call(name, u, hidden, one),
                        Catch::Contains(name + ": expected a call that a kernel takes but got 2 "
                                               "rows in Float on cpu with hidden layers ["));
    }
    CHECK_THROWS_WITH(call(name, u.to(torch::kBFloat16), {4}, torch::ones({}, torch::kBFloat16)),
                      Catch::Contains("rows in BFloat16 on cpu with hidden layers [4] (call "
                                      "ladder::denoise, which takes any)."));
  }
  CHECK_THROWS_WITH(call("denoise_backward", u, {4}, torch::ones({1})),
                    Catch::Contains("denoise_backward: expected the gradient of the cost to be a "
                                    "scalar but got [1]."));
  CHECK_THROWS_WITH(call("denoise_backward", u, {4}, torch::ones({}, torch::kDouble)),
                    Catch::Contains("denoise_backward: expected operands of type Float but got "
                                    "Double."));
}
