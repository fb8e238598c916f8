#include "ladder/nn/stages/noisy_conv.h"

#include <torch/torch.h>

#include <cmath>

#include "ladder/nn/maps/conv_map.h"
#include "ladder/ops/noise.h"
#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using namespace ladder;  // NOLINT
using ladder::testing::conv;
using ladder::testing::normalised;
using ladder::testing::require_close;
using ladder::testing::require_rounded;
using ladder::testing::roundings;
using ladder::testing::row_after;
using ladder::testing::Shape;
using ladder::testing::ThreadsOfTest;

TEST_CASE("NoisyConv normalises each channel of each group and adds noise", "[nn]") {
  torch::manual_seed(1);
  auto stage = conv(2, 3, 3, Border::kFull);
  NoiseSource noise(3);
  const auto x = torch::randn({5, 2, 4, 3});
  const Pass pass{.groups = {{2, true}, {3, false}}, .noise = &noise};
  const auto out = stage->forward(x, pass);
  // The noise of maps is a row for each position, a column for each channel.
  NoiseSource again(3);
  const auto n = ops::standard_normal(again.draw(2 * 6 * 5, 3), 2 * 6 * 5, 3, torch::kDouble);
  require_rounded({out.z[1], out.mean[1], out.z[0]}, [&] {
    const auto pre =
        torch::conv2d(x.to(torch::kDouble), stage->weight.to(torch::kDouble), {}, 1, 2);
    return std::vector{
        normalised(pre.narrow(0, 2, 3)), pre.narrow(0, 2, 3).mean(std::vector<int64_t>{0, 2, 3}),
        normalised(pre.narrow(0, 0, 2)) + 0.3 * n.reshape({2, 6, 5, 3}).permute({0, 3, 1, 2})};
  });
  require_close(out.h.narrow(0, 2, 3), torch::relu(out.z[1]), roundings(2, torch::kFloat));
  CHECK(noise.offset() == again.offset());
}

TEST_CASE("NoisyConv gives maps of the sizes of its borders and strides", "[nn]") {
  CHECK(row_after(*conv(1, 2, 5, Border::kValid), {1, 28, 9}) == Shape{2, 24, 5});
  CHECK(row_after(*conv(1, 2, 5, Border::kSame), {1, 28, 9}) == Shape{2, 28, 9});
  CHECK(row_after(*conv(1, 2, 5, Border::kFull), {1, 28, 9}) == Shape{2, 32, 13});
  CHECK(row_after(*conv(1, 2, 5, Border::kValid, 2), {1, 28, 9}) == Shape{2, 12, 3});
  CHECK(row_after(*conv(1, 2, 5, Border::kSame, 2), {1, 28, 9}) == Shape{2, 14, 5});
  CHECK(row_after(*conv(1, 2, 5, Border::kFull, 3), {1, 28, 9}) == Shape{2, 11, 5});
  NoisyConv oblong(NoisyConvOptions{.in_channels = 1,
                                    .out_channels = 2,
                                    .kernel = {2, 3},
                                    .border = Border::kFull,
                                    .stride = {1, 2}});
  CHECK(row_after(*oblong, {1, 4, 5}) == Shape{2, 5, 4});
}

TEST_CASE("NoisyConv draws uniform weights of variance 1 / fan-in", "[nn]") {
  auto stage = conv(20, 50, 5, Border::kValid);
  reset_parameters(*stage, 7);
  const double bound = std::sqrt(3.0 / 500);
  CHECK(stage->weight.abs().max().item<double>() <= bound);
  CHECK(stage->weight.abs().max().item<double>() > 0.99 * bound);
  CHECK(stage->weight.mean().item<double>() == Approx(0).margin(5 / std::sqrt(500 * 25000.0)));
  // The variance of n uniform numbers deviates by sqrt(0.8 / n) of itself; five of those.
  CHECK(stage->weight.var().item<double>() ==
        Approx(1.0 / 500).epsilon(5 * std::sqrt(0.8 / 25000)));
  auto other = conv(20, 50, 5, Border::kValid);
  CHECK_FALSE(torch::equal(stage->weight, other->weight));
  {
    const ThreadsOfTest one(1);
    reset_parameters(*other, 7);
  }
  CHECK(torch::equal(stage->weight, other->weight));
  // The map back draws by its own fan-in.
  ConvMap map(
      ConvMapOptions{.in_channels = 50, .out_channels = 20, .kernel = {5, 5}, .out_size = {9, 9}});
  CHECK(map->weight.var().item<double>() == Approx(1.0 / 1250).epsilon(5 * std::sqrt(0.8 / 25000)));
}
