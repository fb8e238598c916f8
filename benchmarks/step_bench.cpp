// Times the training step of a network, or only the matrix products and convolutions in it.
//
//   ladder-step-bench [--serve] [--floor] [--combinator NAME] [--threads N] [--steps N]
//                     [--network full|gamma|bottom|baseline|conv-fc|conv-small|conv-small-full|
//                                conv-large]
//                     [--inputs N] [--layers N,N,...] [--batch N] [--labeled N] [--precision
//                     float32|bfloat16|tf32]
//                     [--product-route NAME] [--device cpu|cuda] [--no-graph]
//
// Without --serve it prints the median. With --serve it reads a number of steps per line from
// standard input and answers with the seconds of each step as a JSON list; step.py uses this to
// interleave it with other implementations. On CUDA, where steps are queued, every step of a line
// has the mean of the line. Data are synthetic, bytes / 255: 60,000 rows, or 2,000 feature maps.
// Under a launcher the ranks take their steps together; ranks.py uses this.

#include <fmt/format.h>
#include <ladder/data/sampler.h>
#include <ladder/models/combinators.h>
#include <ladder/models/mlp.h>
#include <ladder/models/network.h>
#include <ladder/models/recipes.h>
#include <ladder/nn/stages/noisy_conv.h>
#include <ladder/ops/convolve.h>
#include <ladder/ops/product.h>
#include <ladder/train/fused_adam.h>
#include <ladder/train/objective.h>
#include <ladder/train/step_graph.h>
#include <ladder/train/step_runner.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cxxopts.hpp>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "apps/support/program.h"
#include "apps/support/ranks.h"
#include "benchmarks/machine_flags.h"

