#include "ladder/nn/stages/noisy_global_mean_pool.h"

#include <torch/torch.h>

#include <array>
#include <cmath>
#include <sstream>

#include "ladder/nn/ladder.h"
#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::Bound;
using ladder::testing::error_text;
using ladder::testing::global_pool;
using ladder::testing::require_close;
using ladder::testing::require_result;
using ladder::testing::require_rounded;
using ladder::testing::roundings;

TEST_CASE("NoisyGlobalMeanPool normalises the mean of each channel", "[nn]") {
  const auto maps = torch::randn({4, 2, 3, 5});
  const auto out = global_pool(2)->forward(maps, Pass::clean(4, Statistics::kBatch));
  require_rounded({out.h}, [&] {
    const auto mean_of_maps = maps.to(torch::kDouble).mean(std::vector<int64_t>{2, 3});
    return std::vector{(mean_of_maps - mean_of_maps.mean(0)) /
                       (mean_of_maps.var(0, false) + 1e-10).sqrt()};
  });
  require_close(out.h, out.z[0]);
}

TEST_CASE("NoisyGlobalMeanPool costs its level by the deviation of W sqrt(3) times the mean",
          "[nn]") {
  torch::manual_seed(11);
  for (const auto& [height, width] : std::vector<std::pair<int64_t, int64_t>>{{3, 3}, {2, 5}}) {
    INFO(height << " x " << width);
    const auto x = torch::randn({6, 2, height, width}, torch::kDouble) + 0.5;
    Stages stages = {NoisyGlobalMeanPool(
        NoisyGlobalMeanPoolOptions{.channels = 2, .noise_std = 0, .softmax_top = true})};
    Ladder net(LadderOptions{.input_shape = {2, height, width}, .lambda = {0, 1}, .input_noise = 0},
               stages);
    net->to(torch::kDouble);
    {
      // mu = 0 and v = 1: without noise z^ = z~ = z.
      const torch::NoGradGuard no_grad;
      auto weight = net->named_parameters()["decoder.combinators.1.weight"];
      weight.zero_();
      weight[9].fill_(1);
    }
    NoiseSource noise(1);
    const auto loss = net->loss({x.narrow(0, 0, 2), torch::tensor({0, 1}), x}, noise);

    // By the definition, number by number.
    double cost = 0;
    const auto* values = x.const_data_ptr<double>();
    const auto positions = static_cast<size_t>(height * width);
    for (size_t c = 0; c < 2; ++c) {
      std::array<double, 6> pre{};
      double mean = 0;
      double variance = 0;
      for (size_t r = 0; r < 6; ++r) {
        double sum = 0;
        for (size_t p = 0; p < positions; ++p) {
          sum += values[(r * 2 + c) * positions + p];
        }
        pre[r] = sum / static_cast<double>(positions) * static_cast<double>(width) * std::sqrt(3.0);
        mean += pre[r] / 6;
      }
      for (const auto value : pre) {
        variance += (value - mean) * (value - mean) / 6;
      }
      const auto std = std::sqrt(variance + 1e-10);
      for (const auto value : pre) {
        const auto z = (value - mean) / std;
        const auto difference = (z - mean) / std - z;
        cost += difference * difference / 12;
      }
    }
    CHECK(loss.denoising[1].defined());
    require_result(
        [&] {
          NoiseSource again(1);
          const SemiBatch batch{x.narrow(0, 0, 2), torch::tensor({0, 1}), x};
          return std::vector{net->loss(batch, again).denoising[1]};
        },
        {torch::tensor(cost, torch::kDouble)});
    // The mean alone, as up to version 1, gives another cost.
    const auto plain = x.mean(std::vector<int64_t>{2, 3});
    const auto std = (plain.var(0, false) + 1e-10).sqrt();
    const auto z = (plain - plain.mean(0)) / std;
    const auto before = ((z - plain.mean(0)) / std - z).square().mean().item<double>();
    CHECK(std::abs(before - cost) > 0.1 * cost);
    // h' stays what it was.
    const auto out = stages[0]->forward(x, Pass::clean(6, Statistics::kBatch));
    // But for 1e-10, which weighs up to 1e-10 / (2 var) less beside the variance of a scaled mean.
    const auto least = plain.var(0, false).min().item<double>();
    require_close(out.h, z,
                  roundings(1000, torch::kDouble, z.abs().max()) + Bound{.share = 0.5e-10 / least});
  }
}

TEST_CASE("NoisyGlobalMeanPool refuses the state of its first version", "[nn]") {
  const auto text =
      "NoisyGlobalMeanPool: expected the state of version 2 but got version 1 (the stage computes "
      "other values since then: train the network again).";
  auto stage = global_pool(3, true);
  const auto reload = [](torch::nn::Module& module, const std::optional<double>& version) {
    torch::serialize::OutputArchive out;
    for (const auto& child : module.named_children()) {
      torch::serialize::OutputArchive inner(out.compilation_unit());
      child.value()->save(inner);
      out.write(child.key(), inner);
    }
    if (version) {
      out.write("version", torch::full({}, *version), /*is_buffer=*/true);
    }
    std::stringstream stream;
    out.save_to(stream);
    torch::serialize::InputArchive in;
    in.load_from(stream);
    module.load(in);
  };
  CHECK(error_text([&] { reload(*stage, std::nullopt); }) == text);
  CHECK(error_text([&] { reload(*stage, 1.0); }) == text);
  CHECK_NOTHROW(reload(*stage, 2.0));
}
