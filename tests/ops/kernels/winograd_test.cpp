#include "ladder/ops/kernels/cpu/winograd.h"

#include <torch/torch.h>

#include "ladder/ops/convolve.h"
#include "ladder/ops/kernels/cpu/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using ladder::ops::convolve;
using ladder::ops::convolve_transposed;
using ladder::testing::Bound;
using ladder::testing::require_close;
using ladder::testing::rounding_of;
using ladder::testing::winograd_by_definition;

namespace cpu = ladder::ops::cpu;

namespace {

struct WinogradCase {
  std::string name;
  int64_t rows, in, out;
  std::array<int64_t, 2> map;
  int64_t padding;
};

// Tiles that fit and that hang over, channels that divide by a vector and that do not.
const std::vector<WinogradCase> kWinogradCases = {
    {"valid, tiles fit", 3, 16, 32, {6, 10}, 0},
    {"valid, tiles hang over", 2, 17, 31, {8, 9}, 0},
    {"same", 2, 40, 21, {7, 6}, 1},
    {"full", 2, 33, 48, {5, 6}, 2},
    {"more tiles than a block holds", 7, 16, 32, {18, 17}, 1},
    {"deep, one row", 1, 192, 160, {8, 8}, 1},
    {"kernels too deep to be packed once", 2, 464, 16, {6, 6}, 1},
    {"several parts", 24, 32, 16, {18, 17}, 1},
};

struct WinogradOperands {
  torch::Tensor x, weight, y;  // float64
};

WinogradOperands winograd_operands(const WinogradCase& c) {
  const auto size = [&](size_t d) { return c.map[d] + 2 * c.padding - 2; };
  return {torch::randn({c.rows, c.in, c.map[0], c.map[1]}, torch::kDouble),
          torch::randn({c.out, c.in, 3, 3}, torch::kDouble),
          torch::randn({c.rows, c.out, size(0), size(1)}, torch::kDouble)};
}

torch::Tensor last(const torch::Tensor& maps) {
  return ladder::ops::channels_last(maps.to(torch::kFloat));
}

void require_near(const torch::Tensor& actual, const torch::Tensor& expected, const Bound& bound) {
  require_close(actual.to(torch::kDouble), expected, bound);
}

// Bounds of y from x, of the gradient of x from that of y, and of the kernel's from both.
std::array<Bound, 3> winograd_bounds(const WinogradCase& c, const WinogradOperands& operands) {
  const auto bounds = rounding_of(
      [&] {
        const auto w = operands.weight.detach().requires_grad_();
        const auto y = winograd_by_definition(operands.x, w, c.padding);
        y.backward(operands.y);
        return std::vector<torch::Tensor>{
            y,
            winograd_by_definition(operands.y, operands.weight.flip({2, 3}).transpose(0, 1),
                                   2 - c.padding),
            w.grad()};
      },
      torch::kFloat);
  return {bounds[0], bounds[1], bounds[2]};
}

}  // namespace

TEST_CASE("Winograd's kernels convolve, in every instruction set", "[ops][every-kernel]") {
  torch::manual_seed(1);
  const auto tables = cpu::runnable_kernels();
  for (const auto& c : kWinogradCases) {
    const auto operands = winograd_operands(c);
    const auto& [x, weight, grad] = operands;
    const auto bounds = winograd_bounds(c, operands);
    auto w = weight.clone().requires_grad_();
    const auto expected = torch::conv2d(x, w, {}, 1, c.padding);
    expected.backward(grad);
    const auto from = last(x);
    const auto slope = last(grad);
    const auto g = weight.permute({2, 3, 1, 0}).to(torch::kFloat).contiguous();
    const cpu::WinogradShape shape{c.rows, c.map[0], c.map[1], c.in, c.out, c.padding};
    for (int t = 0; t < tables.count; ++t) {
      const auto& table = *tables.tables[t];
      INFO(c.name << ", " << table.name);
      auto u = torch::full({6, 6, c.in, c.out}, 7.0F);
      auto to = last(torch::full_like(grad, 7));
      cpu::winograd_transform(shape, table, g.const_data_ptr<float>(), u.mutable_data_ptr<float>());
      cpu::winograd_convolve(shape, table, from.const_data_ptr<float>(), u.const_data_ptr<float>(),
                             to.mutable_data_ptr<float>());
      require_near(to, expected, bounds[0]);

      auto parts = torch::full({cpu::winograd_parts(shape), 6, 6, c.in, c.out}, 7.0F);
      auto grad_g = torch::full_like(g, 7);
      cpu::winograd_gradient(shape, table, from.const_data_ptr<float>(),
                             slope.const_data_ptr<float>(), parts.mutable_data_ptr<float>(),
                             grad_g.mutable_data_ptr<float>());
      require_near(grad_g.permute({3, 2, 0, 1}), w.grad(), bounds[2]);
    }
  }
}

