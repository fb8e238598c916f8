#include "ladder/nn/stages/noisy_batch_norm_linear.h"

#include <torch/torch.h>

#include <cmath>
#include <sstream>

#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::roundings;
using ladder::testing::weighted_sum;

namespace {

NoisyBatchNormLinear linear(int64_t in, int64_t out, bool top = false) {
  return NoisyBatchNormLinear(
      NoisyBatchNormLinearOptions{.in_features = in, .out_features = out, .softmax_top = top});
}

}  // namespace

TEST_CASE("NoisyBatchNormLinear normalises each group by itself", "[nn]") {
  torch::manual_seed(1);
  auto stage = linear(5, 4);
  NoiseSource noise(3);
  const auto x = torch::randn({9, 5}) + 2;
  const Pass pass{.groups = {{3, true}, {6, false}}, .noise = &noise};
  const auto out = stage->forward(x, pass);
  require_rounded({out.z[1], out.h.narrow(0, 3, 6), out.mean[0], out.z[0]}, [&] {
    const auto pre = torch::linear(x.to(torch::kDouble), stage->weight.to(torch::kDouble));
    const auto part = pre.narrow(0, 3, 6);
    const auto z = (part - part.mean(0)) / (part.var(0, false) + 1e-10).sqrt();
    NoiseSource again(3);
    const auto n = ops::standard_normal(again.draw(3, 4), 3, 4, torch::kDouble);
    const auto first = pre.narrow(0, 0, 3);
    return std::vector{z, torch::relu(z), first.mean(0),
                       (first - first.mean(0)) / (first.var(0, false) + 1e-10).sqrt() + 0.3 * n};
  });
}

TEST_CASE("NoisyBatchNormLinear has beta unless linear, and gamma only at a softmax top", "[nn]") {
  CHECK(linear(3, 2)->named_parameters().keys() ==
        std::vector<std::string>{"weight", "normalization.beta"});
  CHECK(linear(3, 2, true)->named_parameters().keys() ==
        std::vector<std::string>{"weight", "normalization.beta", "normalization.gamma"});
  NoisyBatchNormLinear plain(NoisyBatchNormLinearOptions{
      .in_features = 3, .out_features = 2, .activation = Activation::kIdentity});
  CHECK(plain->named_parameters().keys() == std::vector<std::string>{"weight"});
}

TEST_CASE("NoisyBatchNormLinear draws weights of variance 1 / fan-in", "[nn]") {
  auto stage = linear(400, 500);
  reset_parameters(*stage, 7);
  CHECK(stage->weight.mean().item<double>() == Approx(0).margin(5 * 0.05 / std::sqrt(200000)));
  // 200,000 normals, five deviations of their variance.
  CHECK(stage->weight.var().item<double>() ==
        Approx(1.0 / 400).epsilon(5 * std::sqrt(2.0 / 200000)));
  auto other = linear(400, 500);
  CHECK_FALSE(torch::equal(stage->weight, other->weight));
  reset_parameters(*other, 7);
  CHECK(torch::equal(stage->weight, other->weight));
}

TEST_CASE("NoisyBatchNormLinear passes central differences with its noise reseeded", "[nn][grad]") {
  torch::manual_seed(2);
  auto stage = linear(3, 4);
  stage->to(torch::kDouble);
  require_gradient(
      [&](const std::vector<torch::Tensor>& in) {
        NoiseSource noise(5);
        const Pass pass{.groups = {{3, true}, {4, false}}, .noise = &noise};
        const auto out = stage->forward(in[0], pass);
        return weighted_sum({out.h, out.z[0], out.z[1]});
      },
      {torch::randn({7, 3}, torch::kDouble), stage->weight, stage->normalization->beta});
}