namespace {

using Step = std::function<void()>;

constexpr double kLearningRate = 0.002;

// The lambda of a kind of dense network.
std::vector<double> lambda_of(const std::string& kind, size_t levels) {
  using namespace ladder::models;
  if (kind == "full") {
    return full_lambda(levels, 1000, 10, 0.1);
  }
  if (kind == "gamma") {
    return gamma_lambda(levels, 0.5);
  }
  if (kind == "bottom") {
    return bottom_lambda(levels, 5000);
  }
  TORCH_CHECK(
      kind == "baseline",
      "--network: expected full, gamma, bottom, baseline, conv-fc, conv-small, conv-small-full or "
      "conv-large but got '",
      kind, "'.");
  return {};
}

std::optional<ladder::models::NetworkOptions> convolutional(const std::string& kind) {
  using namespace ladder::models;
  return kind == "conv-fc"      ? std::optional(conv_fc())
         : kind == "conv-small" ? std::optional(conv_small())
         : kind == "conv-small-full"
             ? std::optional(find_recipe("mnist-100-conv-small-full").network)
         : kind == "conv-large" ? std::optional(conv_large())
                                : std::nullopt;
}

// Rows of a batch.
struct Rows {
  int64_t labeled, unlabeled;
};

// Return a step as train::Trainer runs it.
Step training_step(const ladder::models::NetworkOptions& options, Rows batch, torch::Device device,
                   bool graph) {
  const auto rank = ladder::apps::rank_of_environment();
  const auto ranks = ladder::apps::connect_ranks(rank, /*timeout=*/120);
  auto net = ladder::models::network(options);
  ladder::reset_parameters(*net, 1);
  net->to(device);
  const int64_t rows = options.input_shape.size() == 1 ? 60000 : 2000;
  auto shape = options.input_shape;
  shape.insert(shape.begin(), rows);
  const auto images = torch::randint(0, 256, shape, torch::kUInt8);
  // On a GPU bytes, as the programs keep them there.
  ladder::data::SemiData data{.inputs = device.is_cuda() && options.input_shape.size() == 1
                                            ? images.to(device)
                                            : images.to(device, torch::kFloat) / 255,
                              .labels = torch::randint(0, net->classes(), {rows}, torch::kLong),
                              .labeled = torch::arange(batch.labeled),
                              .unlabeled = torch::arange(rows)};
  const ladder::data::SamplerOptions sizes{
      .unlabeled_batch = net->has_decoder() ? batch.unlabeled : 0,
      .labeled_batch = batch.labeled,
      .rank = rank.rank,
      .ranks = rank.size};
  auto adam =
      std::make_shared<ladder::train::FusedAdam>(*net, torch::optim::AdamOptions(kLearningRate));
  auto runner = std::make_shared<ladder::train::StepRunner>(
      ladder::train::objective(net), adam, ladder::data::SemiSampler(data, sizes),
      ladder::NoiseSource(1),
      ladder::train::StepRunnerOptions{.graph = graph && !ranks, .ranks = ranks});
  runner->enter();
  const Step step = [runner, next = int64_t{0}]() mutable {
    const ladder::train::StepRunner::Scope scope(*runner);
    runner->run({.step = next++}, kLearningRate);
  };
  for (int i = 0; graph && i < 4; ++i) {  // the last of them is recorded and replayed
    step();
  }
  return step;
}

// Return a step of one matrix product and its gradients.
Step dense_floor(int64_t rows, int64_t in, int64_t out, bool input_gradient, torch::Device device) {
  const auto x = torch::randn({rows, in}, device);
  const auto weight = torch::randn({out, in}, device);
  const auto grad = torch::randn({rows, out}, device);
  return [=] {
    const torch::NoGradGuard no_grad;
    ladder::ops::linear(x, weight);
    if (input_gradient) {
      ladder::ops::linear(grad, weight.t());
    }
    ladder::ops::linear(grad.t(), x.t());
  };
}

// Return a step of one convolution from `shape` to `out_shape`, or back, and its gradients.
Step convolution_floor(int64_t rows, const ladder::models::Conv& layer,
                       const std::vector<int64_t>& shape, const std::vector<int64_t>& out_shape,
                       bool transposed, bool input_gradient, torch::Device device) {
  const auto geometry = ladder::convolution_geometry({layer.kernel, layer.kernel}, layer.border,
                                                     {layer.stride, layer.stride});
  const auto maps = [&](const std::vector<int64_t>& of) {
    return ladder::ops::channels_last(torch::randn({rows, of[0], of[1], of[2]}, device));
  };
  const auto x = maps(transposed ? out_shape : shape).requires_grad_(input_gradient);
  const auto grad = maps(transposed ? shape : out_shape);
  const auto weight =
      torch::randn({layer.channels, shape[0], layer.kernel, layer.kernel}, device).requires_grad_();
  const std::array<int64_t, 2> size = {shape[1], shape[2]};
  return [=] {
    const auto y = transposed ? ladder::ops::convolve_transposed(x, weight, size, geometry)
                              : ladder::ops::convolve(x, weight, geometry);
    const auto inputs =
        input_gradient ? std::vector<torch::Tensor>{x, weight} : std::vector<torch::Tensor>{weight};
    torch::autograd::grad({y}, inputs, {grad});
  };
}

// Return a step of only the products and convolutions of a network, on operands of their sizes.
Step product_floor(const ladder::models::NetworkOptions& options, Rows batch,
                   torch::Device device) {
  const auto& lambda = options.lambda;
  const auto first = std::find_if(lambda.begin(), lambda.end(), [](double w) { return w > 0; });
  const bool decoder = first != lambda.end();
  const bool clean =
      decoder && std::any_of(lambda.begin() + 1, lambda.end(), [](double w) { return w > 0; });
  const int64_t rows =
      batch.labeled + (decoder ? (clean ? 2 * batch.unlabeled : batch.unlabeled) : 0);
  const auto shapes = ladder::models::layer_shapes(options);
  std::vector<Step> parts;
  for (size_t l = 0; l < options.layers.size(); ++l) {
    const bool decoded = decoder && static_cast<std::ptrdiff_t>(l) >= first - lambda.begin();
    if (const auto* dense = std::get_if<ladder::models::Dense>(&options.layers[l])) {
      const auto in = c10::multiply_integers(shapes[l]);
      parts.push_back(dense_floor(rows, in, dense->units, l > 0, device));
      if (decoded) {
        parts.push_back(dense_floor(batch.unlabeled, dense->units, in, true, device));
      }
    } else if (const auto* conv = std::get_if<ladder::models::Conv>(&options.layers[l])) {
      parts.push_back(
          convolution_floor(rows, *conv, shapes[l], shapes[l + 1], false, l > 0, device));
      if (decoded) {
        parts.push_back(convolution_floor(batch.unlabeled, *conv, shapes[l], shapes[l + 1], true,
                                          true, device));
      }
    }
  }
  const auto multiply = [parts] {
    for (const auto& part : parts) {
      part();
    }
  };
  if (!device.is_cuda()) {
    return multiply;
  }
  // Queued one by one they would wait for the host.
  auto graph = std::make_shared<ladder::train::StepGraph>(device);
  {
    const c10::OptionalStreamGuard stream(graph->stream());
    multiply();
    graph->record(multiply);
  }
  return [graph] { graph->run(); };
}

double seconds_of(const Step& step) {
  const auto start = std::chrono::steady_clock::now();
  step();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The seconds of `count` steps; those that are queued on a GPU end together.
std::vector<double> seconds_of(const Step& step, int count, torch::Device device) {
  std::vector<double> seconds;
  if (!device.is_cuda()) {
    for (int i = 0; i < count; ++i) {
      seconds.push_back(seconds_of(step));
    }
    return seconds;
  }
  torch::cuda::synchronize();
  const auto all = seconds_of([&] {
    for (int i = 0; i < count; ++i) {
      step();
    }
    torch::cuda::synchronize();
  });
  return std::vector<double>(static_cast<size_t>(count), all / count);
}

void serve(const Step& step, torch::Device device) {
  for (std::string line; std::getline(std::cin, line) && line != "quit";) {
    std::string answer = "[";
    for (const double seconds : seconds_of(step, std::stoi(line), device)) {
      answer += (answer.size() > 1 ? ", " : "") + fmt::format("{:.9f}", seconds);
    }
    std::cout << answer << "]" << std::endl;
  }
}

int run(int argc, char** argv) {
  cxxopts::Options cli("ladder-step-bench", "Times one training step of a ladder.");
  cli.add_options()("serve", "read step counts from standard input and answer with times")(
      "floor", "time only the matrix products and convolutions of the step")(
      "network",
      "full, gamma, bottom, baseline, conv-fc, conv-small, conv-small-full or conv-large",
      cxxopts::value<std::string>()->default_value("full"))(
      "layers", "units per layer of a dense network, from the first hidden layer to the classes",
      cxxopts::value<std::vector<int64_t>>()->default_value("1000,500,250,250,250,10"))(
      "inputs", "values per row of a dense network's input",
      cxxopts::value<int64_t>()->default_value("784"))(
      "batch", "unlabeled rows per step", cxxopts::value<int64_t>()->default_value("100"))(
      "labeled", "labeled rows per step (default: as many as unlabeled ones)",
      cxxopts::value<int64_t>())("combinator", "name of the denoising function",
                                 cxxopts::value<std::string>()->default_value("gaussian"))(
      "steps", "number of timed steps", cxxopts::value<int>()->default_value("200"))(
      "product-route",
      "aten, onednn or ladder; auto: by the CPU's instruction sets; fastest: as measured now",
      cxxopts::value<std::string>()->default_value("auto"))(
      "device", "cpu or cuda", cxxopts::value<std::string>()->default_value("cpu"))(
      "no-graph", "on CUDA, queue each step instead of replaying a recorded one");
  ladder::benchmarks::add_machine_flags(cli);
  const auto flags = ladder::benchmarks::parse(cli, argc, argv);
  if (ladder::benchmarks::only_help(cli, flags)) {
    return 0;
  }
  const auto plan =
      ladder::benchmarks::product_plan(flags, flags["product-route"].as<std::string>());
  const ladder::ops::ProductScope scope(plan);
  const auto kind = flags["network"].as<std::string>();
  const auto maps = convolutional(kind);
  const auto unlabeled = flags["batch"].as<int64_t>();
  const Rows batch{flags.count("labeled") ? flags["labeled"].as<int64_t>() : unlabeled, unlabeled};
  ladder::models::MlpOptions dense;
  dense.in_features = flags["inputs"].as<int64_t>();
  dense.layers = flags["layers"].as<std::vector<int64_t>>();
  dense.lambda = maps ? maps->lambda : lambda_of(kind, dense.layers.size());
  ladder::models::NetworkOptions options = maps.value_or(dense);
  options.combinator = ladder::models::find_combinator(flags["combinator"].as<std::string>()).make;
  const torch::Device device(flags["device"].as<std::string>());
  const auto step =
      flags.count("floor")
          ? product_floor(options, batch, device)
          : training_step(options, batch, device, device.is_cuda() && !flags.count("no-graph"));
  if (flags.count("serve")) {
    serve(step, device);
    return 0;
  }
  for (int i = 0; i < (maps ? 3 : 20); ++i) {
    step();
  }
  auto times = seconds_of(step, flags["steps"].as<int>(), device);
  std::sort(times.begin(), times.end());
  std::printf("median %.3f ms, min %.3f ms (%zu steps, %d threads, products by %s)\n",
              times[times.size() / 2] * 1e3, times[0] * 1e3, times.size(), at::get_num_threads(),
              to_string(plan.route).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ladder::apps::keep_freed_memory();
  ladder::apps::run_program("ladder-step-bench", [&] { return run(argc, argv); });
}
