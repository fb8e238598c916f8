#include "ladder/nn/stages/noisy_normalization.h"

#include <torch/torch.h>

#include <functional>
#include <limits>
#include <memory>
#include <sstream>
#include <vector>

#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::require_close;
using ladder::testing::require_equal;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::roundings;
using ladder::testing::weighted_sum;

TEST_CASE("NoisyNormalization keeps the mean of batch means and unbiased variances", "[nn]") {
  torch::manual_seed(4);
  NoisyNormalization norm(NoisyNormalizationOptions{.channels = 3});
  const auto a = torch::randn({6, 3}) * 2 + 1;
  const auto b = torch::randn({4, 3}) - 1;
  norm->forward(a, Pass::clean(6, Statistics::kCalibrate));
  norm->forward(b, Pass::clean(4, Statistics::kCalibrate));
  require_rounded({norm->running_mean, norm->running_var}, [&] {
    const auto c = a.to(torch::kDouble);
    const auto d = b.to(torch::kDouble);
    return std::vector{(c.mean(0) + d.mean(0)) / 2, (c.var(0) + d.var(0)) / 2};
  });
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

TEST_CASE("NoisyNormalization passes central differences", "[nn][grad]") {
  torch::manual_seed(5);
  NoisyNormalization norm(
      NoisyNormalizationOptions{.channels = 3, .activation = Activation::kTanh, .gamma = true});
  norm->to(torch::kDouble);
  {
    const torch::NoGradGuard no_grad;
    norm->beta.normal_();
    norm->gamma.normal_();
  }
  require_gradient(
      [&](const std::vector<torch::Tensor>& in) {
        NoiseSource noise(1);
        const auto out =
            norm->forward(in[0], Pass{.groups = {{2, true}, {3, false}}, .noise = &noise});
        return weighted_sum({out.h, out.z[0], out.z[1], out.mean, out.std});
      },
      {torch::randn({5, 3, 2}, torch::kDouble), norm->beta, norm->gamma});
}

TEST_CASE("NoisyNormalization keeps its state when it is cloned, saved and moved", "[nn]") {
  torch::manual_seed(6);
  const NoisyNormalizationOptions options{.channels = 3, .gamma = true};
  NoisyNormalization norm(options);
  {
    const torch::NoGradGuard no_grad;
    norm->beta.normal_();
    norm->gamma.normal_();
  }
  const auto x = torch::randn({6, 3}) * 2 + 1;
  norm->forward(x, Pass::clean(6, Statistics::kCalibrate));
  const auto stored = [&](NoisyNormalizationImpl& of, torch::Dtype dtype) {
    return of.forward(x.to(dtype), Pass::clean(6, Statistics::kStored)).h;
  };
  const auto h = stored(*norm, torch::kFloat);
  const auto copy = std::dynamic_pointer_cast<NoisyNormalizationImpl>(norm->clone());
  REQUIRE(copy);
  require_equal(stored(*copy, torch::kFloat), h);
  std::stringstream stream;
  torch::save(norm, stream);
  NoisyNormalization loaded(options);
  torch::load(loaded, stream);
  require_equal(stored(*loaded, torch::kFloat), h);
  CHECK(loaded->batches.item<int64_t>() == 1);
  copy->forward(x - 5, Pass::clean(6, Statistics::kCalibrate));  // which is its own
  require_equal(stored(*norm, torch::kFloat), h);
  norm->to(torch::kDouble);
  require_rounded({h}, [&] { return std::vector{stored(*norm, torch::kDouble)}; });
}

TEST_CASE("NoisyNormalization names what does not fit", "[nn]") {
  CHECK_THROWS_WITH(NoisyNormalization(NoisyNormalizationOptions{.channels = 2, .noise_std = -1}),
                    Catch::Contains("expected noise_std >= 0 but got -1"));
}

TEST_CASE("NoisyNormalization refuses a group with one value per channel", "[nn]") {
  NoisyNormalization norm(NoisyNormalizationOptions{.channels = 3, .noise_std = 0});
  const auto run = [&](const torch::Tensor& x, std::vector<RowGroup> groups) {
    return error_text([&] { norm->forward(x, Pass{.groups = std::move(groups)}); });
  };
  CHECK(run(torch::randn({5, 3}), {{4, false}, {1, false}}) ==
        "NoisyNormalization: expected at least 2 values per channel to normalise a group but got 1 "
        "(a single value has no variance and would become 0).");
  // One row of a feature map has as many values as positions.
  CHECK(run(torch::randn({5, 3, 2}), {{4, false}, {1, false}}) == "(no error)");
  norm->forward(torch::randn({5, 3}), Pass::clean(5, Statistics::kCalibrate));
  CHECK_NOTHROW(norm->forward(torch::randn({1, 3}), Pass::clean(1, Statistics::kStored)));
}

TEST_CASE("NoisyNormalization calibrates on finite numbers only", "[nn]") {
  NoisyNormalization norm(NoisyNormalizationOptions{.channels = 3});
  auto x = torch::randn({6, 3, 2});
  x[4][1][0] = std::numeric_limits<float>::quiet_NaN();
  CHECK(error_text([&] { norm->forward(x, Pass::clean(6, Statistics::kCalibrate)); }) ==
        "NoisyNormalization: expected the rows of a calibration to hold finite numbers but got nan "
        "in row 4, column [1, 0].");
  CHECK(norm->batches.item<int64_t>() == 0);
  CHECK(torch::isfinite(norm->running_mean).all().item<bool>());
}

TEST_CASE("NoisyNormalization stores no standard deviation that overflows", "[nn]") {
  NoisyNormalization norm(NoisyNormalizationOptions{.channels = 1});
  const auto x = torch::tensor({{1e25F}, {-1e25F}});  // whose mean is 0
  CHECK(error_text([&] { norm->forward(x, Pass::clean(2, Statistics::kCalibrate)); }) ==
        "NoisyNormalization: expected the standard deviations of a calibration to hold finite "
        "numbers but got inf in row 0, column 0.");
  CHECK(norm->batches.item<int64_t>() == 0);
}

TEST_CASE("NoisyNormalization takes another noise_std between passes and nothing else", "[nn]") {
  torch::manual_seed(8);
  NoisyNormalization norm(NoisyNormalizationOptions{.channels = 3});
  const auto x = torch::randn({6, 3});
  const auto run = [&] {
    NoiseSource noise(1);
    return norm->forward(x, Pass{.groups = {{6, true}}, .noise = &noise}).z[0];
  };
  const auto some = run();
  norm->options.noise_std = 0;
  const auto none = run();
  norm->options.noise_std = 0.6;
  // Differences of numbers up to |z| + .6 |noise|.
  const auto size = none.abs() + 2 * (some - none).abs();
  require_close(run() - none, 2 * (some - none), roundings(16, torch::kFloat, size));
  norm->options.noise_std = -1;
  CHECK(error_text(run) == "NoisyNormalization: expected noise_std >= 0 but got -1.");
  norm->options.noise_std = std::numeric_limits<double>::infinity();
  CHECK(error_text(run) == "NoisyNormalization: expected a finite noise_std but got inf.");
  norm->options.noise_std = 0.3;
  norm->options.activation = static_cast<Activation>(17);
  CHECK(error_text(run) ==
        "NoisyNormalization: expected the options that it was built with but got changed ones "
        "(options are "
        "fixed at construction: build another NoisyNormalization).");
  norm->options.activation = Activation::kRelu;
  norm->options.channels = 2;
  CHECK(error_text(run) ==
        "NoisyNormalization: expected the options that it was built with but got changed ones "
        "(options are "
        "fixed at construction: build another NoisyNormalization).");
  norm->options.channels = 3;
  CHECK(error_text([&] { norm->forward(torch::ones({3}), Pass::clean(3, Statistics::kBatch)); }) ==
        "NoisyNormalization: expected 3 channels but got an input of shape [3] (one row needs a "
        "batch dimension: unsqueeze(0)).");
  CHECK(error_text([&] {
          norm->forward(torch::ones({4, 3}, torch::kByte), Pass::clean(4, Statistics::kBatch));
        }) == "NoisyNormalization: expected an input in Float but got Byte.");
}
