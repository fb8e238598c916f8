#include "ladder/ops/convolve.h"

#include <torch/torch.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/products.h"
#include "tests/support/require_close.h"

using ladder::ops::convolve;
using ladder::ops::convolve_transposed;
using ladder::ops::convolved_size;
using ladder::ops::ConvolveGeometry;
using ladder::testing::Bound;
using ladder::testing::error_text;
using ladder::testing::on_every_route;
using ladder::testing::require_close;
using ladder::testing::require_equal;
using ladder::testing::require_gradient;
using ladder::testing::rounding_of;
using ladder::testing::roundings;
using ladder::testing::weighted_sum;

namespace {

struct Case {
  std::string name;
  std::array<int64_t, 2> map, kernel;
  ConvolveGeometry geometry = {};
};

// Every form, with borders and strides that divide and that do not.
const std::vector<Case> kCases = {
    {"pointwise", {4, 5}, {1, 1}},
    {"pointwise stride 2", {5, 4}, {1, 1}, {.stride = {2, 3}}},
    {"pointwise padded", {3, 4}, {1, 1}, {.padding = {1, 0}}},
    {"unfolded", {6, 7}, {5, 5}},
    {"unfolded whole map", {4, 4}, {4, 4}},
    {"unfolded oblong", {5, 7}, {4, 6}},
    {"unfolded stride 2", {8, 9}, {5, 4}, {.stride = {2, 2}}},
    {"unfolded padded", {4, 3}, {5, 4}, {.stride = {2, 1}, .padding = {2, 1}}},
    {"valid", {7, 6}, {3, 3}},
    {"same", {7, 6}, {3, 3}, {.padding = {1, 1}}},
    {"full", {5, 6}, {3, 3}, {.padding = {2, 2}}},
    {"full stride 2", {7, 6}, {3, 2}, {.stride = {2, 2}, .padding = {2, 1}}},
    {"valid stride 3", {12, 11}, {3, 3}, {.stride = {3, 3}}},
    {"stride beyond the kernel", {11, 12}, {2, 2}, {.stride = {3, 3}}},
};

torch::Tensor by_definition(const torch::Tensor& x, const torch::Tensor& weight,
                            const ConvolveGeometry& geometry) {
  const auto rows = (x.size(2) + 2 * geometry.padding[0] - weight.size(2)) / geometry.stride[0] + 1;
  const auto columns =
      (x.size(3) + 2 * geometry.padding[1] - weight.size(3)) / geometry.stride[1] + 1;
  auto y = torch::zeros({x.size(0), weight.size(0), rows, columns}, torch::kDouble);
  const auto in = x.accessor<double, 4>();
  const auto w = weight.accessor<double, 4>();
  auto out = y.accessor<double, 4>();
  for (int64_t r = 0; r < x.size(0); ++r) {
    for (int64_t o = 0; o < weight.size(0); ++o) {
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) {
          for (int64_t c = 0; c < x.size(1); ++c) {
            for (int64_t p = 0; p < weight.size(2); ++p) {
              for (int64_t q = 0; q < weight.size(3); ++q) {
                const auto a = i * geometry.stride[0] + p - geometry.padding[0];
                const auto b = j * geometry.stride[1] + q - geometry.padding[1];
                if (a >= 0 && a < x.size(2) && b >= 0 && b < x.size(3)) {
                  out[r][o][i][j] += in[r][c][a][b] * w[o][c][p][q];
                }
              }
            }
          }
        }
      }
    }
  }
  return y;
}

struct Operands {
  torch::Tensor x, weight, y;
};

Operands operands(const Case& c, int64_t in = 2, int64_t out = 3) {
  const auto size = convolved_size(c.map, c.kernel, c.geometry);
  return {torch::randn({2, in, c.map[0], c.map[1]}, torch::kDouble),
          torch::randn({out, in, c.kernel[0], c.kernel[1]}, torch::kDouble),
          torch::randn({2, out, size[0], size[1]}, torch::kDouble)};
}

