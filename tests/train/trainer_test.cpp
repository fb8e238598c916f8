#include "ladder/train/trainer.h"

#include <c10/core/InferenceMode.h>
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "ladder/io/tensor_file.h"
#include "ladder/runs/run_folder.h"
#include "ladder/train/checkpoint.h"
#include "ladder/train/fused_adam.h"
#include "ladder/train/schedule.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/run_files.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;

constexpr int64_t kSteps = 24;  // 4 epochs of 6

Ladder trained(const TrainOptions& options = quick_options(), TrainData data = blobs()) {
  auto net = small_ladder(options.seed);
  Trainer trainer(net, std::move(data), options);
  REQUIRE(trainer.run().status == TrainStatus::kFinished);
  return net;
}

TrainOptions options_in(const fs::path& folder) {
  auto options = quick_options();
  options.record = runs::in_folder(folder);
  return options;
}

// A run in `folder` that ends after `step` steps, in a process of its own as it were.
TrainStatus train_until(const fs::path& folder, int64_t step, TrainOptions options,
                        const std::string& config = "{}") {
  options.record = runs::in_folder(folder, {.config = config, .resume = true});
  auto net = small_ladder(options.seed);
  Trainer trainer(net, blobs(), options);
  int64_t reached = trainer.step();
  trainer.callbacks.on_step = [&](int64_t done) { reached = done; };
  trainer.callbacks.stop_requested = [&] { return reached >= step; };
  const auto result = trainer.run();
  REQUIRE(result.steps == std::min(step, kSteps));
  return result.status;
}

// A folder whose history cannot be changed.
struct StuckFolder : runs::RunFolder {
  using runs::RunFolder::RunFolder;
  void keep_evaluations(int64_t) override { throw std::runtime_error("stuck"); }
};

}  // namespace

TEST_CASE_METHOD(OneThread, "Trainer learns the classes", "[train]") {
  auto net = small_ladder();
  Trainer trainer(net, blobs(), [] {
    auto options = quick_options();
    options.epochs = 20;
    return options;
  }());
  REQUIRE(trainer.steps_per_epoch() == 6);
  REQUIRE(trainer.steps() == 120);
  std::vector<Evaluation> evaluations;
  trainer.callbacks.on_evaluation = [&](const Evaluation& e) { evaluations.push_back(e); };
  const auto result = trainer.run();
  REQUIRE(result.status == TrainStatus::kFinished);
  REQUIRE(result.steps == 120);
  REQUIRE(evaluations.size() == 20);
  REQUIRE(*result.last->test_error <= 5);
  REQUIRE(result.last->total < evaluations.front().total);
  REQUIRE(result.seconds >= result.training_seconds);
  REQUIRE(result.steps_per_second == Approx(120 / result.training_seconds));
  REQUIRE_FALSE(net->is_training());
  REQUIRE(error_rate(net, blobs().test_inputs, blobs().test_labels) == *result.last->test_error);
}

TEST_CASE_METHOD(OneThread, "Trainer takes the steps of a plain loop", "[train]") {
  const auto data = blobs();
  const auto options = quick_options();
  auto expected = small_ladder();
  data::SemiSampler sampler(data.training, {.unlabeled_batch = 50, .seed = options.seed});
  NoiseSource noise(stream_seed(options.seed, "noise"));
  FusedAdam adam(*expected, torch::optim::AdamOptions(options.learning_rate));
  double supervised = 0;
  double level0 = 0;
  double total = 0;
  for (int64_t step = 0; step < kSteps; ++step) {
    const auto epoch = step / sampler.steps_per_epoch();
    adam.set_learning_rate(learning_rate({options.learning_rate, 4, options.decay_from}, epoch));
    const auto loss = expected->loss(sampler.batch(step), noise);
    loss.total.backward();
    adam.step();
    adam.zero_grad();
    if (epoch == 3) {
      supervised += loss.supervised.item<double>() / 6;
      level0 += loss.denoising[0].item<double>() / 6;
      total += loss.total.item<double>() / 6;
    }
  }
  expected->calibrate(data.training.inputs, options.evaluation_batch);

  auto net = small_ladder();
  Trainer trainer(net, data, options);
  const auto result = trainer.run();
  require_same_network(*net, *expected);
  REQUIRE(result.last->supervised.value() == Approx(supervised));
  REQUIRE(*result.last->denoising[0] == Approx(level0));
  REQUIRE(result.last->total == Approx(total));
  REQUIRE(result.last->learning_rate == learning_rate({options.learning_rate, 4, 0.67}, 3));
}

TEST_CASE_METHOD(OneThread, "Trainer gives the same weights for the same seed", "[train]") {
  const auto net = trained();
  require_same_network(*net, *trained());
  auto options = quick_options();
  options.seed = 2;
  auto same_start = small_ladder(1);
  Trainer trainer(same_start, blobs(), options);
  trainer.run();
  REQUIRE_FALSE(same_parameters(*net, *same_start));
}

