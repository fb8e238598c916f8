// Signals of a sensor, in classes of uneven size: 10,000 rows of two channels and 64 samples, of
// which 200 are labeled. Any torch::nn::Sequential becomes a ladder by one call.
//
//   ladder-sensor        needs no data
//
// Expected: an error of 4.3 % on rows it has not seen (by class 0 to 8 %) after 16 s on one core.
#include <ladder/data/sampler.h>
#include <ladder/data/split.h>
#include <ladder/nn/from_sequential.h>
#include <ladder/train/evaluate.h>
#include <ladder/train/fused_adam.h>
#include <torch/torch.h>

#include <iostream>
#include <string>

namespace {

// A sine, square wave, saw or pulse of any phase, speed and strength, and its echo, in noise.
torch::Tensor make_signals(const torch::Tensor& y) {
  const auto rows = y.size(0);
  const auto uniform = [&](double low, double high) {
    return low + (high - low) * torch::rand({rows, 1});
  };
  const auto time = uniform(0, 1) + uniform(2.5, 3.5) * torch::linspace(0, 1, 64);
  const auto saw = 2 * (time - time.floor()) - 1;
  const auto sine = torch::sin(2 * M_PI * time);
  const auto shapes = torch::stack({sine, torch::sign(sine), saw, torch::sign(saw - 0.6)}, 1);
  const auto wave =
      uniform(0.5, 1.5) * shapes.gather(1, y.view({-1, 1, 1}).expand({-1, 1, 64})).squeeze(1);
  const auto clean = torch::stack({wave, 0.5 * wave.roll(5, 1)}, 1);
  return clean + 0.5 * torch::randn_like(clean);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string("--help")) {
    std::cout << "Train a ladder on signals, from a torch::nn::Sequential.\n\n  ladder-sensor\n";
    return 0;
  }
  if (argc > 1) {
    std::cerr << "ladder-sensor: expected no arguments but got '" << argv[1] << "'.\n";
    return 2;
  }
  torch::manual_seed(1);
  const auto shares = torch::tensor({0.5, 0.3, 0.15, 0.05});
  const auto y = torch::multinomial(shares, 10000, /*replacement=*/true);
  const auto x = make_signals(y);
  const auto labeled = ladder::data::draw_labeled(y, 200, /*classes=*/4, /*seed=*/1,
                                                  ladder::data::Balance::kUnbalanced);

  // [signals]
  torch::nn::Sequential encoder(
      torch::nn::Conv1d(torch::nn::Conv1dOptions(2, 16, 7).padding(3)), torch::nn::BatchNorm1d(16),
      torch::nn::ReLU(), torch::nn::MaxPool1d(2),
      torch::nn::Conv1d(torch::nn::Conv1dOptions(16, 32, 5).padding(2)), torch::nn::BatchNorm1d(32),
      torch::nn::ReLU(), torch::nn::AdaptiveAvgPool1d(1), torch::nn::Flatten(),
      torch::nn::Linear(32, 4));
  auto net = ladder::from_sequential(
      encoder, {.input_shape = {2, 64}, .lambda = {100, 10, 0.1, 0.1, 0.1, 0.1}});
  // [/signals]

  ladder::data::SemiSampler rows({x, y, labeled, torch::arange(x.size(0))});
  ladder::train::FusedAdam adam(*net, torch::optim::AdamOptions(0.002));
  ladder::NoiseSource noise(ladder::stream_seed(/*run_seed=*/1, "noise"));
  for (int64_t step = 0; step < 1000; ++step) {
    adam.zero_grad();
    net->loss(rows.batch(step), noise).total.backward();
    adam.step();
  }
  net->calibrate(x);
  const auto unseen_y = torch::multinomial(shares, 4000, /*replacement=*/true);
  const auto unseen = make_signals(unseen_y);
  std::cout << "error on unseen rows: " << ladder::train::error_rate(net, unseen, unseen_y)
            << " %\n";
  const auto wrong = ladder::train::predict(net, unseen).ne(unseen_y).to(torch::kDouble);
  for (int64_t c = 0; c < 4; ++c) {
    std::cout << "  class " << c << ": " << y.index_select(0, labeled).eq(c).sum().item<int64_t>()
              << " labels, " << 100 * wrong.masked_select(unseen_y == c).mean().item<double>()
              << " %\n";
  }
  return std::cout.flush() ? 0 : 1;
}
