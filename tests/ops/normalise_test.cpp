#include "ladder/ops/normalise.h"

#include <torch/torch.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "ladder/ops/denoise.h"
#include "ladder/ops/internal/elements.h"
#include "ladder/ops/kernels/cpu/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/equal_ranks.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using ladder::Activation;
using ladder::NoiseDraw;
using ladder::ops::NormaliseArguments;
using ladder::ops::NormaliseResult;
using ladder::testing::require_close;
using ladder::testing::require_equal;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::rounding_of;
using ladder::testing::roundings;
using ladder::testing::weighted_sum;

namespace {

constexpr Activation kActivations[] = {Activation::kIdentity, Activation::kRelu,
                                       Activation::kLeakyRelu, Activation::kTanh,
                                       Activation::kGelu};

std::vector<torch::Tensor> all(const NormaliseResult& result) {
  std::vector<torch::Tensor> tensors = {result.h, result.mean, result.std};
  tensors.insert(tensors.end(), result.z.begin(), result.z.end());
  return tensors;
}

struct NormaliseCase {
  torch::Tensor x;
  NormaliseArguments arguments;

  NormaliseCase(int64_t columns, torch::Dtype dtype, Activation activation, bool gamma = true,
                int64_t times = 1) {
    x = torch::randn({12 * times, columns}, torch::kDouble)
            .mul(2)
            .add(0.7)
            .to(dtype)
            .requires_grad_();
    arguments.groups = {{.rows = 3 * times, .noise_std = 0.3},
                        {.rows = 5 * times, .noise_std = 0.4},
                        {.rows = 4 * times, .noise_std = 0}};
    arguments.noise = NoiseDraw{.seed = 5, .offset = 123, .values = {}};
    arguments.beta = torch::randn({columns}, torch::kDouble).to(dtype).requires_grad_();
    if (gamma) {  // of both signs
      const auto sign = 1 - 2 * torch::arange(columns, torch::kDouble).remainder(2);
      arguments.gamma =
          torch::rand({columns}, torch::kDouble).add(0.5).mul(sign).to(dtype).requires_grad_();
    }
    arguments.activation = activation;
    arguments.leaky_slope = 0.3;  // not the default
  }
  NormaliseCase to(torch::Dtype dtype) const {
    NormaliseCase copy = *this;
    copy.x = x.detach().to(dtype).requires_grad_();
    copy.arguments.beta = arguments.beta->detach().to(dtype).requires_grad_();
    if (arguments.gamma) {
      copy.arguments.gamma = arguments.gamma->detach().to(dtype).requires_grad_();
    }
    return copy;
  }
  std::vector<torch::Tensor> gradients() const {
    std::vector<torch::Tensor> grads = {x.grad(), arguments.beta->grad()};
    if (arguments.gamma) {
      grads.push_back(arguments.gamma->grad());
    }
    return grads;
  }
};

// What f returns for a copy of the case in `dtype`, and the gradients of all of it.
template <class F>
std::vector<torch::Tensor> values_and_gradients(const NormaliseCase& of, torch::Dtype dtype,
                                                const F& f) {
  const auto c = of.to(dtype);
  auto results = f(c.x, c.arguments);
  weighted_sum(results).backward();
  for (const auto& grad : c.gradients()) {
    results.push_back(grad);
  }
  return results;
}

// Requires of the operator in `dtype` what the composite gives in float64. A row on the other side
// of a kink would differ by more than rounding; none is in the cases.
template <class Outputs>
void require_as_composite(const NormaliseCase& of, torch::Dtype dtype, const Outputs& outputs) {
  const auto composite = [&] {
    return values_and_gradients(of, torch::kDouble, [&](const auto& x, const auto& arguments) {
      return outputs(ladder::ops::reference::normalise(x, arguments));
    });
  };
  const auto actual = values_and_gradients(of, dtype, [&](const auto& x, const auto& arguments) {
    return outputs(ladder::ops::normalise(x, arguments));
  });
  const auto expected = composite();
  // Of many rows two draws do: the largest element says enough.
  const auto bounds = rounding_of(composite, dtype, of.x.size(0) > 1000 ? 2 : 4);
  REQUIRE(actual.size() == expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    INFO("tensor " << i << " of outputs and gradients");
    require_close(actual[i].to(torch::kDouble), expected[i], bounds[i]);
  }
}

}  // namespace

TEST_CASE("normalise adds the noise from where a position stands", "[ops]") {
  NormaliseCase moved(7, torch::kFloat, Activation::kRelu);
  moved.arguments.noise = NoiseDraw{
      .seed = 5, .offset = 100, .values = {}, .position = torch::full({}, 23, torch::kLong)};
  auto plain = moved.arguments;
  plain.noise = NoiseDraw{.seed = 5, .offset = 123, .values = {}};
  for (const auto f : {ladder::ops::normalise, ladder::ops::reference::normalise}) {
    CHECK(f(moved.x, moved.arguments).z[0].equal(f(moved.x, plain).z[0]));
    CHECK(f(moved.x, moved.arguments).z[1].equal(f(moved.x, plain).z[1]));
  }
}

