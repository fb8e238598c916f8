#include "ladder/nn/denoising_autoencoder.h"

#include <torch/torch.h>

#include <limits>
#include <sstream>
#include <vector>

#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;  // NOLINT
using ladder::testing::error_text;
using ladder::testing::gamma;
using ladder::testing::require_close;
using ladder::testing::require_equal;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::roundings;

namespace {

DenoisingAutoencoder small_autoencoder(AutoencoderCost cost, std::vector<double> lambda = {}) {
  const auto stage = [](int64_t in, int64_t out) {
    return NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
        .in_features = in, .out_features = out, .noise_std = 0, .activation = Activation::kTanh});
  };
  return DenoisingAutoencoder(
      DenoisingAutoencoderOptions{.input_shape = {6}, .cost = cost, .lambda = std::move(lambda)},
      Stages{stage(6, 5), stage(5, 4)});
}

AutoencoderLoss autoencoder_loss(DenoisingAutoencoder& net, const torch::Tensor& x,
                                 uint64_t seed = 1) {
  NoiseSource noise(seed);
  return net->loss(x, noise);
}

// The two forms in plain operations.
torch::Tensor standardized(const torch::Tensor& x) {
  return (x - x.mean(0)) / (x.var(0, false) + 1e-10).sqrt();
}

}  // namespace

TEST_CASE("DenoisingAutoencoder reconstructs through its top alone", "[nn]") {
  torch::manual_seed(1);
  auto net = small_autoencoder(AutoencoderCost::kReconstruction);
  net->to(torch::kDouble);
  const auto x = torch::rand({8, 6}, torch::kDouble);
  const auto p = net->named_parameters();
  NoiseSource noise(1);
  const auto n = ops::standard_normal(noise.draw(8, 6), 8, 6, torch::kDouble);
  const auto loss = autoencoder_loss(net, x);
  require_rounded({loss.total}, [&] {
    auto h = x + 0.3 * n;
    for (const char* stage : {"stages.0", "stages.1"}) {
      h = torch::tanh(standardized(torch::matmul(h, p[std::string(stage) + ".weight"].t())));
    }
    auto u = standardized(h);
    for (const char* vertical : {"decoder.verticals.1", "decoder.verticals.0"}) {
      u = standardized(torch::matmul(u, p[std::string(vertical) + ".weight"].t()));
    }
    return std::vector{(u - x).square().mean()};
  });
  CHECK_FALSE(loss.denoising[1].defined());
  CHECK(net->forward(x).sizes() == x.sizes());
  CHECK(net->encode(x).sizes() == at::IntArrayRef({8, 4}));
}

TEST_CASE("DenoisingAutoencoder compares features with the clean path", "[nn]") {
  torch::manual_seed(2);
  auto net = small_autoencoder(AutoencoderCost::kFeatureDifference, {2, 3});
  net->to(torch::kDouble);
  const auto x = torch::rand({8, 6}, torch::kDouble);
  const auto p = net->named_parameters();
  NoiseSource noise(1);
  const auto n = ops::standard_normal(noise.draw(8, 6), 8, 6, torch::kDouble);
  const auto loss = autoencoder_loss(net, x);
  require_rounded({loss.denoising[2], loss.denoising[1], loss.total}, [&] {
    auto noisy = x + 0.3 * n;
    auto clean = x;
    std::vector<torch::Tensor> pre(3), z(3);
    for (size_t l = 1; l <= 2; ++l) {
      const auto w = p["stages." + std::to_string(l - 1) + ".weight"].t();
      pre[l] = torch::matmul(clean, w);
      z[l] = standardized(pre[l]);
      clean = torch::tanh(z[l]);
      noisy = torch::tanh(standardized(torch::matmul(noisy, w)));
    }
    const auto rescaled = [&](const torch::Tensor& z_hat, size_t l) {
      return (z_hat - pre[l].mean(0)) / (pre[l].var(0, false) + 1e-10).sqrt();
    };
    const auto top = standardized(noisy);
    const auto below = standardized(torch::matmul(top, p["decoder.verticals.1.weight"].t()));
    const auto cost2 = (rescaled(top, 2) - z[2]).square().mean();
    const auto cost1 = (rescaled(below, 1) - z[1]).square().mean();
    return std::vector{cost2, cost1, 2 * cost1 + 3 * cost2};
  });
  CHECK_FALSE(loss.denoising[0].defined());
  CHECK_THROWS_WITH(net->forward(x), Catch::Contains("its decoder ends at level 1"));
}

