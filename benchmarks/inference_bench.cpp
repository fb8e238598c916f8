// Times the forward pass of a calibrated ladder beside a hand-written Sequential of the same
// network.
//
//   ladder-inference-bench [--rows N,N,...] [--threads N] [--rounds N] [--precision ...]
//   ladder-inference-bench --evaluation [--threads N] [--rounds N] [--precision ...]
//
// --evaluation times in its place what ladder-mnist does after an epoch: the calibration on 60,000
// rows of bytes, and the predictions of 10,000.
//
// The Sequential has batch normalisation folded into its weights and biases: Linear and ReLU alone,
// by LibTorch. Both take turns, with a pause before each: OpenMP's threads keep the cores for a
// while after a loop of LibTorch's. A Markdown table gives the medians of each size of batch.

#include <ladder/models/mlp.h>
#include <ladder/nn/stages/noisy_batch_norm_linear.h>
#include <ladder/ops/normalise.h>
#include <ladder/ops/product.h>
#include <ladder/train/evaluate.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cxxopts.hpp>
#include <thread>
#include <vector>

#include "apps/support/program.h"
#include "benchmarks/machine_flags.h"

namespace {

constexpr auto kPause = std::chrono::milliseconds(50);

// Return act(gamma (W x - mean) / std + gamma beta) as act(W' x + b') for each stage.
torch::nn::Sequential folded(const ladder::Ladder& net) {
  torch::nn::Sequential result;
  for (const auto& stage : net->stages) {
    const auto& dense = *stage.module()->as<ladder::NoisyBatchNormLinear>();
    const auto& normalization = *dense.normalization;
    const auto std = (normalization.running_var + ladder::kVarianceEpsilon).sqrt();
    const auto gamma = normalization.gamma.defined() ? normalization.gamma : torch::ones_like(std);
    const auto scale = gamma / std;
    auto bias = -scale * normalization.running_mean;
    if (normalization.beta.defined()) {
      bias = bias + gamma * normalization.beta;
    }
    torch::nn::Linear linear(dense.options.in_features, dense.options.out_features);
    linear->weight.set_data(dense.weight.detach() * scale.detach().unsqueeze(1));
    linear->bias.set_data(bias.detach());
    result->push_back(linear);
    if (normalization.options.activation == ladder::Activation::kRelu) {
      result->push_back(torch::nn::ReLU(torch::nn::ReLUOptions().inplace(true)));
    }
  }
  return result;
}

template <class F>
double seconds_of(const F& f, int times) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) {
    f();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return took.count() / times;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Medians of both parts of an evaluation of MNIST's size.
void time_evaluation(ladder::Ladder& net, int rounds) {
  constexpr int64_t kTrainingRows = 60000, kTestRows = 10000;
  // A fifth of the pixels are not 0, as in MNIST.
  const auto pixels = torch::randint(1, 256, {kTrainingRows, 784}, torch::kUInt8)
                          .mul_(torch::rand({kTrainingRows, 784}).lt_(0.2).to(torch::kUInt8));
  const auto test = pixels.narrow(0, 0, kTestRows);
  std::vector<double> calibrations, predictions;
  for (int round = 0; round < rounds; ++round) {
    calibrations.push_back(seconds_of([&] { net->calibrate(pixels, 1000); }, 1));
    predictions.push_back(seconds_of([&] { ladder::train::predict(net, test, 1000); }, 1));
  }
  std::printf("calibration on %ld rows of bytes: %.3f s; predictions of %ld: %.3f s\n",
              static_cast<long>(kTrainingRows), median(calibrations), static_cast<long>(kTestRows),
              median(predictions));
}

// A table of the times of both networks, which have to agree.
void compare_forward_passes(ladder::Ladder& net, const std::vector<int64_t>& sizes, int rounds) {
  auto sequential = folded(net);
  const auto difference = [&](const torch::Tensor& x) {
    return (net->forward(x) - sequential->forward(x)).abs().max().item<double>();
  };
  TORCH_CHECK(difference(torch::rand({50, 784})) < 1e-4,
              "ladder-inference-bench: expected both networks to agree but they do not.");
  std::printf(
      "| rows | this library, ms | folded Sequential, ms | ratio |\n|---:|---:|---:|---:|\n");
  for (const auto rows : sizes) {
    const auto x = torch::rand({rows, 784});
    const auto ours = [&] { net->forward(x); };
    const auto theirs = [&] { sequential->forward(x); };
    const int times = std::max<int>(1, static_cast<int>(0.02 / seconds_of(theirs, 3)));
    std::vector<double> our_times, their_times;
    for (int round = 0; round < rounds; ++round) {
      std::this_thread::sleep_for(kPause);
      our_times.push_back(seconds_of(ours, times));
      std::this_thread::sleep_for(kPause);
      their_times.push_back(seconds_of(theirs, times));
    }
    const double mine = median(our_times);
    const double other = median(their_times);
    std::printf("| %ld | %.3f | %.3f | %.2f |\n", static_cast<long>(rows), mine * 1e3, other * 1e3,
                other / mine);
  }
}

int run(int argc, char** argv) {
  cxxopts::Options cli("ladder-inference-bench", "Times the forward pass of a calibrated ladder.");
  cli.add_options()("rows", "sizes of batches",
                    cxxopts::value<std::vector<int64_t>>()->default_value("1,100,10000"))(
      "rounds", "rounds of both", cxxopts::value<int>()->default_value("41"))(
      "evaluation", "time an evaluation in place of the table");
  ladder::benchmarks::add_machine_flags(cli);
  const auto flags = ladder::benchmarks::parse(cli, argc, argv);
  if (ladder::benchmarks::only_help(cli, flags)) {
    return 0;
  }
  const torch::NoGradGuard no_grad;
  auto net = ladder::models::full_ladder({});
  ladder::reset_parameters(*net, 1);
  net->calibrate(torch::rand({2000, 784}));
  net->eval();
  const auto plan = ladder::benchmarks::product_plan(flags);
  const ladder::ops::ProductScope scope(plan);
  if (flags.count("evaluation") > 0) {
    time_evaluation(net, flags["rounds"].as<int>());
  } else {
    compare_forward_passes(net, flags["rows"].as<std::vector<int64_t>>(),
                           flags["rounds"].as<int>());
  }
  std::printf("\n%d threads, products by %s in %s.\n", at::get_num_threads(),
              to_string(plan.route).c_str(), to_string(plan.precision).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ladder::apps::keep_freed_memory();
  ladder::apps::run_program("ladder-inference-bench", [&] { return run(argc, argv); });
}