TEST_CASE("normalise measures many rows far from 0 to the precision of float32", "[ops]") {
  torch::manual_seed(11);
  const auto drift = torch::linspace(0, 3, 20001, torch::kDouble).unsqueeze(1);  // chunks differ
  const auto x = (torch::randn({20001, 21}, torch::kDouble) + drift + 100).to(torch::kFloat);
  const auto exact = x.to(torch::kDouble);
  const auto result = ladder::ops::normalise(x, {.groups = {{9000, 0}, {11001, 0}}});
  int64_t first = 0;
  for (const int64_t group : {0, 1}) {
    const auto rows = exact.narrow(0, first, group == 0 ? 9000 : 11001);
    first += rows.size(0);
    const auto measure = [&] {
      return std::vector<torch::Tensor>{rows.mean(0), rows.var(0, false).sqrt()};
    };
    const auto bounds = rounding_of(measure, torch::kFloat);
    require_close(result.mean[group].to(torch::kDouble), measure()[0], bounds[0]);
    require_close(result.std[group].to(torch::kDouble), measure()[1], bounds[1]);
  }
}

TEST_CASE("normalise measures columns whose mean has no square in float32", "[ops]") {
  constexpr float kLarge = 0x1p67F;            // 1.5e20
  for (const int64_t rows : {4, 300, 3000}) {  // a chunk, several, parts of rows
    INFO(rows << " rows");
    const auto x = torch::full({rows, 70}, kLarge);
    const NormaliseArguments arguments{.groups = {{.rows = rows}}};
    const auto least = static_cast<float>(std::sqrt(ladder::kVarianceEpsilon));
    for (const auto f : {ladder::ops::normalise, ladder::ops::reference::normalise}) {
      const auto result = f(x, arguments);
      require_equal(result.mean, torch::full({1, 70}, kLarge));
      require_close(result.std, torch::full({1, 70}, least), roundings(4, torch::kFloat));
      require_equal(result.h, torch::zeros({rows, 70}));
    }
  }
}

TEST_CASE("normalise gives 0 for constant columns", "[ops]") {
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    for (const int64_t rows : {2, 3, 100, 129, 300, 3000}) {  // a chunk, several, parts of rows
      INFO(rows << " rows in " << dtype);
      const auto column =
          torch::tensor({7.3, 1000.1, -3e-5, 0.1, 1.1e20}, torch::kDouble).to(dtype);
      const auto x = column.repeat({rows, 1});
      const auto zeros = torch::zeros_like(x);
      for (const auto f : {ladder::ops::normalise, ladder::ops::reference::normalise}) {
        const auto result = f(x, {.groups = {{.rows = rows}}});
        require_equal(result.mean, column.unsqueeze(0));
        require_equal(result.h, zeros);
      }
      // z_hat is the normalised u.
      auto weight = torch::zeros({9, 5}, dtype);
      weight[2].fill_(1);
      for (const auto f : {ladder::ops::denoise, ladder::ops::reference::denoise}) {
        require_equal(f(zeros, x, weight, ladder::ops::CombinatorFunction::kVanilla, {}).z_hat,
                      zeros);
      }
    }
  }
}

TEST_CASE("normalise measures a mean that is large beside the deviations", "[ops]") {
  torch::manual_seed(16);
  constexpr int64_t kRows = 128;
  const auto x =
      (torch::randn({kRows, 40}, torch::kDouble) * 0.01 + 1000).to(torch::kFloat);  // [R, C]
  const auto exact = x.to(torch::kDouble);
  const auto mean = exact.mean(0);
  const auto std = (exact.var(0, false) + ladder::kVarianceEpsilon).sqrt();
  // The mean is rounded once more after its correction, whose terms are the deviations from the
  // mean of before: that one was off by `off` at most. Their squares round as a sum does.
  const double u = ladder::testing::unit_roundoff(torch::kFloat);
  const auto of_sum = ladder::testing::gamma(kRows + 2, torch::kFloat);
  const auto off = of_sum * mean;
  const ladder::testing::Bound bound{
      .most = ((u * mean + of_sum * (std + off)) / std).expand_as(exact),
      .share = 2 * of_sum * (1 + (off / std).square().max().item<double>())};
  for (const auto f : {ladder::ops::normalise, ladder::ops::reference::normalise}) {
    const auto h = f(x, {.groups = {{.rows = kRows}}}).h;
    require_close(h.to(torch::kDouble), (exact - mean) / std, bound);
  }
}