// Of a convolution in float32 of operands that are rounded to it, stored in it.
Bound float_bound(const torch::Tensor& x, const torch::Tensor& weight,
                  const ConvolveGeometry& geometry) {
  return roundings(static_cast<double>(weight[0].numel()) + 3, torch::kFloat,
                   by_definition(x.abs(), weight.abs(), geometry));
}

}  // namespace

TEST_CASE("convolve is the sum of its definition, in every form", "[ops]") {
  torch::manual_seed(1);
  for (const auto& c : kCases) {
    for (const auto in : {1, 2}) {
      INFO(c.name << ", " << in << " channels");
      const auto [x, weight, y] = operands(c, in);
      const auto expected = by_definition(x, weight, c.geometry);
      require_close(convolve(x, weight, c.geometry), expected);
      require_close(
          convolve(x.to(torch::kFloat), weight.to(torch::kFloat), c.geometry).to(torch::kDouble),
          expected, float_bound(x, weight, c.geometry));
      CHECK(expected.sizes() == y.sizes());
    }
  }
}

TEST_CASE("convolve_transposed is the adjoint of convolve, in every form", "[ops]") {
  torch::manual_seed(2);
  for (const auto& c : kCases) {
    for (const auto in : {1, 2}) {
      INFO(c.name << ", " << in << " channels");
      const auto [x, weight, y] = operands(c, in);
      // <convolve(x), y> = <x, transposed(y)> for every unit x, so for every x.
      const auto back = convolve_transposed(y, weight, c.map, c.geometry);
      REQUIRE(back.sizes() == x.sizes());
      auto expected = torch::zeros_like(x);
      auto sizes = torch::zeros_like(x);  // of the terms
      for (int64_t k = 0; k < expected[0].numel(); ++k) {
        auto unit = torch::zeros_like(x);
        unit.view({2, -1}).select(1, k).fill_(1);
        const auto terms = by_definition(unit, weight, c.geometry) * y;
        expected.view({2, -1}).select(1, k).copy_(terms.sum({1, 2, 3}));
        sizes.view({2, -1}).select(1, k).copy_(terms.abs().sum({1, 2, 3}));
      }
      require_close(back, expected);
      require_close(
          convolve_transposed(y.to(torch::kFloat), weight.to(torch::kFloat), c.map, c.geometry)
              .to(torch::kDouble),
          expected, roundings(static_cast<double>(weight.numel()) + 3, torch::kFloat, sizes));
    }
  }
}

TEST_CASE("convolve and convolve_transposed pass central differences", "[ops][grad]") {
  torch::manual_seed(3);
  for (const auto& c : kCases) {
    INFO(c.name);
    const auto [x, weight, y] = operands(c);
    require_gradient(
        [&](const std::vector<torch::Tensor>& in) {
          return weighted_sum({convolve(in[0], in[1], c.geometry)});
        },
        {x, weight});
    require_gradient(
        [&](const std::vector<torch::Tensor>& in) {
          return weighted_sum({convolve_transposed(in[0], in[1], c.map, c.geometry)});
        },
        {y, weight});
  }
}

TEST_CASE("convolve has a gradient of a gradient", "[ops][grad]") {
  torch::manual_seed(4);
  for (const auto& c : {kCases[0], kCases[3], kCases[8]}) {
    INFO(c.name);
    auto [x, weight, y] = operands(c);
    x.requires_grad_();
    weight.requires_grad_();
    const auto value = convolve(x, weight, c.geometry).square().sum();
    const auto grad = torch::autograd::grad({value}, {x}, {}, true, true)[0];
    // The value is quadratic in x: <grad, x> = 2 value, so its gradient in the weight is twice that
    // of the value.
    const auto second = torch::autograd::grad({(grad * x.detach()).sum()}, {weight}, {}, true)[0];
    require_close(second, 2 * torch::autograd::grad({value}, {weight})[0]);
  }
}