TEST_CASE("NoisyBatchNormLinear state survives clone, dtype and save", "[nn]") {
  torch::manual_seed(3);
  auto stage = linear(5, 4);
  stage->forward(torch::randn({8, 5}), Pass::clean(8, Statistics::kCalibrate));
  stage->eval();
  const auto x = torch::randn({3, 5});
  const auto pass = Pass::clean(3, Statistics::kStored);
  const auto expected = stage->forward(x, pass).h;

  const auto copy = std::dynamic_pointer_cast<NoisyBatchNormLinearImpl>(stage->clone());
  REQUIRE(copy);
  require_close(copy->forward(x, pass).h, expected);
  {
    const torch::NoGradGuard no_grad;
    copy->weight.add_(1);
  }
  require_close(stage->forward(x, pass).h, expected);
  CHECK(copy->is_training() == stage->is_training());

  std::stringstream stream;
  torch::save(stage, stream);
  auto loaded = linear(5, 4);
  torch::load(loaded, stream);
  require_close(loaded->forward(x, pass).h, expected);

  stage->to(torch::kDouble);
  require_rounded({expected},
                  [&] { return std::vector{stage->forward(x.to(torch::kDouble), pass).h}; });
}

TEST_CASE("Stages learn a scale and a shift at any level where they are affine", "[nn]") {
  NoisyBatchNormLinear stage(NoisyBatchNormLinearOptions{
      .in_features = 3, .out_features = 2, .activation = Activation::kIdentity, .affine = true});
  CHECK(stage->named_parameters().keys() ==
        std::vector<std::string>{"weight", "normalization.beta", "normalization.gamma"});
}

TEST_CASE("NoisyBatchNormLinear names what does not fit", "[nn]") {
  CHECK_THROWS_WITH(linear(0, 3),
                    Catch::Contains("NoisyBatchNormLinear: expected in_features > 0"));
  CHECK_THROWS_WITH(
      linear(3, 2)->forward(torch::ones({4, 5}), Pass::clean(4, Statistics::kBatch)),
      Catch::Contains("expected rows of 3 features but got an input of shape [4, 5]"));
  CHECK_THROWS_WITH(linear(3, 2)->forward(torch::ones({4, 3}), Pass::clean(5, Statistics::kBatch)),
                    Catch::Contains("expected 5 rows (the pass's groups) but got 4"));
  CHECK_THROWS_WITH(linear(3, 2)->forward(torch::ones({4, 3}), Pass{.groups = {{4, true}}}),
                    Catch::Contains("expected a noise source for a pass with noisy rows"));
}

TEST_CASE("NoisyBatchNormLinear refuses one row, another type and changed options", "[nn]") {
  auto stage = linear(3, 2);
  const auto run = [&](const torch::Tensor& h) {
    return error_text([&] { stage->forward(h, Pass::clean(h.size(0), Statistics::kBatch)); });
  };
  CHECK(run(torch::ones({3})) ==
        "NoisyBatchNormLinear: expected rows of 3 features but got an input of shape [3] (one row "
        "needs a batch dimension: unsqueeze(0)).");
  CHECK(run(torch::ones({1, 3})) ==
        "NoisyNormalization: expected at least 2 values per channel to normalise a group but got 1 "
        "(a single value has no variance and would become 0).");
  CHECK(run(torch::ones({4, 3}, torch::kByte)) ==
        "NoisyBatchNormLinear: expected an input in Float on cpu like its weight but got Byte on "
        "cpu.");
  CHECK(run(torch::ones({4, 3}, torch::kDouble)) ==
        "NoisyBatchNormLinear: expected an input in Float on cpu like its weight but got Double on "
        "cpu.");
  CHECK(run(torch::rand({4, 3})) == "(no error)");
  stage->options.noise_std = 0.5;  // which would change nothing
  CHECK(run(torch::rand({4, 3})) ==
        "NoisyBatchNormLinear: expected the options that it was built with but got changed ones "
        "(options are "
        "fixed at construction: build another NoisyBatchNormLinear).");
  stage->options.noise_std = 0.3;
  stage->options.in_features = 4;
  CHECK(run(torch::rand({4, 4})) ==
        "NoisyBatchNormLinear: expected the options that it was built with but got changed ones "
        "(options are "
        "fixed at construction: build another NoisyBatchNormLinear).");
  CHECK(error_text([&] { stage->reset(); }) ==
        "NoisyBatchNormLinear: expected the options that it was built with but got changed ones "
        "(options are "
        "fixed at construction: build another NoisyBatchNormLinear).");
}
