#include "ladder/ops/normalise.h"

#include <torch/torch.h>

#include <cmath>

#include "ladder/ops/denoise.h"
#include "ladder/ops/kernels/cpu/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using ladder::Activation;
using ladder::NoiseDraw;
using ladder::ops::NormaliseArguments;
using ladder::ops::NormaliseResult;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
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
    if (gamma) {
      arguments.gamma = torch::rand({columns}, torch::kDouble).add(0.5).to(dtype).requires_grad_();
    }
    arguments.activation = activation;
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
  void require_same_gradients(const NormaliseCase& other, double rtol, double atol) const {
    require_close(x.grad().to(torch::kDouble), other.x.grad(), rtol, atol);
    require_close(arguments.beta->grad().to(torch::kDouble), other.arguments.beta->grad(), rtol,
                  atol);
    if (arguments.gamma) {
      require_close(arguments.gamma->grad().to(torch::kDouble), other.arguments.gamma->grad(), rtol,
                    atol);
    }
  }
};

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
    require_close(result.mean[group].to(torch::kDouble), rows.mean(0), 1e-6, 0);
    require_close(result.std[group].to(torch::kDouble), rows.var(0, false).sqrt(), 1e-5, 0);
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
  require_close(result.std, torch::tensor({{1.0}, {5.0}}, torch::kDouble), 1e-9);
  require_close(result.z[0], torch::tensor({{-0.5}, {0.5}}, torch::kDouble), 1e-9);
  require_close(result.z[1], torch::tensor({{-1.0}, {1.0}}, torch::kDouble), 1e-9);
  require_close(result.h, torch::tensor({{0.0}, {1.5}, {0.0}, {2.5}}, torch::kDouble), 1e-9);
}

TEST_CASE("normalise kernel agrees with the composite in float64", "[ops][grad]") {
  torch::manual_seed(1);
  for (const int64_t columns : {1, 7, 16, 37, 64, 130}) {
    for (const auto activation : kActivations) {
      INFO(columns << " columns, " << to_string(activation));
      NormaliseCase fused(columns, torch::kDouble, activation, columns != 7);
      NormaliseCase composite = fused.to(torch::kDouble);
      const auto a = ladder::ops::normalise(fused.x, fused.arguments);
      const auto b = ladder::ops::reference::normalise(composite.x, composite.arguments);
      const auto outputs = all(a);
      const auto expected = all(b);
      for (size_t i = 0; i < outputs.size(); ++i) {
        require_close(outputs[i], expected[i], 1e-10, 1e-10);
      }
      weighted_sum(outputs).backward();
      weighted_sum(expected).backward();
      fused.require_same_gradients(composite, 1e-9, 1e-9);
    }
  }
}

TEST_CASE("normalise in parts of rows agrees with the composite", "[ops][grad]") {
  torch::manual_seed(12);
  for (const int64_t columns : {1, 37, 130}) {
    for (const auto activation : {Activation::kRelu, Activation::kGelu}) {
      INFO(columns << " columns, " << to_string(activation));
      NormaliseCase fused(columns, torch::kDouble, activation, columns != 37, 400);
      NormaliseCase composite = fused.to(torch::kDouble);
      const auto outputs = all(ladder::ops::normalise(fused.x, fused.arguments));
      const auto expected =
          all(ladder::ops::reference::normalise(composite.x, composite.arguments));
      for (size_t i = 0; i < outputs.size(); ++i) {
        INFO("output " << i);
        require_close(outputs[i], expected[i], 1e-10, 1e-10);
      }
      weighted_sum(outputs).backward();
      weighted_sum(expected).backward();
      fused.require_same_gradients(composite, 1e-9, 1e-9);
    }
  }
  NormaliseCase fused(20, torch::kDouble, Activation::kTanh, true, 400);
  fused.arguments.mean = torch::randn({20}, torch::kDouble);
  fused.arguments.std = torch::rand({20}, torch::kDouble) + 0.5;
  NormaliseCase composite = fused.to(torch::kDouble);
  const auto h = ladder::ops::normalise(fused.x, fused.arguments).h;
  const auto expected = ladder::ops::reference::normalise(composite.x, composite.arguments).h;
  require_close(h, expected, 1e-10, 1e-10);
  weighted_sum({h}).backward();
  weighted_sum({expected}).backward();
  fused.require_same_gradients(composite, 1e-9, 1e-9);
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
      NormaliseCase fused(columns, torch::kFloat, activation);
      NormaliseCase exact = fused.to(torch::kDouble);
      const auto outputs = all(ladder::ops::normalise(fused.x, fused.arguments));
      const auto expected = all(ladder::ops::reference::normalise(exact.x, exact.arguments));
      for (size_t i = 0; i < outputs.size(); ++i) {
        require_close(outputs[i].to(torch::kDouble), expected[i], 2e-5, 2e-5);
      }
      // A row on the other side of a kink would differ by more than rounding; none is here.
      weighted_sum(outputs).backward();
      weighted_sum(expected).backward();
      fused.require_same_gradients(exact, 1e-4, 1e-4);
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
    NormaliseCase fused(9, torch::kDouble, Activation::kTanh);
    NormaliseCase composite = fused.to(torch::kDouble);
    weighted_sum({all(ladder::ops::normalise(fused.x, fused.arguments))[chosen]}).backward();
    weighted_sum({all(ladder::ops::reference::normalise(composite.x, composite.arguments))[chosen]})
        .backward();
    require_close(fused.x.grad(), composite.x.grad(), 1e-9, 1e-10);
  }
}

