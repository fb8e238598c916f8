#include "ladder/ops/max_pool.h"

#include <torch/torch.h>

#include <cmath>

#include "ladder/ops/kernels/cpu/kernels.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using ladder::ops::max_pool;
using ladder::testing::weighted_sum;

namespace {

torch::Tensor expected(const torch::Tensor& x, std::array<int64_t, 2> size) {
  return torch::max_pool2d(x, size, size, 0, 1, /*ceil_mode=*/true);
}

}  // namespace

TEST_CASE("max_pool and its gradient are those of max_pool2d, bit for bit", "[ops][grad]") {
  torch::manual_seed(1);
  for (const auto dtype : {torch::kFloat, torch::kDouble}) {
    for (const int64_t channels : {1, 3, 16, 32, 45, 131}) {
      for (const auto& [height, width] : {std::pair{1, 1}, {7, 5}, {15, 16}}) {
        for (const auto& size : {std::array<int64_t, 2>{2, 2}, {3, 2}, {1, 4}, {20, 20}}) {
          INFO(channels << " channels, " << height << " x " << width << ", windows of " << size[0]
                        << " x " << size[1]);
          // Integers, so that there are equal values.
          const auto x = torch::randint(-9, 9, {3, channels, height, width}).to(dtype);
          const auto ours = x.clone().requires_grad_();
          const auto theirs = x.clone().requires_grad_();
          const auto a = max_pool(ours, size);
          const auto b = expected(theirs, size);
          REQUIRE(a.sizes() == b.sizes());
          CHECK(torch::equal(a, b));
          CHECK(a.movedim(1, -1).is_contiguous());
          weighted_sum({a}).backward();
          weighted_sum({b}).backward();
          CHECK(torch::equal(ours.grad(), theirs.grad()));
        }
      }
    }
  }
}

TEST_CASE("max_pool kernels agree between instruction sets", "[ops][every-kernel]") {
  torch::manual_seed(2);
  namespace cpu = ladder::ops::cpu;
  const auto tables = cpu::runnable_kernels();
  const ladder::ops::PooledMaps maps{.height = 5,
                                     .width = 6,
                                     .channels = 45,
                                     .window_height = 2,
                                     .window_width = 4,
                                     .down = 3,
                                     .across = 2};
  const auto x = torch::randn({2, 5, 6, 45}).requires_grad_();
  const auto y = expected(x.permute({0, 3, 1, 2}), {2, 4}).permute({0, 2, 3, 1});
  const auto grad_y = torch::randn({2, 3, 2, 45});
  const auto grad_x = torch::autograd::grad({y}, {x}, {grad_y})[0];
  for (int i = 0; i < tables.count; ++i) {
    INFO(tables.tables[i]->name);
    const auto out = torch::zeros({2, 3, 2, 45});
    const auto place = torch::zeros({2, 3, 2, 45}, torch::kByte);
    const auto grad = torch::full({2, 5, 6, 45}, -1.0F);
    ladder::ops::MaxPoolForward<float> forward{.maps = maps,
                                               .x = x.const_data_ptr<float>(),
                                               .y = out.mutable_data_ptr<float>(),
                                               .place = place.mutable_data_ptr<uint8_t>()};
    tables.tables[i]->run(forward, 0, 2);
    tables.tables[i]->run(forward, 2, 6);
    CHECK(torch::equal(out, y));
    const auto without_places = torch::zeros_like(out);
    forward.y = without_places.mutable_data_ptr<float>();
    forward.place = nullptr;
    tables.tables[i]->run(forward, 0, 6);
    CHECK(torch::equal(without_places, y));
    tables.tables[i]->run(
        ladder::ops::MaxPoolBackward<float>{.maps = maps,
                                            .grad_y = grad_y.const_data_ptr<float>(),
                                            .place = place.const_data_ptr<uint8_t>(),
                                            .grad_x = grad.mutable_data_ptr<float>()},
        0, 6);
    CHECK(torch::equal(grad, grad_x));
  }
}

TEST_CASE("max_pool keeps no places where no gradient is wanted", "[ops]") {
  const auto x = torch::randn({2, 3, 5, 4}).requires_grad_();
  const auto with_gradient = max_pool(x, {2, 2});
  CHECK(with_gradient.requires_grad());
  const auto constant = max_pool(x.detach(), {2, 2});
  CHECK_FALSE(constant.requires_grad());
  CHECK(torch::equal(constant, with_gradient));
  const torch::NoGradGuard no_grad;
  const auto unrecorded = max_pool(x, {2, 2});
  CHECK_FALSE(unrecorded.requires_grad());
  CHECK(torch::equal(unrecorded, with_gradient));
}

TEST_CASE("max_pool lets a NaN through", "[ops]") {
  auto x = torch::zeros({1, 20, 4, 4});
  x[0][3][1][1] = std::nan("");
  const auto y = max_pool(x, {2, 2});
  CHECK(y.isnan().sum().item<int64_t>() == 1);
  CHECK(std::isnan(y[0][3][0][0].item<float>()));
}

TEST_CASE("max_pool takes other types, and windows that the kernel does not", "[ops]") {
  const auto x = torch::randn({2, 3, 40, 9});
  CHECK(torch::equal(max_pool(x.to(torch::kBFloat16), {2, 2}),
                     expected(x.to(torch::kBFloat16), {2, 2})));
  CHECK(torch::equal(max_pool(x, {33, 9}), expected(x, {33, 9})));
}

TEST_CASE("max_pool names what does not fit", "[ops]") {
  CHECK_THROWS_WITH(
      max_pool(torch::ones({2, 3, 4}), {2, 2}),
      Catch::Contains("max_pool: expected feature maps [R, C, H, W] but got [2, 3, 4]."));
  CHECK_THROWS_WITH(max_pool(torch::ones({2, 3, 4, 4}), {0, 2}),
                    Catch::Contains("max_pool: expected a size of at least 1 but got [0, 2]."));
  CHECK_THROWS_WITH(max_pool(torch::ones({2, 3, 0, 4}), {2, 2}),
                    Catch::Contains("expected feature maps with a position but got [0, 4]."));
  const auto x = torch::ones({1, 1, 2, 2}).requires_grad_();
  const auto y = max_pool(x, {2, 2}).square().sum();
  CHECK_THROWS_WITH(torch::autograd::grad({y}, {x}, {}, true, true),
                    Catch::Contains("max_pool: the gradient of a gradient is not supported"));
}