TEST_CASE("DenoisingAutoencoder passes central differences in both forms", "[nn][grad]") {
  for (const auto cost : {AutoencoderCost::kReconstruction, AutoencoderCost::kFeatureDifference}) {
    torch::manual_seed(3);
    auto net = small_autoencoder(cost);
    net->to(torch::kDouble);
    const auto x = torch::rand({8, 6}, torch::kDouble);
    require_gradient(
        [&](const std::vector<torch::Tensor>&) { return autoencoder_loss(net, x).total; },
        net->parameters());
  }
}

TEST_CASE("DenoisingAutoencoder learns to denoise rows on a line", "[nn]") {
  torch::manual_seed(4);
  auto net = small_autoencoder(AutoencoderCost::kReconstruction);
  torch::optim::Adam adam(net->parameters(), 0.02);
  NoiseSource noise(2);
  const auto direction = torch::rand({1, 6}) + 0.5;
  double first = 0;
  double last = 0;
  for (int step = 0; step < 300; ++step) {
    const auto x = torch::randn({32, 1}).matmul(direction);
    adam.zero_grad();
    const auto loss = net->loss(x, noise);
    loss.total.backward();
    adam.step();
    last = loss.total.item<double>();
    first = step == 0 ? last : first;
  }
  CHECK(last < 0.2 * first);
}

TEST_CASE("DenoisingAutoencoder clones with its state", "[nn]") {
  torch::manual_seed(5);
  auto net = small_autoencoder(AutoencoderCost::kFeatureDifference);
  const auto x = torch::rand({8, 6});
  DenoisingAutoencoder copy(std::dynamic_pointer_cast<DenoisingAutoencoderImpl>(net->clone()));
  require_close(autoencoder_loss(copy, x).total, autoencoder_loss(net, x).total);
}

TEST_CASE("DenoisingAutoencoder keeps its state when it is saved, moved and put into eval mode",
          "[nn]") {
  for (const auto cost : {AutoencoderCost::kReconstruction, AutoencoderCost::kFeatureDifference}) {
    torch::manual_seed(6);
    auto net = small_autoencoder(cost);
    const auto x = torch::rand({8, 6});
    const auto loss = autoencoder_loss(net, x).total;
    const auto features = net->encode(x);
    std::stringstream stream;
    torch::save(net, stream);
    auto loaded = small_autoencoder(cost);
    torch::load(loaded, stream);
    require_equal(autoencoder_loss(loaded, x).total, loss);
    require_equal(loaded->encode(x), features);
    loaded->eval();  // rows are normalised by their own statistics in either mode
    require_equal(autoencoder_loss(loaded, x).total, loss);
    require_equal(loaded->encode(x), features);
    net->to(torch::kDouble);
    const auto wide = x.to(torch::kDouble);
    require_rounded({loss, features}, [&] {
      return std::vector{autoencoder_loss(net, wide).total, net->encode(wide)};
    });
  }
}

TEST_CASE("DenoisingAutoencoder has the type of its stages", "[nn]") {
  NoisyBatchNormLinear stage(NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 4});
  stage->to(torch::kDouble);
  DenoisingAutoencoder net(DenoisingAutoencoderOptions{.input_shape = {6}}, Stages{stage});
  for (const auto& parameter : net->parameters()) {
    CHECK(parameter.scalar_type() == torch::kDouble);
  }
  CHECK_NOTHROW(autoencoder_loss(net, torch::rand({8, 6}, torch::kDouble)).total.backward());
}

TEST_CASE("DenoisingAutoencoder refuses rows that a Ladder refuses", "[nn]") {
  auto net = small_autoencoder(AutoencoderCost::kReconstruction);
  auto x = torch::rand({8, 6});
  const auto at_each = [&](const torch::Tensor& rows, const std::string& text) {
    CHECK(error_text([&] { autoencoder_loss(net, rows); }) == text);
    CHECK(error_text([&] { net->encode(rows); }) == text);
    CHECK(error_text([&] { net->forward(rows); }) == text);
  };
  at_each(x[0],
          "DenoisingAutoencoder: expected x to hold rows of shape [6] but got one row without the "
          "batch dimension (x.unsqueeze(0) is a batch of one row).");
  at_each(x.narrow(0, 0, 1),
          "DenoisingAutoencoder: expected at least 2 rows of x but got 1 (rows are normalised by "
          "their own statistics, and one row has none: it would become 0).");
  at_each(x.to(torch::kDouble),
          "DenoisingAutoencoder: expected x in Float on cpu like the network, or in Byte, but got "
          "Double on cpu.");
  x[3][5] = std::numeric_limits<float>::infinity();
  at_each(
      x, "DenoisingAutoencoder: expected x to hold finite numbers but got inf in row 3, column 5.");
}