TEST_CASE("normalise is the textbook formula on known numbers", "[ops]") {
  // Rows 1, 3 of a noisy group with noise values 1, -1; rows 10, 20 of a clean one.
  const auto x = torch::tensor({{1.0}, {3.0}, {10.0}, {20.0}}, torch::kDouble);
  const auto result = ladder::ops::normalise(
      x, {.groups = {{.rows = 2, .noise_std = 0.5}, {.rows = 2, .noise_std = 0}},
          .noise = NoiseDraw{.values = torch::tensor({{1.0}, {-1.0}}, torch::kDouble)},
          .gamma = torch::tensor({2.0}, torch::kDouble),
          .beta = torch::tensor({0.25}, torch::kDouble),
          .activation = Activation::kRelu});
  require_close(result.mean, torch::tensor({{2.0}, {15.0}}, torch::kDouble));
  // Standard deviations 1 and 5 with 1e-10 beside the variance.
  const double s = std::sqrt(1 + ladder::kVarianceEpsilon);
  const double t = std::sqrt(25 + ladder::kVarianceEpsilon);
  require_close(result.std, torch::tensor({{s}, {t}}, torch::kDouble));
  require_close(result.z[0], torch::tensor({{-1 / s + 0.5}, {1 / s - 0.5}}, torch::kDouble));
  require_close(result.z[1], torch::tensor({{-5 / t}, {5 / t}}, torch::kDouble));
  require_close(result.h,
                torch::tensor({{0.0}, {2 * (1 / s - 0.5 + 0.25)}, {0.0}, {2 * (5 / t + 0.25)}},
                              torch::kDouble));
}

TEST_CASE("normalise kernel agrees with the composite in float64", "[ops][grad]") {
  torch::manual_seed(1);
  for (const int64_t columns : {1, 7, 16, 37, 64, 130}) {
    for (const auto activation : kActivations) {
      INFO(columns << " columns, " << to_string(activation));
      require_as_composite(NormaliseCase(columns, torch::kDouble, activation, columns != 7),
                           torch::kDouble, all);
    }
  }
}

TEST_CASE("normalise in parts of rows agrees with the composite", "[ops][grad]") {
  torch::manual_seed(12);
  for (const int64_t columns : {1, 37, 130}) {
    for (const auto activation : {Activation::kRelu, Activation::kGelu}) {
      INFO(columns << " columns, " << to_string(activation));
      require_as_composite(NormaliseCase(columns, torch::kDouble, activation, columns != 37, 400),
                           torch::kDouble, all);
    }
  }
  NormaliseCase stored(20, torch::kDouble, Activation::kTanh, true, 400);
  stored.arguments.mean = torch::randn({20}, torch::kDouble);
  stored.arguments.std = torch::rand({20}, torch::kDouble) + 0.5;
  require_as_composite(stored, torch::kDouble,
                       [](const NormaliseResult& result) { return std::vector{result.h}; });
}

TEST_CASE("normalise in parts of rows gives the same bits on any number of threads", "[ops]") {
  ladder::testing::check_same_on_threads([] {
    torch::manual_seed(13);
    NormaliseCase c(33, torch::kFloat, Activation::kRelu, true, 400);
    auto results = all(ladder::ops::normalise(c.x, c.arguments));
    weighted_sum(results).backward();
    results.insert(results.end(),
                   {c.x.grad(), c.arguments.beta->grad(), c.arguments.gamma->grad()});
    return results;
  });
}

TEST_CASE("normalise kernel in float32 stays within rounding of float64", "[ops][grad]") {
  torch::manual_seed(2);
  for (const int64_t columns : {1, 7, 33, 250}) {
    for (const auto activation : kActivations) {
      INFO(columns << " columns, " << to_string(activation));
      require_as_composite(NormaliseCase(columns, torch::kFloat, activation), torch::kFloat, all);
    }
  }
}

TEST_CASE("normalise passes central differences", "[ops][grad]") {
  torch::manual_seed(3);
  for (const auto activation : kActivations) {
    INFO(to_string(activation));
    NormaliseCase c(7, torch::kDouble, activation);
    require_gradient(
        [&](const std::vector<torch::Tensor>& in) {
          auto arguments = c.arguments;
          arguments.beta = in[1];
          arguments.gamma = in[2];
          return weighted_sum(all(ladder::ops::normalise(in[0], arguments)));
        },
        {c.x.detach(), c.arguments.beta->detach(), c.arguments.gamma->detach()});
  }
}

TEST_CASE("normalise lets any subset of outputs carry a gradient", "[ops][grad]") {
  torch::manual_seed(4);
  for (size_t chosen = 0; chosen < 6; ++chosen) {
    INFO("output " << chosen);
    NormaliseCase one(9, torch::kDouble, Activation::kTanh);
    const auto gradient = [&](const auto& f) {
      one.x.mutable_grad() = torch::Tensor();
      weighted_sum({all(f(one.x, one.arguments))[chosen]}).backward();
      return std::vector<torch::Tensor>{one.x.grad()};
    };
    const auto composite = [&] { return gradient(ladder::ops::reference::normalise); };
    require_close(gradient(ladder::ops::normalise)[0], composite()[0],
                  rounding_of(composite, torch::kDouble)[0]);
  }
}

