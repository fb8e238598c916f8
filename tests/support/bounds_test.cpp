#include "tests/support/bounds.h"

#include <torch/torch.h>

#include <random>

#include "tests/support/catch.h"
#include "tests/support/dot_bfloat16.h"
#include "tests/support/require_close.h"

using ladder::testing::Bound;
using ladder::testing::dot_bfloat16;
using ladder::testing::excess;
using ladder::testing::gamma;
using ladder::testing::PairOrder;
using ladder::testing::product_bound;
using ladder::testing::require_close;
using ladder::testing::round_to_bfloat16;
using ladder::testing::rounding_of;
using ladder::testing::rounding_of_operands;
using ladder::testing::roundings;
using ladder::testing::winograd_by_definition;

namespace {

const auto kFloatRoundoff = ladder::testing::unit_roundoff(torch::kFloat);

torch::Tensor rounded_to_bfloat16(const torch::Tensor& t) { return t.to(torch::kBFloat16).to(t); }

// a [R, K] times b [K, C] by the scalar model of vdpbf16ps, one lane a column, `lanes` sums for the
// depth that are added up at the end: a kernel for few rows has sixteen, one for many has one.
torch::Tensor multiply_by_model(const torch::Tensor& a, const torch::Tensor& b, PairOrder order,
                                int64_t lanes) {
  const auto depth = a.size(1);
  const auto x = a.accessor<float, 2>();
  const auto y = b.accessor<float, 2>();
  const auto c = torch::zeros({a.size(0), b.size(1)});
  auto out = c.accessor<float, 2>();
  for (int64_t i = 0; i < c.size(0); ++i) {
    for (int64_t j = 0; j < c.size(1); ++j) {
      std::vector<float> sums(static_cast<size_t>(lanes));
      for (int64_t k = 0; k < depth; k += 2) {
        const auto at = [&](int64_t d) {
          return d < depth ? std::pair(round_to_bfloat16(x[i][d]), round_to_bfloat16(y[d][j]))
                           : std::pair(0.0F, 0.0F);
        };
        const auto [a0, b0] = at(k);
        const auto [a1, b1] = at(k + 1);
        auto& sum = sums[static_cast<size_t>(k / 2 % lanes)];
        sum = dot_bfloat16(sum, a0, b0, a1, b1, order);
      }
      for (const float sum : sums) {
        out[i][j] += sum;
      }
    }
  }
  return c;
}

}  // namespace

TEST_CASE("gamma bounds sums in the worst order that there is", "[bounds]") {
  // One and then numbers that each round half a unit in the last place away.
  for (const int64_t n : {3, 30, 60}) {
    float sum = 1;
    double exact = 1;
    for (int64_t i = 1; i < n; ++i) {
      sum += static_cast<float>(kFloatRoundoff);
      exact += kFloatRoundoff;
    }
    const double error = std::abs(sum - exact);
    CHECK(error <= gamma(static_cast<double>(n), kFloatRoundoff) * exact);
    CHECK(error > gamma(static_cast<double>(n) / 4, kFloatRoundoff) * exact);
  }
  // Beyond 64 terms: signs at random.
  std::mt19937 engine(1);
  std::normal_distribution<float> normal;
  for (const int n : {1000, 100000}) {
    float sum = 0;
    double exact = 0;
    double size = 0;
    for (int i = 0; i < n; ++i) {
      const float x = normal(engine);
      sum += x;
      exact += x;
      size += std::abs(x);
    }
    CHECK(std::abs(sum - exact) <= gamma(n, kFloatRoundoff) * size);
  }
  CHECK(gamma(10, kFloatRoundoff) == Approx(10 * kFloatRoundoff).epsilon(1e-3));
  CHECK(gamma(10000, kFloatRoundoff) == Approx(800 * kFloatRoundoff).epsilon(1e-3));
}

TEST_CASE("product_bound holds for the model of vdpbf16ps in every order of its sums", "[bounds]") {
  torch::manual_seed(1);
  for (const auto& [rows, depth, columns] :
       {std::tuple{1, 1, 1}, {3, 5, 7}, {5, 449, 9}, {20, 1024, 33}, {2, 4001, 3}}) {
    for (const double scale : {1.0, 1e-18, 1e-19, 1e-20}) {  // products down to the subnormal ones
      const auto a = torch::randn({rows, depth}) * scale;
      const auto b = torch::randn({depth, columns}) * scale;
      const auto exact = torch::matmul(rounded_to_bfloat16(a).to(torch::kDouble),
                                       rounded_to_bfloat16(b).to(torch::kDouble));
      const auto bound = product_bound(rounded_to_bfloat16(a), rounded_to_bfloat16(b));
      for (const auto order :
           {PairOrder::kSecondFirst, PairOrder::kFirstFirst, PairOrder::kPairFirst}) {
        for (const int64_t lanes : {1, 16}) {
          INFO(rows << " x " << depth << " x " << columns << ", scale " << scale << ", order "
                    << static_cast<int>(order) << ", lanes " << lanes);
          require_close(multiply_by_model(a, b, order, lanes).to(torch::kDouble), exact, bound);
        }
      }
    }
  }
}