TEST_CASE_METHOD(OneThread, "Trainer trains alike where the caller has switched gradients off",
                 "[train]") {
  const auto expected = trained();
  {
    const torch::NoGradGuard no_grad;
    require_same_network(*trained(), *expected);
  }
  auto net = small_ladder(quick_options().seed);
  Trainer trainer(net, blobs(), quick_options());
  {
    const c10::InferenceMode inference;
    trainer.run();
  }
  require_same_network(*net, *expected);
  NoiseSource noise(1);
  const auto rows = blobs().training;
  net->train();
  net->loss({rows.inputs, rows.labels, rows.inputs}, noise)
      .total.backward();  // nothing of that mode has stayed
}

TEST_CASE_METHOD(OneThread, "Trainer gives the same weights whatever it evaluates and reports",
                 "[train]") {
  auto options = quick_options();
  options.eval_every = 0;
  options.calibration = Calibration::kLabeledRows;
  auto net = small_ladder();
  options.progress_every_seconds = 0;
  Trainer trainer(net, blobs(), options);
  int64_t evaluations = 0, reports = 0;
  trainer.callbacks.on_progress = [&](const Progress&) { ++reports; };
  trainer.callbacks.on_evaluation = [&](const Evaluation&) { ++evaluations; };
  trainer.run();
  REQUIRE(evaluations == 1);
  REQUIRE(reports == kSteps);
  REQUIRE(same_parameters(*net, *trained()));
}

TEST_CASE("Trainer gives the same weights on any number of threads", "[train]") {
  auto options = quick_options();
  options.epochs = 2;
  options.unlabeled_batch = 150;
  options.products = ops::ProductPlan{.route = ops::ProductRoute::kLadder};
  // A product takes a second thread from 1.3 million multiplications on, an update of weights from
  // 40,000 of them on: here the first product has 309 x 12 x 512, the next one 309 x 512 x 300.
  const auto wide = [] { return blob_ladder({512, 300, kBlobClasses}, {10, 1, 0.1, 0.1}); };
  const auto trained_on = [&](int count) {
    const ThreadsOfTest threads(count);
    auto net = wide();
    Trainer(net, blobs(), options).run();
    return net;
  };
  const auto one = trained_on(1);
  REQUIRE_FALSE(same_parameters(*one, *wide()));
  for (const int count : {2, 3}) {
    INFO(count << " threads");
    require_same_network(*trained_on(count), *one);
  }
}

TEST_CASE_METHOD(OneThread, "Trainer resumed at any step ends as if it had not stopped",
                 "[train]") {
  const TemporaryFolder folder;
  auto options = quick_options();
  auto straight = small_ladder();
  Trainer(straight, blobs(), options_in(folder / "straight")).run();

  const auto stops = GENERATE(std::vector<int64_t>{1}, std::vector<int64_t>{5, 6, 7},
                              std::vector<int64_t>{13, 20}, std::vector<int64_t>{12, 23});
  for (const auto stop : stops) {
    REQUIRE(train_until(folder / "parts", stop, options) == TrainStatus::kInterrupted);
    REQUIRE_FALSE(fs::exists(folder / "parts/result.json"));
  }
  options.record = runs::in_folder(folder / "parts", {.resume = true});
  auto net = small_ladder(99);  // the checkpoint replaces what it comes with
  Trainer trainer(net, blobs(), options);
  REQUIRE(trainer.step() == stops.back());
  const auto result = trainer.run();
  REQUIRE(result.status == TrainStatus::kFinished);
  REQUIRE(result.steps == kSteps);
  require_same_network(*net, *straight);
  REQUIRE(timeless_metrics(folder / "parts") == timeless_metrics(folder / "straight"));
  REQUIRE(timeless_metrics(folder / "parts").size() == 4);
}

TEST_CASE_METHOD(OneThread, "Trainer killed between checkpoints repeats what was lost", "[train]") {
  const TemporaryFolder folder;
  auto options = quick_options();
  auto straight = small_ladder();
  Trainer(straight, blobs(), options_in(folder / "straight")).run();

  train_until(folder / "a", 8, options);  // a checkpoint in the second epoch
  fs::copy(folder / "a", folder / "b", fs::copy_options::recursive);
  train_until(folder / "a", 20, options);
  // What a kill leaves: metrics of three epochs, the checkpoint of step 8, a torn line.
  fs::copy_file(folder / "a/metrics.jsonl", folder / "b/metrics.jsonl",
                fs::copy_options::overwrite_existing);
  write_file(folder / "b/metrics.jsonl", file_bytes(folder / "a/metrics.jsonl") + "{\"epo");
  REQUIRE(train_until(folder / "b", kSteps, options) == TrainStatus::kFinished);
  REQUIRE(timeless_metrics(folder / "b") == timeless_metrics(folder / "straight"));
}

TEST_CASE_METHOD(OneThread, "Trainer killed before the first checkpoint starts again", "[train]") {
  const TemporaryFolder folder;
  const auto options = quick_options();
  train_until(folder / "a", kSteps, options);
  fs::create_directory(folder / "b");
  fs::copy_file(folder / "a/config.json", folder / "b/config.json");
  REQUIRE(train_until(folder / "b", kSteps, options) == TrainStatus::kFinished);
  REQUIRE(timeless_metrics(folder / "b") == timeless_metrics(folder / "a"));
}

