// Recorded steps and trainers side by side. A graph stands for itself on the CPU by calling its
// step again, so that what a trainer does around it is tested everywhere; [cuda] tests replay one.

#include "ladder/train/step_graph.h"

#include <torch/torch.h>

#include <limits>
#include <optional>
#include <vector>

#include "ladder/io/tensor_file.h"
#include "ladder/runs/run_folder.h"
#include "ladder/train/fused_adam.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

namespace fs = std::filesystem;

TrainOptions with_graph(bool graph, uint64_t seed = 1) {
  auto options = quick_options();
  options.graph = graph;
  options.seed = seed;
  return options;
}

TrainData on(torch::Device device, TrainData data = blobs()) {
  for (auto* tensor : {&data.training.inputs, &data.training.labels, &data.training.labeled,
                       &data.training.unlabeled, &data.test_inputs, &data.test_labels}) {
    *tensor = tensor->to(device);
  }
  return data;
}

struct Trained {
  Ladder net{nullptr};
  TrainResult result;
};

Trained trained_run(const TrainOptions& options, torch::Device device = torch::kCPU,
                    std::optional<int64_t> stop = {}) {
  auto net = small_ladder(options.seed);
  net->to(device);
  Trainer trainer(net, on(device), options);
  int64_t reached = trainer.step();
  trainer.callbacks.on_step = [&](int64_t step) { reached = step; };
  trainer.callbacks.stop_requested = [&] { return stop && reached >= *stop; };
  auto result = trainer.run();
  return {net, result};
}

// In a folder: up to `stop` with one kind of step, from there with another.
Ladder continued(const fs::path& folder, int64_t stop, bool graph, torch::Device device,
                 bool then_graph, torch::Device then_device) {
  auto options = with_graph(graph);
  options.record = runs::in_folder(folder, {.resume = true});
  REQUIRE(trained_run(options, device, stop).result.status == TrainStatus::kInterrupted);
  options.graph = then_graph;
  return trained_run(options, then_device).net;
}

// Requires two runs of all steps to differ by no more than rounding does to each.
void require_near(const Ladder& net, const Ladder& expected) {
  const auto bounds = ladder::testing::rounding_of(
      [] {
        auto options = with_graph(false);
        auto wide = small_ladder(options.seed);
        wide->to(torch::kDouble);
        Trainer(wide, blobs(300, 9, torch::kDouble), options).run();
        std::vector<torch::Tensor> results;
        for (const auto& parameter : wide->parameters()) {
          results.push_back(parameter.detach());
        }
        return results;
      },
      torch::kFloat);
  const auto parameters = net->parameters();
  const auto others = expected->parameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    INFO("parameter " << i);
    require_close(parameters[i].detach().cpu(), others[i].detach().cpu(), bounds[i] * 2);
  }
}

}  // namespace

TEST_CASE("StepGraph runs what it recorded", "[train]") {
  StepGraph graph(torch::kCPU);
  CHECK_FALSE(graph.recorded());
  CHECK_FALSE(graph.stream().has_value());
  CHECK(error_text([&] { graph.run(); }) ==
        "StepGraph: expected a recorded step to run but got none.");
  int64_t runs = 0;
  graph.record([&] { ++runs; });
  CHECK(graph.recorded());
  CHECK(runs == 0);
  graph.run();
  graph.run();
  CHECK(runs == 2);
}

TEST_CASE("StepGraph says what it cannot record for", "[train]") {
  if (StepGraph::available(torch::kCUDA)) LADDER_SKIP("this library was built for CUDA");
  CHECK(error_text([] { StepGraph{torch::kCUDA}; }) ==
        "StepGraph: expected a device whose steps can be recorded but got cuda (this library was "
        "built without CUDA; train without a graph).");
}

