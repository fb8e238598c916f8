// Trains a ladder on tensors of your own: here 2,000 rows of 20 sensors, 60 of them labeled.
//   build/release/bin/ladder-quickstart      needs no data; error about 1 % after some 5 s
#include <ladder/data/sampler.h>
#include <ladder/data/split.h>
#include <ladder/models/mlp.h>
#include <ladder/train/fused_adam.h>
#include <torch/torch.h>

#include <iostream>
#include <string>

int main(int argc, char** argv) {
  if (argc > 1 && argv[1] == std::string("--help")) {
    std::cout
        << "Train a ladder on tensors: 2,000 rows, 60 of them labeled.\n\n  ladder-quickstart\n";
    return 0;
  }
  if (argc > 1) {
    std::cerr << "ladder-quickstart: expected no arguments but got '" << argv[1] << "'.\n";
    return 2;
  }
  // Three kinds of signal: noisy mixtures of one direction each.
  torch::manual_seed(1);
  const auto y = torch::randint(3, {2000});
  const auto x = torch::randn({3, 20}).index_select(0, y) + 0.9 * torch::randn({2000, 20});
  const auto labeled = ladder::data::draw_labeled(y, 60, /*classes=*/3, /*seed=*/1);

  // [readme]
  auto net = ladder::models::full_ladder({.in_features = 20, .layers = {100, 50, 3}});
  ladder::data::SemiSampler rows({x, y, labeled, torch::arange(x.size(0))});
  ladder::train::FusedAdam adam(*net, torch::optim::AdamOptions(0.002));
  ladder::NoiseSource noise(ladder::stream_seed(/*run_seed=*/1, "noise"));
  for (int64_t step = 0; step < 1000; ++step) {
    adam.zero_grad();
    net->loss(rows.batch(step), noise).total.backward();
    adam.step();
  }
  net->calibrate(x);  // measures the statistics that inference normalises with
  net->eval();
  const torch::NoGradGuard no_grad;
  const auto wrong = net->forward(x).argmax(1).ne(y).to(torch::kDouble).mean();
  std::cout << "error on all rows: " << 100 * wrong.item<double>() << " %\n";
  // [/readme]
  return std::cout.flush() ? 0 : 1;
}