TEST_CASE("product_bound refuses operands as they are and a sum that lacks a term", "[bounds]") {
  torch::manual_seed(2);
  for (const int64_t depth : {5, 64, 449, 1024}) {
    INFO("depth " << depth);
    const auto a = torch::randn({20, depth});
    const auto b = torch::randn({depth, 33});
    const auto c = multiply_by_model(a, b, PairOrder::kSecondFirst, 1).to(torch::kDouble);
    const auto x = rounded_to_bfloat16(a).to(torch::kDouble);
    const auto y = rounded_to_bfloat16(b).to(torch::kDouble);
    const auto bound = product_bound(x, y);
    CHECK(excess(c, torch::matmul(x, y), bound) <= 0);
    const auto unrounded = torch::matmul(a.to(torch::kDouble), b.to(torch::kDouble));
    CHECK(excess(c, unrounded, bound) > 0);
    CHECK(excess(c, unrounded, bound + rounding_of_operands(a, b)) <= 0);
    const auto fewer = torch::matmul(x.slice(1, 1), y.slice(0, 1));
    CHECK(excess(c, fewer, bound) > 0);
  }
}

TEST_CASE("round_to_bfloat16 rounds as LibTorch does", "[bounds]") {
  torch::manual_seed(3);
  const auto x = torch::randn({1000});
  const auto ties = torch::tensor({1 + 0x1p-8, 1 + 0x3p-8, -1 - 0x1p-8, 0.0}).to(torch::kFloat);
  for (const auto& values : {x, ties}) {
    for (int64_t i = 0; i < values.numel(); ++i) {
      CHECK(round_to_bfloat16(values[i].item<float>()) ==
            rounded_to_bfloat16(values)[i].item<float>());
    }
  }
}

namespace {

// A layer with noise, its normalisation, a cost and all gradients.
struct BoundedLayer {
  torch::Tensor x, w, noise;

  template <class Spread>
  std::vector<torch::Tensor> run(torch::Dtype dtype, const Spread& spread) const {
    const auto in = x.to(dtype).detach().requires_grad_();
    const auto weight = w.to(dtype).detach().requires_grad_();
    const auto u = torch::linear(in, weight);
    const auto z = (u - u.mean(0)) / spread(u) + 0.3 * noise.to(dtype);
    const auto h = torch::tanh(z);
    const auto cost =
        torch::cross_entropy_loss(h, torch::arange(x.size(0)) % w.size(0)) + h.square().mean();
    cost.backward();
    return {u, z, h, cost, in.grad(), weight.grad()};
  }
};

torch::Tensor deviation(const torch::Tensor& u) { return (u.var(0, false) + 1e-10).sqrt(); }

}  // namespace

TEST_CASE("rounding_of bounds values and gradients in float32, and is not far above", "[bounds]") {
  torch::manual_seed(4);
  for (const auto& [rows, in, out] : {std::tuple{8, 5, 3}, {30, 40, 20}, {300, 700, 10}}) {
    INFO(rows << " x " << in << " x " << out);
    const BoundedLayer layer{torch::randn({rows, in}, torch::kDouble),
                             torch::randn({out, in}, torch::kDouble),
                             torch::randn({rows, out}, torch::kDouble)};
    const auto exact = layer.run(torch::kDouble, deviation);
    const auto actual = layer.run(torch::kFloat, deviation);
    const auto bounds =
        rounding_of([&] { return layer.run(torch::kDouble, deviation); }, torch::kFloat);
    for (size_t i = 0; i < exact.size(); ++i) {
      INFO("result " << i);
      require_close(actual[i].to(torch::kDouble), exact[i], bounds[i]);
      CHECK(bounds[i].most.item<double>() < 1e-4 * exact[i].abs().max().item<double>());
    }
  }
}