TEST_CASE_METHOD(OneThread, "Trainer ends the same with recorded steps", "[train]") {
  const auto plain = trained_run(with_graph(false));
  const auto recorded = trained_run(with_graph(true));
  require_same_network(*recorded.net, *plain.net);
  CHECK(recorded.result.last->total == plain.result.last->total);
  CHECK((recorded.result.last->denoising == plain.result.last->denoising));
  CHECK((recorded.result.last->test_error == plain.result.last->test_error));
}

TEST_CASE_METHOD(OneThread, "Trainer resumes recorded steps as plain ones, and back", "[train]") {
  const TemporaryFolder folder;
  const auto plain = trained_run(with_graph(false));
  for (const int64_t stop : {2, 5, 13}) {  // within the warm-up, after it, in another epoch
    const auto place = folder / std::to_string(stop);
    require_same_network(*continued(place / "a", stop, true, torch::kCPU, false, torch::kCPU),
                         *plain.net);
    require_same_network(*continued(place / "b", stop, false, torch::kCPU, true, torch::kCPU),
                         *plain.net);
    require_same_network(*continued(place / "c", stop, true, torch::kCPU, true, torch::kCPU),
                         *plain.net);
  }
}

TEST_CASE_METHOD(OneThread, "Trainer records steps without unlabeled rows", "[train]") {
  const auto run = [](bool graph) {
    auto net = small_ladder(1, {});
    auto data = blobs();
    auto options = with_graph(graph);
    options.labeled_batch = 4;  // does not divide the 9 labeled rows
    options.unlabeled_batch = 0;
    Trainer(net, data, options).run();
    return net;
  };
  require_same_network(*run(true), *run(false));
}

TEST_CASE_METHOD(OneThread, "run_together ends every run as it ends alone", "[train]") {
  std::vector<Ladder> nets;
  std::vector<Trainer> trainers;
  for (const uint64_t seed : {1, 2, 3}) {
    auto options = with_graph(seed != 2, seed);
    options.epochs = seed == 3 ? 2 : 4;
    nets.push_back(small_ladder(seed));
    trainers.emplace_back(nets.back(), blobs(), options);
  }
  const auto results = run_together(trainers);
  REQUIRE(results.size() == 3);
  for (const uint64_t seed : {1, 2, 3}) {
    auto options = with_graph(false, seed);
    options.epochs = seed == 3 ? 2 : 4;
    const auto alone = trained_run(options);
    require_same_network(*nets[seed - 1], *alone.net);
    CHECK(results[seed - 1].status == TrainStatus::kFinished);
    CHECK(results[seed - 1].steps == alone.result.steps);
  }
  std::vector<Trainer> none;
  CHECK(run_together(none).empty());
}

TEST_CASE_METHOD(OneThread, "run_together ends the others before it throws", "[train]") {
  std::vector<Ladder> nets = {small_ladder(1), small_ladder(2)};
  {
    const torch::NoGradGuard no_grad;
    nets[0]->named_parameters()["stages.2.normalization.beta"].fill_(
        std::numeric_limits<float>::quiet_NaN());
  }
  std::vector<Trainer> trainers;
  trainers.emplace_back(nets[0], blobs(), with_graph(false, 1));
  trainers.emplace_back(nets[1], blobs(), with_graph(false, 2));
  CHECK(error_text([&] { run_together(trainers); }) ==
        "Trainer: the supervised cost is not finite at step 1 (lower the noise or scale the "
        "inputs).");
  CHECK(trainers[1].step() == trainers[1].steps());
  require_same_network(*nets[1], *trained_run(with_graph(false, 2)).net);
}

TEST_CASE("A recorded step gives a GPU the numbers of plain steps", "[train][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  const auto plain = trained_run(with_graph(false), torch::kCUDA);
  if (StepGraph::available(torch::kCUDA)) {
    const auto recorded = trained_run(with_graph(true), torch::kCUDA);
    require_same_network(*recorded.net, *plain.net);
    CHECK(recorded.result.last->total == plain.result.last->total);
  }
  require_near(plain.net, trained_run(with_graph(false)).net);
}