TEST_CASE("normalise takes strided inputs and groups of other sizes", "[ops][grad]") {
  torch::manual_seed(5);
  const auto base = torch::randn({11, 5}, torch::kDouble);
  const auto x = base.t().detach().requires_grad_();  // [5, 11], not contiguous
  const NormaliseArguments arguments{
      .groups = {{.rows = 2, .noise_std = 0.2}, {.rows = 3, .noise_std = 0.2}},
      .noise = NoiseDraw{.values = torch::randn({11, 5}, torch::kDouble).t()}};
  const auto run = [&](const auto& f) {
    x.mutable_grad() = torch::Tensor();
    const auto result = f(x, arguments);
    weighted_sum(all(result)).backward();
    return std::vector<torch::Tensor>{result.h, x.grad()};
  };
  const auto composite = [&] { return run(ladder::ops::reference::normalise); };
  const auto bounds = rounding_of(composite, torch::kDouble);
  const auto expected = composite();
  const auto actual = run(ladder::ops::normalise);
  require_close(actual[0], expected[0], bounds[0]);
  require_close(actual[1], expected[1], bounds[1]);
}

TEST_CASE("normalise uses stored statistics when given", "[ops][grad]") {
  torch::manual_seed(6);
  const auto x = torch::randn({4, 5}, torch::kDouble).requires_grad_();
  const auto mean = torch::randn({5}, torch::kDouble);
  const auto std = torch::rand({5}, torch::kDouble) + 0.5;
  const auto result =
      ladder::ops::normalise(x, {.groups = {{.rows = 4}}, .mean = mean, .std = std});
  require_close(result.h, (x - mean) / std,
                roundings(4, torch::kDouble, (x.abs() + mean.abs()) / std));
  weighted_sum({result.h}).backward();
  const auto y = x.detach().requires_grad_();
  weighted_sum({(y - mean) / std}).backward();
  require_close(x.grad(), y.grad(), roundings(4, torch::kDouble));
}

TEST_CASE("normalise without z gives the same h and gradients", "[ops][grad]") {
  torch::manual_seed(9);
  for (const auto activation : kActivations) {
    for (const bool gamma : {false, true}) {
      for (const double slope : {0.1, -0.2}) {
        INFO(to_string(activation) << ", gamma " << gamma << ", slope " << slope);
        NormaliseCase kept(21, torch::kFloat, activation, gamma);
        kept.arguments.leaky_slope = slope;
        NormaliseCase bare = kept.to(torch::kFloat);
        bare.arguments.keep_z = false;
        const auto with_z = ladder::ops::normalise(kept.x, kept.arguments);
        const auto without = ladder::ops::normalise(bare.x, bare.arguments);
        CHECK(without.z.empty());
        CHECK(torch::equal(without.h, with_z.h));
        weighted_sum({with_z.h, with_z.mean, with_z.std}).backward();
        weighted_sum({without.h, without.mean, without.std}).backward();
        CHECK(torch::equal(bare.x.grad(), kept.x.grad()));
        CHECK(torch::equal(bare.arguments.beta->grad(), kept.arguments.beta->grad()));
        const torch::NoGradGuard no_grad;
        CHECK(ladder::ops::normalise(bare.x, bare.arguments).z.empty());
        CHECK(ladder::ops::reference::normalise(bare.x, bare.arguments).z.empty());
      }
    }
  }
}

TEST_CASE("normalise lets a NaN through every activation", "[ops]") {
  for (const auto activation : kActivations) {
    INFO(to_string(activation));
    const auto x = torch::full({3, 2}, std::nan(""));
    CHECK(torch::isnan(
              ladder::ops::normalise(x, {.groups = {{.rows = 3}}, .activation = activation}).h)
              .all()
              .item<bool>());
  }
}

TEST_CASE("normalise lets infinite numbers through lines as the composite does", "[ops]") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto x = torch::tensor({kInfinity, -kInfinity}).repeat({2, 19}).t().contiguous();
  for (const auto activation : {Activation::kIdentity, Activation::kRelu, Activation::kLeakyRelu}) {
    for (const double slope : {0.1, -0.2}) {
      INFO(to_string(activation) << ", slope " << slope);
      const NormaliseArguments arguments{.groups = {{.rows = 38}},
                                         .activation = activation,
                                         .leaky_slope = slope,
                                         .mean = torch::ones({2}),
                                         .std = torch::full({2}, 2.0F)};
      CHECK(torch::equal(ladder::ops::normalise(x, arguments).h,
                         ladder::ops::reference::normalise(x, arguments).h));
    }
  }
}

TEST_CASE("normalise runs in bfloat16 through the composite", "[ops]") {
  const auto x = torch::randn({6, 4}).to(torch::kBFloat16);
  const auto result = ladder::ops::normalise(x, {.groups = {{.rows = 6}}});
  CHECK(result.h.scalar_type() == torch::kBFloat16);
  require_rounded({result.h}, [&] {
    return std::vector{
        ladder::ops::reference::normalise(x.to(torch::kDouble), {.groups = {{.rows = 6}}}).h};
  });
}