TEST_CASE_METHOD(OneThread, "Trainer killed before the result is written ends on resume",
                 "[train]") {
  const TemporaryFolder folder;
  const auto options = quick_options();
  train_until(folder.path(), kSteps, options);
  const auto before = json::parse(file_bytes(folder / "result.json"));
  fs::remove(folder / "result.json");
  train_until(folder.path(), kSteps, options);
  const auto after = json::parse(file_bytes(folder / "result.json"));
  REQUIRE(after.at("test_error") == before.at("test_error"));
  REQUIRE(after.at("last") == before.at("last"));
  REQUIRE(after.at("status") == "finished");
}

TEST_CASE_METHOD(OneThread, "Trainer returns the result of a run that has ended", "[train]") {
  const TemporaryFolder folder;
  auto options = options_in(folder.path());
  auto net = small_ladder();
  const auto first = Trainer(net, blobs(), options).run();
  REQUIRE(error_text([&] {
            Trainer(net, blobs(), options);
          }).find("which holds one (continue it with --resume") != std::string::npos);
  options.record = runs::in_folder(folder.path(), {.resume = true});
  auto other = small_ladder(2);
  Trainer again(other, blobs(), options);
  int64_t steps = 0;
  again.callbacks.on_step = [&](int64_t) { ++steps; };
  const auto second = again.run();
  REQUIRE(steps == 0);
  REQUIRE(second.status == TrainStatus::kFinished);
  REQUIRE(second.last->test_error.value() == first.last->test_error.value());
  REQUIRE(second.seconds == Approx(first.seconds));
  require_same_network(*net, *other);
}

TEST_CASE_METHOD(OneThread, "Trainer asks once after each step whether to stop", "[train]") {
  Trainer trainer(small_ladder(), blobs(), quick_options());
  int64_t asked = 0;
  trainer.callbacks.stop_requested = [&] { return ++asked == 5; };
  const auto result = trainer.run();
  REQUIRE(result.status == TrainStatus::kInterrupted);
  REQUIRE(result.steps == 5);
  REQUIRE(asked == 5);
}

TEST_CASE_METHOD(OneThread, "Trainer goes on when it is run again after a stop", "[train]") {
  auto net = small_ladder();
  Trainer trainer(net, blobs(), quick_options());
  trainer.callbacks.stop_requested = [] { return true; };
  auto result = trainer.run();
  REQUIRE(result.status == TrainStatus::kInterrupted);
  REQUIRE(result.steps == 1);
  REQUIRE_FALSE(result.last.has_value());
  trainer.callbacks.stop_requested = {};
  result = trainer.run();
  REQUIRE(result.status == TrainStatus::kFinished);
  require_same_network(*net, *trained());
}

TEST_CASE_METHOD(OneThread, "Trainer restores the product route of the checkpoint", "[train]") {
  const auto routes = ops::available_product_routes();
  if (routes.size() < 2) LADDER_SKIP("this LibTorch has one product route");
  const TemporaryFolder folder;
  for (const auto started : routes) {
    const auto place = folder / ops::to_string(started);
    auto options = quick_options();
    options.products = ops::ProductPlan{.route = started};
    train_until(place, 5, options);
    int64_t step = 5;
    for (const auto other : routes) {
      const ops::ProductScope scope({.route = other});
      train_until(place, ++step, quick_options());
    }
    const auto tensors = io::load_tensors(place / "checkpoint.pt");
    REQUIRE(io::tensor_text(tensors.at("state.product_route")) == ops::to_string(started));
  }
}

TEST_CASE_METHOD(OneThread, "Trainer resumed among float32 products keeps its bfloat16 ones",
                 "[train]") {
  const TemporaryFolder folder;
  auto options = quick_options();
  options.products = ops::default_product_plan(ops::ProductPrecision::kBFloat16);
  const auto expected = trained(options);
  REQUIRE_FALSE(same_parameters(*expected, *trained()));
  REQUIRE(train_until(folder.path(), 8, options) == TrainStatus::kInterrupted);

  options.products = ops::default_product_plan();
  auto net = small_ladder();
  options.record = runs::in_folder(folder.path(), {.resume = true});
  const auto plans = "float32 products by " + ops::to_string(options.products->route) +
                     " but got one with bfloat16 products by ";
  CHECK_THROWS_WITH(Trainer(net, blobs(), options), Catch::Contains(plans));

  options.products.reset();
  Trainer(net, blobs(), options).run();
  require_same_network(*net, *expected);
  REQUIRE(ops::product_plan() == ops::default_product_plan());
}