TEST_CASE("A checkpoint goes on on another device", "[train][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  const TemporaryFolder folder;
  const bool graph = StepGraph::available(torch::kCUDA);
  const auto cpu = trained_run(with_graph(false));
  require_near(continued(folder / "up", 13, false, torch::kCPU, graph, torch::kCUDA), cpu.net);
  require_near(continued(folder / "down", 13, graph, torch::kCUDA, false, torch::kCPU), cpu.net);
}

TEST_CASE("Trainers side by side on a GPU end as alone", "[train][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  const bool graph = StepGraph::available(torch::kCUDA);
  std::vector<Ladder> nets;
  std::vector<Trainer> trainers;
  for (const uint64_t seed : {1, 2, 3, 4}) {
    nets.push_back(small_ladder(seed));
    nets.back()->to(torch::kCUDA);
    trainers.emplace_back(nets.back(), on(torch::kCUDA), with_graph(graph, seed));
  }
  run_together(trainers);
  for (const uint64_t seed : {1, 2, 3, 4}) {
    require_same_network(*nets[seed - 1], *trained_run(with_graph(graph, seed), torch::kCUDA).net);
  }
}

TEST_CASE("StepGraph names a step that waits for the GPU", "[train][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  if (!StepGraph::available(torch::kCUDA)) LADDER_SKIP("built without CUDA");
  StepGraph graph(torch::Device(torch::kCUDA, 0));
  const c10::OptionalStreamGuard stream(graph.stream());
  const auto x = torch::ones({4}, torch::kCUDA);
  CHECK(error_text([&] { graph.record([&] { x.sum().item<float>(); }); })
            .starts_with("StepGraph: expected a step that never waits for the device but got one "
                         "that a CUDA graph cannot hold (train without a graph): "));
  CHECK_FALSE(graph.recorded());
  // The stream, the allocator and the generator are as they were.
  CHECK(torch::randn({1000}, torch::kCUDA).abs().max().item<float>() > 1);
  graph.record([&] { x.add_(torch::ones({4}, torch::kCUDA) * 1); });
  graph.run();
  CHECK(x.sum().item<float>() == 8);
}

TEST_CASE("A trainer that is stopped leaves its weights ready on a GPU", "[train][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  const bool graph = StepGraph::available(torch::kCUDA);
  const auto stopped = trained_run(with_graph(graph), torch::kCUDA, 12);
  CHECK(stopped.result.status == TrainStatus::kInterrupted);
  const auto now = stopped.net->parameters()[0].detach().cpu();
  torch::cuda::synchronize();
  CHECK(now.equal(stopped.net->parameters()[0].detach().cpu()));
  auto options = with_graph(graph);
  options.epochs = 2;  // 12 steps
  options.decay_from = 1;
  CHECK(same_parameters(*stopped.net, *trained_run(options, torch::kCUDA).net));
}

TEST_CASE("FusedAdam's rate reaches a recorded step", "[train][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  if (!StepGraph::available(torch::kCUDA)) LADDER_SKIP("built without CUDA");
  const auto run = [](bool graph) {
    const auto weight = torch::ones({5}, torch::kCUDA).requires_grad_();
    FusedAdam adam({weight}, torch::optim::AdamOptions(0.1));
    const auto step = [&] {
      (weight * weight).sum().backward();
      adam.step();
      adam.zero_grad();
    };
    StepGraph recorded(torch::Device(torch::kCUDA, 0));
    const c10::OptionalStreamGuard stream(recorded.stream());
    step();
    step();
    if (graph) recorded.record(step);
    for (const double rate : {0.1, 0.05, 0.0, 0.2}) {
      adam.set_learning_rate(rate);
      graph ? recorded.run() : step();
    }
    return weight.detach().cpu();
  };
  ladder::testing::require_equal(run(true), run(false));
}