TEST_CASE("normalise and denoise measure 16-bit types in float32", "[ops][grad]") {
  torch::manual_seed(17);
  for (const auto dtype : {torch::kHalf, torch::kBFloat16}) {
    INFO(dtype);
    auto x = torch::randn({50, 4}).to(dtype);
    x.select(1, 0).fill_(7.3);  // a constant column, whose variance is 1e-10 alone
    x.select(1, 1).mul_(300);   // whose squares are beyond float16
    const auto rows = x.detach().requires_grad_();
    const auto result = ladder::ops::normalise(rows, {.groups = {{.rows = 50}}});
    const auto wide = x.to(torch::kFloat);
    const auto expected = ladder::ops::normalise(wide, {.groups = {{.rows = 50}}});
    // Rounded from float32, whose own roundings are far below.
    require_close(result.mean, expected.mean.to(dtype), roundings(2, dtype, wide.abs().max()));
    require_close(result.std, expected.std.to(dtype),
                  roundings(2, dtype) + ladder::testing::Bound{.most = torch::full({}, 0x1p-24)});
    require_equal(result.h.select(1, 0).detach(), torch::zeros({50}, dtype));
    CHECK(torch::isfinite(result.h).all().item<bool>());
    result.h.select(1, 2).square().sum().backward();
    CHECK(torch::isfinite(rows.grad()).all().item<bool>());
    auto weight = torch::zeros({9, 4}, dtype);
    weight[2].fill_(1);  // z_hat is the normalised u
    const auto z_hat = ladder::ops::denoise(torch::zeros_like(x), x, weight,
                                            ladder::ops::CombinatorFunction::kVanilla, {})
                           .z_hat;
    require_equal(z_hat.select(1, 0), torch::zeros({50}, dtype));
    require_equal(z_hat, result.h.detach());
  }
}

TEST_CASE("normalise takes stored statistics for constants, with and without a kernel",
          "[ops][grad]") {
  const auto x = torch::randn({4, 3}).requires_grad_();
  const auto mean = torch::randn({3}).requires_grad_();
  const auto std = (torch::rand({3}) + 0.5).requires_grad_();
  for (const auto f : {ladder::ops::normalise, ladder::ops::reference::normalise}) {
    const auto result = f(x, {.groups = {{.rows = 4}}, .mean = mean, .std = std});
    weighted_sum({result.h}).backward();
    CHECK_FALSE(mean.grad().defined());
    CHECK_FALSE(std.grad().defined());
  }
}

TEST_CASE("normalise kernels agree between instruction sets", "[ops][every-kernel]") {
  torch::manual_seed(7);
  const auto tables = ladder::ops::cpu::runnable_kernels();
  const auto x = torch::randn({8, 45});
  const ladder::ops::GroupSpan groups[] = {{0, 5, 0.3, 0}, {5, 8, 0, 5}};
  const auto bound = rounding_of(
      [&] {
        return std::vector{
            ladder::ops::reference::normalise(
                x.to(torch::kDouble), {.groups = {{.rows = 5, .noise_std = 0.3}, {.rows = 3}},
                                       .noise = NoiseDraw{.seed = 4, .offset = 0, .values = {}},
                                       .activation = Activation::kGelu})
                .h};
      },
      torch::kFloat)[0];
  torch::Tensor first;
  for (int i = 0; i < tables.count; ++i) {
    INFO(tables.tables[i]->name);
    auto h = torch::empty_like(x);
    auto z = torch::empty_like(x);
    auto mean = torch::empty({2, 45});
    auto std = torch::empty({2, 45});
    tables.tables[i]->run(
        ladder::ops::NormaliseForward<float>{.x = x.const_data_ptr<float>(),
                                             .cols = 45,
                                             .groups = groups,
                                             .group_count = 2,
                                             .noise = {.seed = 4, .offset = 0},
                                             .gamma = nullptr,
                                             .beta = nullptr,
                                             .activation = ladder::Activation::kGelu,
                                             .slope = 0,
                                             .eps = 1e-10F,
                                             .stored = false,
                                             .mean = mean.mutable_data_ptr<float>(),
                                             .std = std.mutable_data_ptr<float>(),
                                             .z = z.mutable_data_ptr<float>(),
                                             .h = h.mutable_data_ptr<float>()},
        0, 45);
    if (i == 0) {
      first = h;
    }
    require_close(h, first, bound * 2);
  }
}