TEST_CASE("convolve keeps channels last, whatever it is given", "[ops]") {
  torch::manual_seed(5);
  const auto is_last = [](const torch::Tensor& maps) {
    const auto matrix = ladder::ops::maps_to_matrix(maps);
    const bool said = maps[0].numel() == maps.size(1) ||  // one position is last in any order
                      maps.suggest_memory_format() == at::MemoryFormat::ChannelsLast;
    return said && matrix.is_contiguous() && matrix.data_ptr() == maps.data_ptr();
  };
  for (const auto& c : kCases) {
    for (const auto channels : {1, 3}) {
      INFO(c.name << ", " << channels << " channels");
      const auto [x64, weight64, y64] = operands(c, channels, channels);
      const auto weight = weight64.to(torch::kFloat);
      const auto x = x64.to(torch::kFloat);
      CHECK(is_last(convolve(x, weight, c.geometry)));
      CHECK(is_last(convolve(ladder::ops::channels_last(x), weight, c.geometry)));
      if (c.geometry.padding == std::array<int64_t, 2>{0, 0}) {
        CHECK(is_last(convolve_transposed(y64.to(torch::kFloat), weight, c.map, c.geometry)));
      }
    }
  }
  const auto maps = torch::randn({2, 3, 4, 5});
  CHECK_FALSE(is_last(maps));
  CHECK(is_last(ladder::ops::channels_last(maps)));
  CHECK(torch::equal(ladder::ops::channels_last(maps), maps));
  const auto last = ladder::ops::channels_last(maps);
  CHECK(ladder::ops::channels_last(last).data_ptr() == last.data_ptr());
  const auto matrix = ladder::ops::maps_to_matrix(maps);
  CHECK(torch::equal(matrix[5], maps.select(0, 0).select(1, 1).select(1, 0)));
  CHECK(torch::equal(ladder::ops::matrix_to_maps(matrix, {4, 5}), maps));
}

TEST_CASE("convolve goes by the route of products", "[ops]") {
  torch::manual_seed(6);
  using ladder::ops::matrix_to_maps;
  on_every_route([](ladder::ops::ProductRoute) {
    {
      const auto [x64, weight64, y] = operands(kCases[0], 40, 9);
      const auto x = x64.to(torch::kFloat), weight = weight64.to(torch::kFloat);
      const auto rows = ladder::ops::linear(ladder::ops::maps_to_matrix(x), weight.flatten(1));
      require_equal(convolve(x, weight), matrix_to_maps(rows, y.sizes().slice(2)));
    }
    const auto [x64, weight64, y] = operands(kCases[3], 40, 9);
    const auto x = x64.to(torch::kFloat), weight = weight64.to(torch::kFloat);
    const auto windows = x.unfold(2, 5, 1).unfold(3, 5, 1);  // [R, C, I, J, P, Q]
    const auto rows = ladder::ops::linear(
        windows.permute({0, 2, 3, 4, 5, 1}).reshape({y.size(0) * y.size(2) * y.size(3), -1}),
        weight.permute({0, 2, 3, 1}).reshape({9, -1}));
    require_equal(convolve(x, weight), matrix_to_maps(rows, y.sizes().slice(2)));
  });
}