TEST_CASE_METHOD(OneThread, "Trainers of different precision end as alone when run in turns",
                 "[train]") {
  using ops::ProductPrecision;
  std::vector<ops::ProductPlan> plans = {ops::default_product_plan(ProductPrecision::kBFloat16),
                                         ops::default_product_plan(ProductPrecision::kFloat32)};
  for (const auto route : ops::available_product_routes()) {
    plans.push_back({ProductPrecision::kBFloat16, route});
  }
  std::vector<Ladder> nets, alone;
  std::vector<Trainer> trainers;
  for (const auto& plan : plans) {
    auto options = quick_options();
    options.products = plan;
    alone.push_back(trained(options));
    nets.push_back(small_ladder());
    trainers.emplace_back(nets.back(), blobs(), options);
  }
  run_together(trainers);
  for (size_t i = 0; i < plans.size(); ++i) {
    INFO(to_string(plans[i]));
    require_same_network(*nets[i], *alone[i]);
  }
  REQUIRE_FALSE(same_parameters(*nets[0], *nets[1]));
}

TEST_CASE_METHOD(OneThread, "Trainers in turns do not count each other's steps as training",
                 "[train]") {
  std::vector<Trainer> trainers;
  for (int i = 0; i < 2; ++i) trainers.emplace_back(small_ladder(), blobs(), quick_options());
  trainers[0].callbacks.on_step = [](int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(40));
  };
  const auto results = run_together(trainers);
  // Of a second that the first one sleeps, the other one counts none.
  REQUIRE(results[1].training_seconds < results[1].seconds - 0.04 * kSteps / 2);
}

TEST_CASE_METHOD(OneThread, "Trainers in turns end although one of them cannot begin", "[train]") {
  const TemporaryFolder folder;
  auto options = quick_options();
  options.record = [&] { return std::make_shared<StuckFolder>(folder.path(), "{}", false); };
  const auto net = small_ladder();
  std::vector<Trainer> trainers;
  trainers.emplace_back(small_ladder(), blobs(), options);
  trainers.emplace_back(net, blobs(), quick_options());
  REQUIRE_THROWS_WITH(run_together(trainers), "stuck");
  REQUIRE(trainers[0].step() == 0);
  REQUIRE(trainers[1].step() == kSteps);
  require_same_network(*net, *trained());
}

TEST_CASE_METHOD(OneThread, "Trainer writes checkpoints as time passes", "[train]") {
  const TemporaryFolder folder;
  auto options = options_in(folder.path());
  options.checkpoint_every_seconds = 0;
  auto net = small_ladder();
  Trainer trainer(net, blobs(), options);
  int64_t seen = 0;
  trainer.callbacks.on_step = [&](int64_t step) {
    if (step == 1) return;
    const auto tensors = io::load_tensors(folder / "checkpoint.pt");
    REQUIRE(tensors.at("state.step")[0].item<int64_t>() == step - 1);
    ++seen;
  };
  trainer.run();
  REQUIRE(seen == kSteps - 1);
  REQUIRE(io::load_tensors(folder / "checkpoint.pt").at("state.step")[0].item<int64_t>() == kSteps);
  require_same_network(*net, *trained());
}

TEST_CASE_METHOD(OneThread,
                 "Trainer refuses the checkpoint of another configuration, seed or length",
                 "[train]") {
  const TemporaryFolder folder;
  auto options = quick_options();
  train_until(folder.path(), 8, options, R"({"lambda": 1})");
  const auto with_config = [&](const std::string& config) {
    return runs::in_folder(folder.path(), {.config = config, .resume = true});
  };
  options.record = with_config(R"({"lambda": 1})");
  auto net = small_ladder();
  const auto text_of = [&](const TrainOptions& changed) {
    return error_text([&] { Trainer(net, blobs(), changed); });
  };
  auto changed = options;
  changed.record = with_config(R"({"lambda": 2})");
  REQUIRE(text_of(changed).find("lambda (1 there, 2 here)") != std::string::npos);
  changed = options;
  changed.seed = 2;
  REQUIRE(text_of(changed) == "Trainer: expected " + (folder / "checkpoint.pt").string() +
                                  " to be of a run with seed 2 but got one with another seed or "
                                  "start.");
  changed = options;
  changed.start = 2;
  REQUIRE(text_of(changed) ==
          "Trainer: expected " + (folder / "checkpoint.pt").string() +
              " to be of a run with seed 1 and start 2 but got one with another "
              "seed or start.");
  changed = options;
  changed.unlabeled_batch = 30;
  REQUIRE(text_of(changed) ==
          "Trainer: expected " + (folder / "checkpoint.pt").string() +
              " to be of a run of 4 epochs of 10 steps but got step 8 of one with 6 steps an "
              "epoch (other rows, batches or epochs?).");
  changed = options;
  changed.epochs = 1;
  REQUIRE(text_of(changed).find("of 1 epochs of 6 steps but got step 8") != std::string::npos);
}