TEST_CASE("rounding_of refuses what is not rounding", "[bounds]") {
  torch::manual_seed(5);
  const BoundedLayer layer{torch::randn({100, 40}, torch::kDouble),
                           torch::randn({20, 40}, torch::kDouble),
                           torch::randn({100, 20}, torch::kDouble)};
  const auto exact = [&] { return layer.run(torch::kDouble, deviation); };
  const auto bounds = rounding_of(exact, torch::kFloat);
  const auto refused = [&](const std::vector<torch::Tensor>& wrong) {
    for (size_t i = 1; i < wrong.size(); ++i) {  // all but the product itself
      INFO("result " << i);
      CHECK(excess(wrong[i].to(torch::kDouble), exact()[i], bounds[i]) > 0);
    }
  };
  SECTION("the variance in place of the standard deviation") {
    refused(layer.run(torch::kFloat, [](const auto& u) { return u.var(0, false); }));
  }
  SECTION("the unbiased variance") {
    refused(layer.run(torch::kFloat, [](const auto& u) { return (u.var(0) + 1e-10).sqrt(); }));
  }
  SECTION("an epsilon of 0.1") {
    refused(layer.run(torch::kFloat, [](const auto& u) { return (u.var(0, false) + 0.1).sqrt(); }));
  }
  SECTION("one noise value left out") {
    auto other = layer;
    other.noise = layer.noise.clone();
    other.noise[3][2] = 0;
    refused(other.run(torch::kFloat, deviation));
  }
  SECTION("a gradient that does not go through the statistics") {
    const auto wrong =
        layer.run(torch::kFloat, [](const auto& u) { return deviation(u).detach(); });
    CHECK(excess(wrong[1].to(torch::kDouble), exact()[1], bounds[1]) <= 0);
    CHECK(excess(wrong[4].to(torch::kDouble), exact()[4], bounds[4]) > 0);
  }
}

TEST_CASE("rounding_of leaves results and generators as they were", "[bounds]") {
  torch::manual_seed(6);
  const auto x = torch::rand({5, 4}, torch::kDouble);
  const auto before = x.clone();
  const auto f = [&] { return std::vector{x.view({20}).exp().sum()}; };
  const auto value = f()[0];
  const auto first = rounding_of(f, torch::kDouble)[0];
  const auto second = rounding_of(f, torch::kFloat)[0];
  CHECK(torch::equal(x, before));
  CHECK(torch::equal(f()[0], value));
  CHECK(second.most.item<double>() == Approx(0x1p29 * first.most.item<double>()));
  const auto next = torch::rand({1});
  torch::manual_seed(6);
  torch::rand({5, 4}, torch::kDouble);
  CHECK(torch::equal(torch::rand({1}), next));
}

TEST_CASE("winograd_by_definition is the convolution", "[bounds]") {
  torch::manual_seed(7);
  for (const int64_t padding : {0, 1, 2}) {
    const auto x = torch::randn({2, 3, 7, 9}, torch::kDouble);
    const auto w = torch::randn({4, 3, 3, 3}, torch::kDouble);
    const auto form = [&] { return std::vector{winograd_by_definition(x, w, padding)}; };
    const auto expected = torch::conv2d(x, w, {}, 1, padding);
    const auto bound = rounding_of(form, torch::kDouble)[0];
    require_close(form()[0], expected, bound);
    // Its terms are larger than those of the sum.
    const auto direct = rounding_of(
        [&] { return std::vector{torch::conv2d(x, w, {}, 1, padding)}; }, torch::kDouble)[0];
    CHECK(bound.most.item<double>() > direct.most.item<double>());
  }
}

TEST_CASE("roundings scale with the terms, and a share with the result", "[bounds]") {
  const auto b = torch::tensor({1.0, 100.0}, torch::kDouble);
  CHECK(excess(b * (1 + 3 * kFloatRoundoff), b, roundings(4, torch::kFloat)) < 0);
  CHECK(excess(b * (1 + 5 * kFloatRoundoff), b, roundings(4, torch::kFloat)) > 0);
  CHECK(excess(b + 3 * kFloatRoundoff, b, roundings(4, torch::kFloat, 1.0)) < 0);
  CHECK(excess(b + 5 * kFloatRoundoff, b, roundings(4, torch::kFloat, 1.0)) > 0);
  CHECK(excess(b * (1 + 7 * kFloatRoundoff), b, roundings(4, torch::kFloat) * 2) < 0);
  CHECK_THROWS_WITH(excess(b, b, Bound{torch::zeros({3}, torch::kDouble)}),
                    Catch::Contains("expected a bound of shape [2] or a scalar but got [3]"));
}
