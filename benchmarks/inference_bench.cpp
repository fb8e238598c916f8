// Times the forward pass of a calibrated ladder beside a hand-written Sequential of the same
// network.
//
//   ladder-inference-bench [--rows N,N,...] [--threads N] [--rounds N] [--precision ...]
//
// The Sequential has batch normalisation folded into its weights and biases: Linear and ReLU alone,
// by LibTorch. Both take turns, and a Markdown table gives the medians of each size of batch.

#include <ladder/models/mlp.h>
#include <ladder/nn/stages/noisy_batch_norm_linear.h>
#include <ladder/ops/normalise.h>
#include <ladder/ops/product.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cxxopts.hpp>
#include <vector>

#include "apps/support/program.h"
#include "benchmarks/machine_flags.h"

namespace {

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

int run(int argc, char** argv) {
  cxxopts::Options cli("ladder-inference-bench", "Times the forward pass of a calibrated ladder.");
  cli.add_options()("rows", "sizes of batches",
                    cxxopts::value<std::vector<int64_t>>()->default_value("1,100,10000"))(
      "rounds", "rounds of both", cxxopts::value<int>()->default_value("41"));
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
  auto sequential = folded(net);
  const auto difference = [&](const torch::Tensor& x) {
    return (net->forward(x) - sequential->forward(x)).abs().max().item<double>();
  };
  TORCH_CHECK(difference(torch::rand({50, 784})) < 1e-4,
              "ladder-inference-bench: expected both networks to agree but they do not.");
  const auto plan = ladder::benchmarks::product_plan(flags);
  const ladder::ops::ProductScope scope(plan);
  std::printf(
      "| rows | this library, ms | folded Sequential, ms | ratio |\n|---:|---:|---:|---:|\n");
  for (const auto rows : flags["rows"].as<std::vector<int64_t>>()) {
    const auto x = torch::rand({rows, 784});
    const auto ours = [&] { net->forward(x); };
    const auto theirs = [&] { sequential->forward(x); };
    const int times = std::max<int>(1, static_cast<int>(0.02 / seconds_of(theirs, 3)));
    std::vector<double> our_times, their_times;
    for (int round = 0; round < flags["rounds"].as<int>(); ++round) {
      our_times.push_back(seconds_of(ours, times));
      their_times.push_back(seconds_of(theirs, times));
    }
    const double mine = median(our_times);
    const double other = median(their_times);
    std::printf("| %ld | %.3f | %.3f | %.2f |\n", static_cast<long>(rows), mine * 1e3, other * 1e3,
                other / mine);
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