TEST_CASE("convolve and its adjoint round to bfloat16 when asked, in every form", "[ops][grad]") {
  torch::manual_seed(7);
  const auto round = [](const torch::Tensor& t) {
    return t.to(torch::kBFloat16).to(torch::kDouble);
  };
  for (const auto& c : kCases) {
    INFO(c.name);
    const auto [xd, weightd, y] = operands(c);
    const auto x = round(xd).to(torch::kFloat).requires_grad_();
    const auto weight = round(weightd).to(torch::kFloat).requires_grad_();
    const auto exact = by_definition(round(xd), round(weightd), c.geometry);
    // The value, and the gradients through it and through its adjoint.
    const auto run = [&](const torch::Tensor& from, const torch::Tensor& kernels) {
      const auto in = from.detach().requires_grad_();
      const auto w = kernels.detach().requires_grad_();
      const auto out = convolve(in, w, c.geometry);
      const auto back = convolve_transposed(out, w, {in.size(2), in.size(3)}, c.geometry);
      const auto grads = torch::autograd::grad({weighted_sum({out, back})}, {in, w});
      return std::vector<torch::Tensor>{out, grads[0], grads[1]};
    };
    const auto in_double = [&] { return run(round(xd), round(weightd)); };
    const auto expected = in_double();
    const auto bounds = rounding_of(in_double, torch::kBFloat16);
    const ladder::ops::ProductScope scope(
        ladder::ops::default_product_plan(ladder::ops::ProductPrecision::kBFloat16));
    const auto actual = run(round(xd).to(torch::kFloat), round(weightd).to(torch::kFloat));
    CHECK(actual[0].scalar_type() == torch::kFloat);
    // Operands are exact in bfloat16; LibTorch stores the value in it.
    require_close(
        actual[0].to(torch::kDouble), exact,
        float_bound(round(xd), round(weightd), c.geometry) + roundings(1, torch::kBFloat16));
    for (const size_t i : {1, 2}) {
      INFO("gradient " << i);
      require_close(actual[i].to(torch::kDouble), expected[i], bounds[i]);
    }
  }
}

TEST_CASE("convolve names what does not fit", "[ops]") {
  const auto x = torch::ones({2, 3, 5, 4});
  CHECK(error_text([&] {
          convolve(x, torch::ones({2, 1, 3, 3}));
        }) == "convolve: expected 1 channels but got 3.");
  CHECK(error_text([&] {
          convolve(x[0], torch::ones({2, 3, 3, 3}));
        }) ==
        "convolve: expected feature maps [R, C, H, W] and a weight [O, C, P, Q] but got [3, 5, 4] "
        "and [2, 3, 3, 3].");
  CHECK(error_text([&] {
          convolve(x, torch::ones({2, 3, 3, 3}, torch::kDouble));
        }) == "convolve: expected a weight of type Float but got Double.");
  CHECK(error_text([&] {
          convolve(x, torch::ones({2, 3, 3, 5}));
        }) ==
        "convolved_size: expected a kernel of at most [5, 4], the map with its padding, but got "
        "[3, 5].");
  CHECK(error_text([&] {
          convolve(x, torch::ones({2, 3, 3, 3}), {.stride = {1, 0}});
        }) == "convolve: expected a stride of at least 1 but got [1, 0].");
  CHECK(error_text([&] {
          convolve_transposed(x, torch::ones({3, 2, 3, 3}), {8, 6});
        }) ==
        "convolve_transposed: expected feature maps of [6, 4] for a result of [8, 6] but got [5, "
        "4].");
}

TEST_CASE("convolve of no rows has a gradient of zeros, in every form", "[ops][grad]") {
  // Pointwise, Winograd's, LibTorch's, and unfolded: fewer positions than values of a kernel.
  for (const auto& [kernel, padding] :
       {std::pair<int64_t, int64_t>{1, 0}, {3, 1}, {5, 2}, {7, 0}}) {
    INFO("kernel " << kernel);
    const ConvolveGeometry geometry{.padding = {padding, padding}};
    const auto size = convolved_size({8, 8}, {kernel, kernel}, geometry);
    const auto weight = torch::ones({32, 32, kernel, kernel}).requires_grad_();
    const auto x = torch::ones({0, 32, 8, 8}).requires_grad_();
    const auto y = convolve(x, weight, geometry);
    REQUIRE(y.sizes() == at::IntArrayRef({0, 32, size[0], size[1]}));
    y.sum().backward();
    CHECK(x.grad().sizes() == x.sizes());
    CHECK(torch::equal(weight.grad(), torch::zeros_like(weight)));
    weight.mutable_grad().reset();
    const auto v = torch::ones({0, 32, size[0], size[1]}).requires_grad_();
    const auto back = convolve_transposed(v, weight, {8, 8}, geometry);
    REQUIRE(back.sizes() == x.sizes());
    back.sum().backward();
    CHECK(v.grad().sizes() == v.sizes());
    CHECK(torch::equal(weight.grad(), torch::zeros_like(weight)));
  }
}