TEST_CASE("normalise names what does not fit", "[ops]") {
  const auto x = torch::ones({4, 3});
  using ladder::ops::normalise;
  CHECK_THROWS_WITH(normalise(torch::ones({4}), {.groups = {{.rows = 4}}}),
                    Catch::Contains("expected x of shape [R, C] but got [4]"));
  CHECK_THROWS_WITH(normalise(x, {.groups = {{.rows = 3}}}),
                    Catch::Contains("expected the groups to cover 4 rows but got 3"));
  CHECK_THROWS_WITH(normalise(x, {.groups = {{.rows = 4}, {.rows = 0}}}),
                    Catch::Contains("expected groups of at least 1 row but got 0"));
  CHECK_THROWS_WITH(normalise(x, {.groups = {{.rows = 4, .noise_std = 0.1}}}),
                    Catch::Contains("expected noise for 4 noisy rows but got none"));
  CHECK_THROWS_WITH(normalise(x, {.groups = {{.rows = 4}}, .beta = torch::ones({2})}),
                    Catch::Contains("expected beta [3] but got [2]"));
  CHECK_THROWS_WITH(
      normalise(x, {.groups = {{.rows = 4}}, .beta = torch::ones({3}, torch::kDouble)}),
      Catch::Contains("expected beta of type Float but got Double"));
}

TEST_CASE("normalise refuses a gradient of a gradient", "[ops]") {
  const auto x = torch::randn({4, 3}).requires_grad_();
  const auto y = ladder::ops::normalise(x, {.groups = {{.rows = 4}}}).h.square().sum();
  CHECK_THROWS_WITH(torch::autograd::grad({y}, {x}, {}, true, true),
                    Catch::Contains("gradient of a gradient is not supported"));
}

TEST_CASE("standardise_over refuses a gradient of a gradient", "[ops]") {
  const auto ranks = ladder::testing::equal_ranks();
  const auto x = torch::randn({4, 3}, torch::kDouble).requires_grad_();
  const auto y = ladder::ops::standardise_over(ranks, x, {4}).x.pow(3).sum();
  CHECK_THROWS_WITH(torch::autograd::grad({y}, {x}, {}, true, true),
                    Catch::Contains("standardise_over: the gradient of a gradient is not supported "
                                    "over several ranks"));
  CHECK(torch::autograd::grad({y}, {x})[0].isfinite().all().item<bool>());
}

TEST_CASE("standardise_over without several ranks is normalise of these rows", "[ops][grad]") {
  torch::manual_seed(18);
  struct OneRank : ladder::BatchRanks {
    int64_t size() const override { return 1; }
    void all_reduce(torch::Tensor&) override {}
    std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor) override { return {tensor}; }
  };
  const std::vector<std::shared_ptr<ladder::BatchRanks>> alone = {nullptr,
                                                                  std::make_shared<OneRank>()};
  for (const auto& ranks : alone) {
    const auto x = torch::randn({7, 3}).requires_grad_();
    const auto y = x.detach().requires_grad_();
    const auto actual = ladder::ops::standardise_over(ranks, x, {4, 3});
    const auto expected = ladder::ops::normalise(y, {.groups = {{.rows = 4}, {.rows = 3}}});
    require_equal(actual.x, expected.h);
    require_equal(actual.mean, expected.mean);
    require_equal(actual.std, expected.std);
    weighted_sum({actual.x, actual.mean, actual.std}).backward();
    weighted_sum({expected.h, expected.mean, expected.std}).backward();
    require_equal(x.grad(), y.grad());
  }
}

TEST_CASE("standardise_over of two equal halves is normalise of both, in value and gradient",
          "[ops][grad]") {
  torch::manual_seed(19);
  const auto x0 = torch::randn({7, 3}, torch::kDouble) * 2 + 5;
  // Both ranks hold these rows: their statistics are those of the rows, and the gradient of a
  // rank is that of both ranks' costs.
  const auto over = [&] {
    const auto x = x0.clone().requires_grad_();
    const auto result = ladder::ops::standardise_over(ladder::testing::equal_ranks(), x, {4, 3});
    weighted_sum({result.x, result.mean, result.std}).backward();
    return std::vector<torch::Tensor>{result.x, result.mean, result.std, x.grad()};
  };
  // Gradients reach x by way of x itself once, and by way of the statistics from both ranks to
  // twice the rows: as often as alone.
  const auto by_definition = [&] {
    const auto x = x0.clone().requires_grad_();
    std::vector<torch::Tensor> rows, means, stds;
    for (const auto& part : x.split_with_sizes({4, 3})) {
      means.push_back(part.mean(0));
      stds.push_back(((part - means.back()).square().mean(0) + ladder::kVarianceEpsilon).sqrt());
      rows.push_back((part - means.back()) / stds.back());
    }
    const std::vector<torch::Tensor> result = {torch::cat(rows), torch::stack(means),
                                               torch::stack(stds)};
    weighted_sum(result).backward();
    return std::vector<torch::Tensor>{result[0], result[1], result[2], x.grad()};
  };
  require_rounded(over(), by_definition);
  // On known numbers: 1, 3 on each rank have the mean 2 and the deviation 1.
  const auto known = ladder::ops::standardise_over(
      ladder::testing::equal_ranks(), torch::tensor({{1.0}, {3.0}}, torch::kDouble), {2});
  const double s = std::sqrt(1 + ladder::kVarianceEpsilon);
  require_close(known.mean, torch::tensor({{2.0}}, torch::kDouble));
  require_close(known.std, torch::tensor({{s}}, torch::kDouble));
  require_close(known.x, torch::tensor({{-1 / s}, {1 / s}}, torch::kDouble));
}