TEST_CASE_METHOD(OneThread, "Trainer stops early on the validation error", "[train]") {
  const TemporaryFolder folder;
  auto data = blobs();
  data.validation = torch::arange(200, 300);
  data.training.unlabeled = torch::arange(200);
  auto options = options_in(folder.path());
  options.epochs = 50;
  options.learning_rate = 1e-30;  // nothing improves
  options.patience = 3;
  auto net = small_ladder();
  const auto result = Trainer(net, data, options).run();
  REQUIRE(result.status == TrainStatus::kStoppedEarly);
  REQUIRE(result.best_epoch == 1);
  REQUIRE(result.last->epoch == 4);
  REQUIRE(result.last->validation_error.value() == result.best_validation_error.value());
  REQUIRE(json::parse(file_bytes(folder / "result.json")).at("status") == "stopped early");

  // Killed before the result was written, it does not train on.
  fs::remove(folder / "result.json");
  options.record = runs::in_folder(folder.path(), {.resume = true});
  const auto resumed = Trainer(net, data, options).run();
  REQUIRE(resumed.status == TrainStatus::kStoppedEarly);
  REQUIRE(resumed.steps == result.steps);
}

TEST_CASE_METHOD(OneThread, "Trainer keeps the early stop across a resume", "[train]") {
  const TemporaryFolder folder;
  auto data = blobs();
  data.validation = torch::arange(200, 300);
  data.training.unlabeled = torch::arange(200);  // 4 steps an epoch
  auto options = options_in(folder.path());
  options.epochs = 50;
  options.learning_rate = 1e-30;
  options.patience = 3;
  auto net = small_ladder();
  {
    Trainer trainer(net, data, options);
    int64_t done = 0;
    trainer.callbacks.on_step = [&](int64_t step) { done = step; };
    trainer.callbacks.stop_requested = [&] { return done == 10; };
    REQUIRE(trainer.run().status == TrainStatus::kInterrupted);
  }
  options.record = runs::in_folder(folder.path(), {.resume = true});
  const auto result = Trainer(net, data, options).run();
  REQUIRE(result.status == TrainStatus::kStoppedEarly);
  REQUIRE(result.best_epoch == 1);
  REQUIRE(result.steps == 16);
}

TEST_CASE_METHOD(OneThread, "Trainer names the cost that is not finite", "[train]") {
  auto data = blobs();
  auto net = small_ladder();
  const auto fill = [&](const std::string& name, float value) {
    const torch::NoGradGuard no_grad;
    net->named_parameters()[name].fill_(value);
  };
  SECTION("of a level") {
    fill("decoder.combinators.1.weight", std::numeric_limits<float>::max());
    Trainer trainer(net, data, quick_options());
    REQUIRE(error_text([&] { trainer.run(); }) ==
            "Trainer: the denoising cost of level 1 is not finite at step 1 (lower lambda or the "
            "noise, or scale the inputs).");
  }
  SECTION("of the labels") {
    fill("stages.2.normalization.beta", std::numeric_limits<float>::quiet_NaN());
    Trainer trainer(net, data, quick_options());
    REQUIRE(error_text([&] { trainer.run(); }) ==
            "Trainer: the supervised cost is not finite at step 1 (lower the noise or scale the "
            "inputs).");
  }
  SECTION("in sum alone") {
    // Each weight is a float32 number; their costs in sum are not.
    auto heavy = small_ladder(1, {3e38, 3e38, 3e38, 3e38});
    Trainer trainer(heavy, data, quick_options());
    REQUIRE(error_text([&] { trainer.run(); }) ==
            "Trainer: the total cost is not finite at step 1 (lower lambda).");
  }
  SECTION("within 100 steps, whatever is evaluated") {
    auto options = quick_options();
    options.epochs = 1000;
    options.eval_every = 0;
    options.learning_rate = 1e37;
    Trainer trainer(net, data, options);
    int64_t last = 0;
    trainer.callbacks.on_step = [&](int64_t step) { last = step; };
    REQUIRE(error_text([&] { trainer.run(); }).find("cost") != std::string::npos);
    REQUIRE(last <= 99);
  }
}

TEST_CASE_METHOD(OneThread, "Trainer saves no parameter that is not finite", "[train]") {
  const TemporaryFolder folder;
  auto options = options_in(folder.path());
  options.checkpoint_every_seconds = 0;
  auto net = small_ladder(1, {});  // no denoising cost sees what the first rectifier hides
  Trainer trainer(net, blobs(), options);
  trainer.callbacks.on_step = [&](int64_t step) {
    if (step != 10) return;
    const torch::NoGradGuard no_grad;
    net->named_parameters()["stages.0.weight"].fill_(std::numeric_limits<float>::quiet_NaN());
  };
  REQUIRE(error_text([&] { trainer.run(); }) ==
          "Trainer: the parameter stages.0.weight is not finite after step 10 (lower lambda or the "
          "learning rate).");
  REQUIRE(io::load_tensors(folder / "checkpoint.pt").at("state.step")[0].item<int64_t>() == 9);
}

TEST_CASE_METHOD(OneThread, "Trainer reports progress", "[train]") {
  auto options = quick_options();
  options.progress_every_seconds = 0;
  auto net = small_ladder();
  Trainer trainer(net, blobs(), options);
  std::vector<Progress> reports;
  trainer.callbacks.on_progress = [&](const Progress& progress) { reports.push_back(progress); };
  trainer.run();
  REQUIRE(reports.size() == kSteps);
  REQUIRE(reports[5].epoch == 1);
  REQUIRE(reports[5].step == 6);
  REQUIRE(reports[6].epoch == 2);
  REQUIRE(reports[6].steps == kSteps);
  REQUIRE(reports[6].epochs == 4);
  REQUIRE(reports[6].total > 0);
  REQUIRE(reports[7].seconds >= reports[6].seconds);
}