TEST_CASE("normalise takes strided inputs and groups of other sizes", "[ops][grad]") {
  torch::manual_seed(5);
  const auto base = torch::randn({11, 5}, torch::kDouble);
  const auto x = base.t().detach().requires_grad_();  // [5, 11], not contiguous
  const NormaliseArguments arguments{
      .groups = {{.rows = 2, .noise_std = 0.2}, {.rows = 3, .noise_std = 0.2}},
      .noise = NoiseDraw{.values = torch::randn({11, 5}, torch::kDouble).t()}};
  const auto a = ladder::ops::normalise(x, arguments);
  const auto y = x.detach().requires_grad_();
  const auto b = ladder::ops::reference::normalise(y, arguments);
  require_close(a.h, b.h, 1e-10, 1e-10);
  weighted_sum(all(a)).backward();
  weighted_sum(all(b)).backward();
  require_close(x.grad(), y.grad(), 1e-6, 1e-6);
}

TEST_CASE("normalise uses stored statistics when given", "[ops][grad]") {
  torch::manual_seed(6);
  const auto x = torch::randn({4, 5}, torch::kDouble).requires_grad_();
  const auto mean = torch::randn({5}, torch::kDouble);
  const auto std = torch::rand({5}, torch::kDouble) + 0.5;
  const auto result =
      ladder::ops::normalise(x, {.groups = {{.rows = 4}}, .mean = mean, .std = std});
  require_close(result.h, (x - mean) / std, 1e-12, 1e-12);
  weighted_sum({result.h}).backward();
  const auto y = x.detach().requires_grad_();
  weighted_sum({(y - mean) / std}).backward();
  require_close(x.grad(), y.grad(), 1e-12, 1e-12);
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

TEST_CASE("normalise runs in bfloat16 through the composite", "[ops]") {
  const auto x = torch::randn({6, 4}).to(torch::kBFloat16);
  const auto result = ladder::ops::normalise(x, {.groups = {{.rows = 6}}});
  CHECK(result.h.scalar_type() == torch::kBFloat16);
}

TEST_CASE("normalise kernels agree between instruction sets", "[ops]") {
  torch::manual_seed(7);
  const auto tables = ladder::ops::cpu::runnable_kernels();
  const auto x = torch::randn({8, 45});
  const ladder::ops::cpu::GroupSpan groups[] = {{0, 5, 0.3, 0}, {5, 8, 0, 5}};
  torch::Tensor first;
  for (int i = 0; i < tables.count; ++i) {
    INFO(tables.tables[i]->name);
    auto h = torch::empty_like(x);
    auto z = torch::empty_like(x);
    auto mean = torch::empty({2, 45});
    auto std = torch::empty({2, 45});
    tables.tables[i]->normalise_forward_f32({.x = x.const_data_ptr<float>(),
                                             .cols = 45,
                                             .groups = groups,
                                             .group_count = 2,
                                             .noise = {.seed = 4, .offset = 0},
                                             .gamma = nullptr,
                                             .beta = nullptr,
                                             .activation = ladder::ops::cpu::ActivationKind::kGelu,
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
    require_close(h, first, 1e-5, 1e-5);
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