TEST_CASE("convolve and its adjoint in Winograd's form agree with the direct one", "[ops][grad]") {
  torch::manual_seed(2);
  for (const auto& c : kWinogradCases) {
    INFO(c.name);
    const ladder::ops::ConvolveGeometry geometry{.padding = {c.padding, c.padding}};
    const auto operands = winograd_operands(c);
    const auto& [x, weight, y] = operands;
    const auto bounds = winograd_bounds(c, operands);
    const auto run = [&, &x = x, &weight = weight, &y = y](torch::Dtype type, bool adjoint) {
      auto in = (adjoint ? y : x).to(type).clone().requires_grad_();
      auto w = weight.to(type).clone().requires_grad_();
      const auto out =
          adjoint ? convolve_transposed(in, w, c.map, geometry) : convolve(in, w, geometry);
      out.backward((adjoint ? x : y).to(type));
      return std::vector<torch::Tensor>{out, in.grad(), w.grad()};
    };
    for (const bool adjoint : {false, true}) {
      const auto actual = run(torch::kFloat, adjoint);
      const auto expected = run(torch::kDouble, adjoint);  // at::convolution's
      for (size_t i = 0; i < 3; ++i) {
        INFO("adjoint " << adjoint << ", tensor " << i);
        require_near(actual[i], expected[i], bounds[adjoint && i < 2 ? 1 - i : i]);
      }
    }
  }
}

TEST_CASE("Winograd's form gives the same bits on any number of threads", "[ops][wide]") {
  if (!cpu::has_wide_kernels()) {
    LADDER_SKIP("this CPU has no kernels for vectors of 32 bytes, and convolves by oneDNN");
  }
  torch::manual_seed(3);
  const auto& c = kWinogradCases.back();  // of several parts
  const auto [x64, weight64, y64] = winograd_operands(c);
  const auto x = x64.to(torch::kFloat);
  const auto weight = weight64.to(torch::kFloat);
  const auto y = y64.to(torch::kFloat);
  ladder::testing::check_same_on_threads([&] {
    auto in = x.detach().requires_grad_();
    auto w = weight.detach().requires_grad_();
    const auto out = convolve(in, w, {.padding = {1, 1}});
    out.backward(y);
    return std::vector<torch::Tensor>{out, in.grad(), w.grad()};
  });
}

TEST_CASE("Winograd's form has a gradient of a gradient", "[ops][grad]") {
  torch::manual_seed(4);
  const auto [x64, weight64, y] = winograd_operands(kWinogradCases[0]);
  // As in convolve's own test: the value is quadratic in x.
  const auto run = [](const torch::Tensor& from, const torch::Tensor& kernels, const auto& form) {
    const auto x = from.detach().requires_grad_();
    const auto weight = kernels.detach().requires_grad_();
    const auto value = form(x, weight).square().sum();
    const auto grad = torch::autograd::grad({value}, {x}, {}, true, true)[0];
    const auto second = torch::autograd::grad({(grad * x.detach()).sum()}, {weight}, {}, true)[0];
    const auto first = torch::autograd::grad({value}, {weight})[0];
    return std::vector<torch::Tensor>{second, 2 * first};
  };
  const auto bounds = rounding_of(
      [&, &x = x64, &weight = weight64] {
        return run(x, weight, [](const auto& in, const auto& w) {
          return winograd_by_definition(in, w, /*padding=*/0);
        });
      },
      torch::kFloat);
  const auto results = run(x64.to(torch::kFloat), weight64.to(torch::kFloat),
                           [](const auto& in, const auto& w) { return convolve(in, w); });
  require_close(results[0], results[1], bounds[0] + bounds[1]);
}