TEST_CASE("standardise_over names what does not fit", "[ops]") {
  using ladder::ops::standardise_over;
  for (const auto& ranks :
       {std::shared_ptr<ladder::BatchRanks>(), ladder::testing::equal_ranks()}) {
    CHECK_THROWS_WITH(standardise_over(ranks, torch::ones({4}), {4}),
                      Catch::Contains("standardise_over: expected x of shape [R, C] but got [4]."));
    CHECK_THROWS_WITH(
        standardise_over(ranks, torch::ones({4, 3}), {3}),
        Catch::Contains("standardise_over: expected the groups to cover 4 rows but got 3."));
    CHECK_THROWS_WITH(
        standardise_over(ranks, torch::ones({4, 3}), {4, 0}),
        Catch::Contains("standardise_over: expected groups of at least 1 row but got 0."));
  }
}

TEST_CASE("normalise refuses a group of one row without stored statistics", "[ops]") {
  const auto x = torch::randn({5, 3});
  CHECK_THROWS_WITH(
      ladder::ops::normalise(x, {.groups = {{.rows = 4}, {.rows = 1}}}),
      Catch::Contains("normalise: expected groups of at least 2 rows to measure their "
                      "statistics but got 1 (a single row has no variance and would "
                      "become 0)."));
  const auto one = x.narrow(0, 0, 1);
  const auto stored = ladder::ops::normalise(
      one, {.groups = {{.rows = 1}}, .mean = torch::zeros({3}), .std = torch::ones({3})});
  require_close(stored.h, one);
  CHECK_THROWS_WITH(ladder::ops::normalise_rows(one),
                    Catch::Contains("expected groups of at least 2 rows"));
}

TEST_CASE("normalise runs on devices without kernels", "[ops]") {
  const auto meta = torch::TensorOptions().device(torch::kMeta);
  for (const auto type : {torch::kFloat, torch::kDouble, torch::kBFloat16}) {
    const auto x = torch::empty({6, 4}, meta.dtype(type));
    CHECK_FALSE(ladder::ops::has_kernel(x));
    const auto result = ladder::ops::normalise(
        x, {.groups = {{.rows = 4, .noise_std = 0.3}, {.rows = 2}}, .noise = NoiseDraw{.seed = 1}});
    CHECK(result.h.is_meta());
    CHECK(result.h.sizes() == x.sizes());
    CHECK(result.z[1].sizes() == torch::IntArrayRef({2, 4}));
  }
  CHECK(ladder::ops::has_kernel(torch::ones({1})));
  CHECK(ladder::ops::has_kernel(torch::ones({1}, torch::kDouble)));
  CHECK_FALSE(ladder::ops::has_kernel(torch::ones({1}, torch::kBFloat16)));
  CHECK_FALSE(ladder::ops::has_kernel(torch::ones({1}, torch::kInt)));
}

TEST_CASE("normalise computes the gradients that are asked for, and no others", "[ops][grad]") {
  torch::manual_seed(15);
  for (const int64_t rows : {6, 2100}) {  // in one part, and in parts of rows
    const auto x0 = torch::randn({rows, 5}, torch::kDouble);
    const auto beta0 = torch::randn({5}, torch::kDouble);
    const auto gamma0 = torch::rand({5}, torch::kDouble) + 0.5;
    const auto weights = torch::randn({rows, 5}, torch::kDouble);
    // Gradients of x, beta and gamma where their bits of `wanted` are set.
    const auto gradients = [&](int wanted) {
      std::vector<torch::Tensor> inputs = {x0.clone(), beta0.clone(), gamma0.clone()};
      for (int i = 0; i < 3; ++i) {
        inputs[i].requires_grad_((wanted >> i & 1) != 0);
      }
      const auto h = ladder::ops::normalise(inputs[0], {.groups = {{.rows = rows}},
                                                        .gamma = inputs[2],
                                                        .beta = inputs[1],
                                                        .activation = Activation::kTanh})
                         .h;
      (h * weights).sum().backward();
      return std::vector{inputs[0].grad(), inputs[1].grad(), inputs[2].grad()};
    };
    const auto complete = gradients(7);
    for (int wanted = 1; wanted < 7; ++wanted) {
      INFO(rows << " rows, wanted " << wanted);
      const auto some = gradients(wanted);
      for (int i = 0; i < 3; ++i) {
        REQUIRE(some[i].defined() == ((wanted >> i & 1) != 0));
        CHECK((!some[i].defined() || torch::equal(some[i], complete[i])));
      }
    }
  }
}