TEST_CASE_METHOD(OneThread, "Trainer trains without unlabeled rows, and in float64", "[train]") {
  auto data = blobs(300, 150, torch::kFloat64);
  data.training.unlabeled = torch::Tensor();
  auto net = small_ladder(1, {});
  net->to(torch::kFloat64);
  auto options = quick_options();
  options.unlabeled_batch = 0;
  options.labeled_batch = 50;
  Trainer trainer(net, data, options);
  REQUIRE(trainer.steps_per_epoch() == 3);
  const auto result = trainer.run();
  REQUIRE(result.last->denoising.size() == 4);
  REQUIRE_FALSE(result.last->denoising[0].has_value());
  REQUIRE(result.last->total == result.last->supervised.value());
  REQUIRE(*result.last->test_error < 50);
}

TEST_CASE_METHOD(OneThread, "Trainer calibrates on the rows that it is told to", "[train]") {
  const auto data = blobs();
  auto options = quick_options();
  const auto all = trained(options);
  options.calibration = Calibration::kLabeledRows;
  auto labeled = small_ladder();
  Trainer(labeled, data, options).run();
  auto expected = all;
  expected->calibrate(data.training.inputs.narrow(0, 0, 9), options.evaluation_batch);
  require_same_network(*labeled, *expected);
}

TEST_CASE_METHOD(OneThread, "Trainer says what is wrong with options and data", "[train]") {
  auto net = small_ladder();
  const auto text = [&](TrainData data, TrainOptions options) {
    return error_text([&] { Trainer(net, std::move(data), std::move(options)); });
  };
  auto options = quick_options();
  options.epochs = 0;
  REQUIRE(text(blobs(), options) == "Trainer: expected epochs of at least 1 but got 0.");
  options = quick_options();
  options.patience = 5;
  REQUIRE(text(blobs(), options) ==
          "Trainer: expected validation rows for a patience of 5 epochs but got none.");
  options.eval_every = 0;
  REQUIRE(
      text(blobs(), options) ==
      "Trainer: expected eval_every of at least 1 with a patience of 5 but got 0 (the validation "
      "error decides when to stop).");
  options = quick_options();
  options.record = [] { return std::shared_ptr<RunRecord>(); };
  REQUIRE(text(blobs(), options) == "Trainer: expected a record of the run but got none.");
  options = quick_options();
  options.decay_from = 67;
  REQUIRE(text(blobs(), options).starts_with("LinearDecay: expected decay_from in 0..1"));
  options = quick_options();
  REQUIRE(text(blobs(300, 9, torch::kFloat64), options) ==
          "Trainer: expected training inputs in Float on cpu like the network but got Double on "
          "cpu.");
  auto data = blobs();
  data.test_labels = torch::Tensor();
  REQUIRE(text(data, options) ==
          "Trainer: expected test inputs and test labels, or neither, but got inputs alone.");
  data = blobs();
  data.validation = torch::tensor({300}, torch::kInt64);
  REQUIRE(text(data, options) ==
          "Trainer: expected validation rows as int64 [v] in 0..299 but got Long [1].");
  data = blobs();
  data.test_inputs = torch::zeros({300, 11});
  REQUIRE(text(data, options) ==
          "Trainer: expected test inputs whose rows are [12], as the network takes them, but got "
          "rows [11].");
  std::vector<torch::optim::OptimizerParamGroup> groups;
  const auto parameters = net->parameters();
  for (const double rate : {0.002, 0.0002}) {
    groups.emplace_back(groups.empty() ? std::vector<torch::Tensor>{parameters[0]}
                                       : std::vector<torch::Tensor>{parameters[1]},
                        std::make_unique<torch::optim::AdamOptions>(rate));
  }
  const TrainParts parts{.objective = train::objective(net),
                         .optimizer = std::make_shared<FusedAdam>(groups)};
  REQUIRE(error_text([&] { Trainer(parts, blobs(), options); }) ==
          "Trainer: expected one learning rate for all parameter groups, which the schedule sets, "
          "but got 0.002 and 0.0002.");
  data = blobs();
  data.training.inputs = torch::Tensor();
  REQUIRE(text(data, options) == "Trainer: expected training inputs but got none.");
  REQUIRE(error_text([&] { Trainer(Ladder(nullptr), blobs(), options); }) ==
          "Trainer: expected a network but got an empty Ladder.");
}

TEST_CASE_METHOD(OneThread, "Trainer leaves no folder behind when the data are wrong", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  auto options = options_in(folder / "run");
  options.unlabeled_batch = 301;
  REQUIRE(error_text([&] { Trainer(net, blobs(), options); }).starts_with("SemiSampler: "));
  REQUIRE_FALSE(fs::exists(folder / "run"));
}

