#include "ladder/nn/stages/noisy_normalization.h"

#include <torch/torch.h>

#include <functional>

#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "tests/support/catch.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::require_close;

TEST_CASE("NoisyNormalization keeps the mean of batch means and unbiased variances", "[nn]") {
  torch::manual_seed(4);
  NoisyNormalization norm(NoisyNormalizationOptions{.channels = 3});
  const auto a = torch::randn({6, 3}) * 2 + 1;
  const auto b = torch::randn({4, 3}) - 1;
  norm->forward(a, Pass::clean(6, Statistics::kCalibrate));
  norm->forward(b, Pass::clean(4, Statistics::kCalibrate));
  require_close(norm->running_mean, (a.mean(0) + b.mean(0)) / 2, 1e-5, 1e-6);
  require_close(norm->running_var, (a.var(0) + b.var(0)) / 2, 1e-5, 1e-6);
  norm->reset_statistics();
  CHECK_THROWS_WITH(norm->forward(a, Pass::clean(6, Statistics::kStored)),
                    Catch::Contains("no stored statistics yet (call calibrate(inputs)"));
  CHECK_THROWS_WITH(norm->forward(a.narrow(0, 0, 1), Pass::clean(1, Statistics::kCalibrate)),
                    Catch::Contains("expected at least 2 values per channel to calibrate"));
}

TEST_CASE("NoisyNormalization counts batches in integers wherever it is moved", "[nn]") {
  torch::manual_seed(4);
  const torch::Device cpu(torch::kCPU);
  const std::vector<std::function<void(torch::nn::Module&)>> moves = {
      [](auto& module) { module.to(torch::kBFloat16); },
      [&](auto& module) { module.to(cpu, torch::kDouble); }, [&](auto& module) { module.to(cpu); }};
  for (const auto& move : moves) {
    NoisyBatchNormLinear stage(NoisyBatchNormLinearOptions{.in_features = 5, .out_features = 4});
    {
      const torch::NoGradGuard no_grad;
      stage->normalization->batches.fill_(601);  // which bfloat16 does not hold
    }
    torch::nn::Module& owner = *stage;
    move(owner);
    CHECK(stage->normalization->batches.scalar_type() == torch::kLong);
    CHECK(stage->normalization->batches.item<int64_t>() == 601);
    CHECK(stage->named_buffers()["normalization.batches"].scalar_type() == torch::kLong);
    CHECK(stage->normalization->running_mean.scalar_type() == stage->weight.scalar_type());
  }
}

TEST_CASE("NoisyNormalization names what does not fit", "[nn]") {
  CHECK_THROWS_WITH(NoisyNormalization(NoisyNormalizationOptions{.channels = 2, .noise_std = -1}),
                    Catch::Contains("expected noise_std >= 0 but got -1"));
}