TEST_CASE("DenoisingAutoencoder takes bytes in 0..1", "[nn]") {
  auto net = small_autoencoder(AutoencoderCost::kReconstruction);
  const auto bytes = torch::randint(256, {9, 6}, torch::kByte);
  const auto scaled = bytes.to(torch::kFloat).div(255);
  CHECK(torch::equal(autoencoder_loss(net, bytes).total, autoencoder_loss(net, scaled).total));
  CHECK(torch::equal(net->encode(bytes), net->encode(scaled)));
  CHECK(torch::equal(net->forward(bytes), net->forward(scaled)));
}

TEST_CASE("DenoisingAutoencoder checks the options that may change between steps", "[nn]") {
  const auto x = torch::rand({8, 6});
  auto net = small_autoencoder(AutoencoderCost::kFeatureDifference, {1, 1});
  const auto first = autoencoder_loss(net, x);
  net->options.lambda = {3, 1};
  require_close(autoencoder_loss(net, x).total, 3 * first.denoising[1] + first.denoising[2],
                roundings(8, torch::kFloat));  // of terms above 0
  const auto changed = [&](std::vector<double> lambda) {
    net->options.lambda = std::move(lambda);
    return error_text([&] { autoencoder_loss(net, x); });
  };
  CHECK(changed({1}) ==
        "DenoisingAutoencoder: expected 2 values of lambda (levels 1 up) but got 1.");
  CHECK(changed({}) ==
        "DenoisingAutoencoder: expected 2 values of lambda (levels 1 up) but got 0.");
  CHECK(changed({1, -2}) ==
        "DenoisingAutoencoder: expected values of lambda >= 0 of which one is above 0 but got "
        "[1, -2].");
  CHECK(changed({1, std::numeric_limits<double>::infinity()}) ==
        "DenoisingAutoencoder: expected values of lambda >= 0 of which one is above 0 but got "
        "[1, inf].");
  net->options.lambda = {1, 1};
  net->options.input_noise = -1;
  CHECK(error_text([&] { autoencoder_loss(net, x); }) ==
        "DenoisingAutoencoder: expected input_noise >= 0 but got -1.");
  net->options.input_noise = 0;
  net->options.cost = AutoencoderCost::kReconstruction;
  CHECK(error_text([&] { autoencoder_loss(net, x); }) ==
        "DenoisingAutoencoder: expected input_shape, cost and stages as it was built with but got "
        "changed ones (build another DenoisingAutoencoder).");
}

TEST_CASE("DenoisingAutoencoder computes a cost in inference mode and trains after it", "[nn]") {
  for (const auto cost : {AutoencoderCost::kReconstruction, AutoencoderCost::kFeatureDifference}) {
    auto net = small_autoencoder(cost);
    const auto x = torch::rand({8, 6});
    {
      const c10::InferenceMode guard;
      autoencoder_loss(net, x);
      net->encode(x);
    }
    CHECK_NOTHROW(autoencoder_loss(net, x).total.backward());
  }
}

TEST_CASE("DenoisingAutoencoder names what does not fit", "[nn]") {
  CHECK_THROWS_WITH(small_autoencoder(AutoencoderCost::kFeatureDifference, {1}),
                    Catch::Contains("expected 2 values of lambda (levels 1 up) but got 1"));
  CHECK_THROWS_WITH(small_autoencoder(AutoencoderCost::kFeatureDifference, {0, 0}),
                    Catch::Contains("of which one is above 0"));
  auto net = small_autoencoder(AutoencoderCost::kReconstruction);
  CHECK_THROWS_WITH(net->encode(torch::ones({2, 5})),
                    Catch::Contains("expected x to hold rows of shape [6] but got [2, 5]"));
  auto features = small_autoencoder(AutoencoderCost::kFeatureDifference, {1, 1});
  CHECK(error_text([&] {
          features->forward(torch::rand({8, 6}));
        }) ==
        "DenoisingAutoencoder: expected AutoencoderCost::kReconstruction to reconstruct the input "
        "but got kFeatureDifference (its decoder ends at level 1).");
}