TEST_CASE_METHOD(OneThread, "Trainer names rows and labels that it cannot learn from", "[train]") {
  auto net = small_ladder();
  const auto text = [&](const std::function<void(TrainData&)>& change,
                        TrainOptions options = quick_options()) {
    auto data = blobs();
    change(data);
    return error_text([&] { Trainer(net, std::move(data), std::move(options)); });
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  REQUIRE(
      text([&](TrainData& data) { data.training.inputs[7][2] = nan; }) ==
      "Trainer: expected training inputs to hold finite numbers but got nan in row 7, column 2.");
  REQUIRE(
      text([&](TrainData& data) { data.test_inputs[299][11] = -infinity; }) ==
      "Trainer: expected test inputs to hold finite numbers but got -inf in row 299, column 11.");
  // Rows that are left out may hold anything.
  REQUIRE(text([&](TrainData& data) {
            data.training.inputs[7][2] = nan;
            data.training.labeled = torch::arange(10, 20);
            data.training.unlabeled = torch::arange(8, 300);
          }) == "(no error)");
  REQUIRE(text([](TrainData& data) { data.training.labels[4] = 3; }) ==
          "SemiSampler: expected labels of the labeled rows in 0..2 but got 3 (row 4).");
  REQUIRE(text([](TrainData& data) { data.test_labels = data.test_labels + 1; }) ==
          "Trainer: expected labels of the test rows in 0..2, or -1 for none, but got 3 (row 2).");
  REQUIRE(text([](TrainData& data) { data.training.labeled = torch::arange(1); }) ==
          "SemiSampler: expected at least 2 labeled rows but got 1 (one row has no mean and "
          "variance to be normalised by).");
  auto options = quick_options();
  options.unlabeled_batch = 1;
  REQUIRE(text([](TrainData&) {}, options) ==
          "SemiSampler: expected an unlabeled_batch of at least 2 but got 1 (one row has no mean "
          "and variance to be normalised by).");
}

TEST_CASE_METHOD(OneThread, "Trainer measures rows with a label and leaves the others out",
                 "[train]") {
  auto data = blobs();
  data.validation = torch::arange(200, 300);
  data.training.unlabeled = torch::arange(200);
  data.training.labels.narrow(0, 250, 50).fill_(-1);
  auto net = small_ladder();
  const auto result = Trainer(net, data, quick_options()).run();
  REQUIRE(result.last->validation_error.value() ==
          error_rate(net, data.training.inputs.narrow(0, 200, 50),
                     data.training.labels.narrow(0, 200, 50)));
}

TEST_CASE_METHOD(OneThread, "Trainer refuses a rate that trains nothing and half precision",
                 "[train]") {
  auto net = small_ladder();
  auto options = quick_options();
  options.learning_rate = 0;
  REQUIRE(error_text([&] { Trainer(net, blobs(), options); }) ==
          "LinearDecay: expected a finite learning rate above 0 but got 0 (it would train "
          "nothing).");
  net->to(torch::kHalf);
  REQUIRE(error_text([&] { Trainer(net, blobs(), quick_options()); }) ==
          "Trainer: expected a network in Float or Double but got Half on cpu (its numbers end at "
          "65504, and costs overflow; keep the network in Float and set products to bfloat16 or "
          "tf32).");
  net->to(torch::kBFloat16);
  REQUIRE(error_text([&] { Trainer(net, blobs(), quick_options()); }) ==
          "Trainer: expected a network in Float or Double but got BFloat16 on cpu (small steps "
          "would round to none; keep the network in Float and set products to bfloat16 or tf32).");
}

TEST_CASE_METHOD(OneThread, "Trainer refuses a network that cannot learn", "[train]") {
  auto net = small_ladder();
  for (auto& parameter : net->parameters()) parameter.set_requires_grad(false);
  REQUIRE(error_text([&] { Trainer(net, blobs(), quick_options()); }) ==
          "Trainer: expected a parameter to train but got " +
              std::to_string(net->parameters().size()) +
              " that are all frozen (set_requires_grad).");
  net->parameters().back().set_requires_grad(true);
  REQUIRE(error_text([&] { Trainer(net, blobs(), quick_options()); }) == "(no error)");
  const c10::InferenceMode inference;
  REQUIRE(error_text([&] { Trainer(small_ladder(), blobs(), quick_options()); }) ==
          "Trainer: expected a network that has gradients but got one that was built in "
          "c10::InferenceMode (build it outside).");
}

TEST_CASE_METHOD(OneThread, "Trainer names the rows that are missing or in two roles", "[train]") {
  auto net = small_ladder();
  const auto text = [&](const std::function<void(TrainData&)>& change) {
    auto data = blobs();
    change(data);
    return error_text([&] { Trainer(net, std::move(data), quick_options()); });
  };
  const std::string none = "Trainer: expected labeled rows in training.labeled but got none.";
  REQUIRE(text([](TrainData& data) { data.training.labeled = torch::Tensor(); }) == none);
  REQUIRE(text([](TrainData& data) { data.training.labeled = torch::arange(0); }) == none);
  REQUIRE(text([](TrainData& data) { data.training.unlabeled = torch::Tensor(); })
              .starts_with("Trainer: expected unlabeled rows in training.unlabeled for an "
                           "unlabeled_batch of "));
  REQUIRE(text([](TrainData& data) { data.validation = torch::arange(7, 20); }) ==
          "Trainer: expected validation rows that are not among the labeled ones but got row 7 in "
          "both (the validation error would be of rows that were learned).");
  REQUIRE(text([](TrainData& data) { data.validation = torch::arange(9, 20); }) == "(no error)");
}

TEST_CASE_METHOD(OneThread, "Trainer follows a schedule that is handed over", "[train]") {
  const auto run = [](Schedule schedule, double rate) {
    auto net = small_ladder();
    auto options = quick_options();
    options.learning_rate = rate;
    std::vector<double> rates;
    Trainer trainer({.objective = train::objective(net), .schedule = std::move(schedule)}, blobs(),
                    options);
    trainer.callbacks.on_evaluation = [&](const Evaluation& at) {
      rates.push_back(at.learning_rate);
    };
    trainer.run();
    return std::pair(net, rates);
  };
  const LinearDecay decay{0.01, 4, 0.67};
  const auto [net, rates] =
      run([&](const StepPosition& at) { return learning_rate(decay, at.step / 6); }, 5);
  const auto [expected, expected_rates] = run({}, 0.01);
  require_same_network(*net, *expected);
  REQUIRE(rates == expected_rates);
  const auto [warm, warm_rates] = run(
      [](const StepPosition& at) {
        return 0.01 * std::min(1.0, static_cast<double>(at.step + 1) / 12);
      },
      5);
  REQUIRE(warm_rates == std::vector<double>{0.01 * 6 / 12, 0.01, 0.01, 0.01});
  REQUIRE_FALSE(same_parameters(*warm, *expected));
}

TEST_CASE_METHOD(OneThread, "Trainer hands its options to Adam and to the schedule", "[train]") {
  auto options = quick_options();
  options.decay_from = 0.25;
  options.warm_up = 1.5;
  options.beta1 = 0.8;
  options.beta2 = 0.9;
  options.eps = 1e-3;
  const auto net = trained(options);

  const auto expected = small_ladder();
  const LinearDecay decay{.learning_rate = 0.01, .epochs = 4, .decay_from = 0.25, .warm_up = 1.5};
  const auto adam = std::make_shared<FusedAdam>(
      *expected, torch::optim::AdamOptions(0.01).betas({0.8, 0.9}).eps(1e-3));
  Trainer by_hand({.objective = train::objective(expected),
                   .optimizer = adam,
                   .schedule = [&](const StepPosition& at) { return learning_rate(decay, at); }},
                  blobs(), quick_options());
  by_hand.run();
  require_same_network(*net, *expected);

  // Each of them counts.
  const TrainOptions plain = {};
  const std::vector<std::function<void(TrainOptions&)>> changes = {
      [&](TrainOptions& o) { o.decay_from = plain.decay_from; },
      [&](TrainOptions& o) { o.warm_up = plain.warm_up; },
      [&](TrainOptions& o) { o.beta1 = plain.beta1; },
      [&](TrainOptions& o) { o.beta2 = plain.beta2; }, [&](TrainOptions& o) { o.eps = plain.eps; }};
  for (size_t i = 0; i < changes.size(); ++i) {
    INFO("change " << i);
    auto changed = options;
    changes[i](changed);
    CHECK_FALSE(same_parameters(*trained(changed), *net));
  }
}

TEST_CASE_METHOD(OneThread, "Trainers in threads end as alone", "[train]") {
  using ops::ProductPrecision;
  const std::vector<ops::ProductPlan> plans = {
      ops::default_product_plan(ProductPrecision::kFloat32),
      ops::default_product_plan(ProductPrecision::kBFloat16)};
  std::vector<Ladder> nets, alone;
  for (const auto& plan : plans) {
    auto options = quick_options();
    options.products = plan;
    alone.push_back(trained(options));
    nets.push_back(small_ladder());
  }
  std::vector<std::thread> threads;
  for (size_t i = 0; i < plans.size(); ++i) {
    threads.emplace_back([&, i] {
      auto options = quick_options();
      options.products = plans[i];
      Trainer(nets[i], blobs(), options).run();
    });
  }
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < plans.size(); ++i) require_same_network(*nets[i], *alone[i]);
}

TEST_CASE_METHOD(OneThread, "Trainer: each start draws another order and noise", "[train]") {
  CHECK(start_seed(7, 1) == 7);
  CHECK(start_seed(7, 2) != 7);
  CHECK(start_seed(7, 2) != start_seed(7, 3));
  CHECK(error_text([] { start_seed(7, 0); }) ==
        "start_seed: expected a start of at least 1 but got 0.");
  const auto trained = [](uint64_t seed, int64_t start) {
    auto options = quick_options();
    options.seed = seed;
    options.start = start;
    auto net = small_ladder();
    Trainer(net, blobs(), options).run();
    return net->parameters().front().detach().clone();
  };
  const auto first = trained(7, 1);
  CHECK(first.equal(trained(7, 1)));
  CHECK_FALSE(first.equal(trained(7, 2)));
}