TEST_CASE("normalise called by name names a number that is no activation", "[ops]") {
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("ladder::normalise", "");
  torch::jit::Stack stack = {torch::ones({2, 3}),
                             std::vector<int64_t>{2},
                             std::vector<double>{0},
                             c10::IValue(),
                             0,
                             0,
                             c10::IValue(),
                             c10::IValue(),
                             c10::IValue(),
                             9,
                             0.1,
                             c10::IValue(),
                             c10::IValue(),
                             true};
  CHECK_THROWS_WITH(
      op.callBoxed(stack),
      Catch::Contains("normalise: expected an activation from 0 (identity) to 4 (GELU) "
                      "but got 9."));
}

TEST_CASE("normalise called by name checks its operands", "[ops]") {
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("ladder::normalise", "");
  const auto call = [&](const torch::Tensor& x, const std::vector<int64_t>& rows,
                        const std::vector<double>& noise_std, const c10::IValue& gamma) {
    torch::jit::Stack stack = {x,   rows,          noise_std,     c10::IValue(), 0,
                               0,   c10::IValue(), gamma,         c10::IValue(), 0,
                               0.1, c10::IValue(), c10::IValue(), true};
    op.callBoxed(stack);
  };
  const auto x = torch::ones({4, 3});
  CHECK_THROWS_WITH(call(x, {64}, {0}, {}),
                    Catch::Contains("normalise: expected the groups to cover 4 rows but got 64."));
  CHECK_THROWS_WITH(call(x, {4}, {0, 0}, {}),
                    Catch::Contains("expected a noise_std for each of 1 groups but got 2."));
  CHECK_THROWS_WITH(call(x, {4}, {0}, torch::ones({2})),
                    Catch::Contains("normalise: expected gamma [3] but got [2]."));
  CHECK_THROWS_WITH(call(torch::ones({4, 3}).requires_grad_(), {4}, {0}, torch::ones({2})),
                    Catch::Contains("normalise: expected gamma [3] but got [2]."));
}

TEST_CASE("normalise_forward and normalise_backward called by name take what their kernels take",
          "[ops]") {
  const auto find = [](const char* name) {
    return c10::Dispatcher::singleton().findSchemaOrThrow(name, "");
  };
  const auto forward = [&](const torch::Tensor& x) {
    torch::jit::Stack stack = {
        x,   std::vector<int64_t>{4}, std::vector<double>{0}, c10::IValue(), 0,
        0,   c10::IValue(),           c10::IValue(),          c10::IValue(), 1,
        0.1, c10::IValue(),           c10::IValue()};
    find("ladder::normalise_forward").callBoxed(stack);
  };
  const auto backward = [&](const torch::Tensor& x) {
    const auto statistics = torch::ones({1, 3}, x.scalar_type());
    torch::jit::Stack stack = {x,
                               x,
                               statistics,
                               statistics,
                               std::vector<int64_t>{4},
                               std::vector<double>{0},
                               c10::IValue(),
                               c10::IValue(),
                               1,
                               0.1,
                               false,
                               x,
                               c10::IValue(),
                               c10::IValue(),
                               c10::IValue()};
    find("ladder::normalise_backward").callBoxed(stack);
  };
  const auto x = torch::randn({4, 3});
  CHECK_NOTHROW(forward(x));
  CHECK_NOTHROW(backward(x));
  const auto half = x.to(torch::kBFloat16);
  const std::string text =
      ": expected a call that a kernel takes but got 4 rows in 1 group in BFloat16 on cpu (call "
      "ladder::normalise, which takes any).";
  CHECK_THROWS_WITH(forward(half), Catch::Contains("normalise_forward" + text));
  CHECK_THROWS_WITH(backward(half), Catch::Contains("normalise_backward" + text));
}

TEST_CASE("normalise of no columns is empty", "[ops]") {
  const auto result = ladder::ops::normalise(torch::ones({4, 0}), {.groups = {{.rows = 4}}});
  CHECK(result.h.sizes() == at::IntArrayRef({4, 0}));
  CHECK(result.mean.sizes() == at::IntArrayRef({1, 0}));
}

TEST_CASE("normalise copies stored statistics, and backward refuses results that were changed",
          "[ops][grad]") {
  const auto mean = torch::zeros({3}), std = torch::ones({3});
  const auto x = torch::randn({4, 3}).requires_grad_();
  ladder::ops::normalise(x.detach(), {.groups = {{.rows = 4}}, .mean = mean, .std = std})
      .mean.fill_(7);
  CHECK(torch::equal(mean, torch::zeros({3})));
  // The backward pass needs z and std as they were.
  const auto arguments =
      NormaliseArguments{.groups = {{.rows = 4}}, .activation = Activation::kTanh, .keep_z = true};
  for (const bool of_z : {true, false}) {
    const auto result = ladder::ops::normalise(x, arguments);
    {
      const torch::NoGradGuard no_grad;
      (of_z ? result.z[0] : result.std).mul_(2);
    }
    CHECK_THROWS_WITH(result.h.sum().backward(), Catch::Contains("modified by an inplace"));
  }
}
