// What a trainer continues, and what it refuses to continue.

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ladder/data/neighbours.h"
#include "ladder/io/tensor_file.h"
#include "ladder/runs/run_folder.h"
#include "ladder/train/fused_adam.h"
#include "ladder/train/pieces/cluster_repair.h"
#include "ladder/train/pieces/pseudo_labels.h"
#include "ladder/train/scaled_objective.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/blobs.h"
#include "tests/train/own_optimizer.h"
#include "tests/train/pieces.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;

// Trains `parts` in `folder` up to `stop` steps.
TrainResult train_parts(const fs::path& folder, const TrainParts& parts, int64_t stop,
                        TrainData data = blobs(), TrainOptions options = quick_options()) {
  options.record = runs::in_folder(folder, {.resume = true});
  Trainer trainer(parts, std::move(data), options);
  int64_t reached = trainer.step();
  trainer.callbacks.on_step = [&](int64_t step) { reached = step; };
  trainer.callbacks.stop_requested = [&] { return reached >= stop; };
  return trainer.run();
}

constexpr int64_t kAll = 24;

std::string resume_error(const fs::path& folder, TrainOptions options = quick_options(),
                         TrainData data = blobs()) {
  options.record = runs::in_folder(folder, {.resume = true});
  auto net = small_ladder();
  return error_text([&] { Trainer(net, std::move(data), options); });
}

void finish_in(const fs::path& folder) {
  auto net = small_ladder();
  REQUIRE(train_parts(folder, {.objective = train::objective(net)}, kAll).status ==
          TrainStatus::kFinished);
}

}  // namespace

TEST_CASE_METHOD(OneThread, "Trainer resumes exactly with any optimiser", "[train]") {
  using Make = std::function<std::shared_ptr<torch::optim::Optimizer>(const Ladder&)>;
  const std::vector<std::pair<std::string, Make>> optimizers = {
      {"Adam",
       [](const Ladder& net) {
         return std::make_shared<torch::optim::Adam>(net->parameters(),
                                                     torch::optim::AdamOptions(1));
       }},
      {"SGD",
       [](const Ladder& net) {
         return std::make_shared<torch::optim::SGD>(net->parameters(),
                                                    torch::optim::SGDOptions(1).momentum(0.9));
       }},
      {"SignMomentum",
       [](const Ladder& net) { return std::make_shared<SignMomentum>(net->parameters(), 1); }}};
  const TemporaryFolder folder;
  for (const auto& [name, make] : optimizers) {
    INFO(name);
    const auto train = [&, &make = make](const fs::path& place, int64_t stop) {
      auto net = small_ladder();
      train_parts(place, {.objective = train::objective(net), .optimizer = make(net)}, stop);
      return net;
    };
    const auto straight = train(folder / name / "straight", kAll);
    REQUIRE_FALSE(same_parameters(*straight, *small_ladder()));
    for (const int64_t stop : {5, 12}) train(folder / name / "parts", stop);
    require_same_network(*train(folder / name / "parts", kAll), *straight);
  }
  auto net = small_ladder();
  const auto path = (folder / "SGD/straight/checkpoint.pt").string();
  fs::remove(folder / "SGD/straight/result.json");
  const auto text = resume_error(folder / "SGD/straight");
  REQUIRE(text == "Trainer: expected " + path +
                      " to be of a run with these settings but got one with others: optimizer "
                      "(torch::optim::SGD there, ladder::train::FusedAdam here).");
}

TEST_CASE_METHOD(OneThread, "Trainer refuses other options of an optimiser of the caller",
                 "[train]") {
  const auto train = [](const fs::path& place, double momentum, int64_t stop) {
    auto net = small_ladder();
    const auto options = torch::optim::SGDOptions(1).momentum(momentum);
    return train_parts(
        place,
        {.objective = train::objective(net),
         .optimizer = std::make_shared<torch::optim::SGD>(net->parameters(), options)},
        stop);
  };
  const TemporaryFolder folder;
  train(folder.path(), 0.5, 5);
  REQUIRE(error_text([&] { train(folder.path(), 0.25, kAll); }) ==
          "Trainer: expected " + (folder / "checkpoint.pt").string() +
              " to be of a run with these settings but got one with others: optimizer.group "
              "0.momentum (0.5 there, 0.25 here).");
  // A checkpoint from before options were compared.
  auto tensors = io::load_tensors(folder / "checkpoint.pt");
  std::istringstream lines(io::tensor_text(tensors.at("state.settings")));
  std::string older;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("optimizer.group")) older += line + "\n";
  }
  tensors["state.settings"] = io::text_tensor(older);
  io::save_tensors(folder / "checkpoint.pt", tensors);
  REQUIRE(train(folder.path(), 0.5, kAll).status == TrainStatus::kFinished);
}

namespace {

// A piece that makes its state at the first step.
struct LateState : ObjectivePiece {
  std::string name() const override { return "late"; }
  std::map<std::string, torch::Tensor> state() override {
    return count.defined() ? std::map<std::string, torch::Tensor>{{"count", count}}
                           : std::map<std::string, torch::Tensor>{};
  }
  void before_step(const StepPosition&) override {
    if (!count.defined()) count = torch::zeros({});
    count.add_(1);
  }

  torch::Tensor count;
};

}  // namespace

TEST_CASE_METHOD(OneThread, "Trainer refuses a state of pieces that none of them takes",
                 "[train]") {
  const TemporaryFolder folder;
  const auto train = [&](std::vector<std::shared_ptr<ObjectivePiece>> pieces) {
    return train_parts(
        folder.path(),
        {.objective = train::with_pieces(train::objective(small_ladder()), std::move(pieces))}, 5);
  };
  train({std::make_shared<LateState>()});
  const auto text = "Trainer: expected " + (folder / "checkpoint.pt").string() +
                    " to be of a run with these pieces but got the state late.count, which none of "
                    "them takes (other pieces? A piece makes the tensors of its state when it is "
                    "constructed).";
  REQUIRE(error_text([&] { train({std::make_shared<LateState>()}); }) == text);
  REQUIRE(
      error_text([&] {
        train({});
      }).ends_with("these settings but got one with others: pieces (late there, absent here)."));
}

TEST_CASE_METHOD(OneThread, "Trainer refuses an optimiser whose state it could not save",
                 "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  const TrainParts parts{.objective = train::objective(net),
                         .optimizer = std::make_shared<Stateless>(net->parameters())};
  REQUIRE(error_text([&] {
            train_parts(folder / "run", parts, kAll);
          }).starts_with("Trainer: expected an optimiser that saves its state but got "));
  REQUIRE_FALSE(fs::exists(folder / "run"));
}

TEST_CASE_METHOD(OneThread, "Trainer resumes an autoencoder exactly and reports its costs",
                 "[train]") {
  const TemporaryFolder folder;
  TrainData data{.training = {.inputs = blobs().training.inputs, .unlabeled = torch::arange(300)}};
  for (const auto cost : {AutoencoderCost::kReconstruction, AutoencoderCost::kFeatureDifference}) {
    const bool plain = cost == AutoencoderCost::kReconstruction;
    const auto place = folder / (plain ? "plain" : "features");
    auto straight = small_autoencoder(cost);
    const auto result =
        train_parts(place / "straight", {.objective = train::objective(straight)}, kAll, data);
    REQUIRE(result.status == TrainStatus::kFinished);
    const auto& last = *result.last;
    REQUIRE_FALSE(last.supervised.has_value());
    REQUIRE_FALSE(last.test_error.has_value());
    REQUIRE(last.denoising.size() == 3);
    REQUIRE(last.denoising[0].has_value() == plain);
    REQUIRE(last.denoising[2].has_value() == !plain);
    if (plain) REQUIRE(last.total == *last.denoising[0]);
    for (const int64_t stop : {3, 7, 18}) {
      auto net = small_autoencoder(cost);
      train_parts(place / "parts", {.objective = train::objective(net)}, stop, data);
    }
    auto net = small_autoencoder(cost);
    const auto resumed =
        train_parts(place / "parts", {.objective = train::objective(net)}, kAll, data);
    require_same_network(*net, *straight);
    REQUIRE(resumed.last->total == last.total);
    std::istringstream lines(file_bytes(place / "parts/metrics.jsonl"));
    std::string line;
    REQUIRE(std::getline(lines, line));
    REQUIRE(json::parse(line).at("supervised").is_null());
    REQUIRE(json::parse(line).at("total").is_number());
  }
  auto net = small_autoencoder(AutoencoderCost::kReconstruction);
  REQUIRE(error_text([&] { Trainer(train::objective(net), blobs(), quick_options()); }) ==
          "Trainer: expected no validation or test rows for an objective without a classifier, "
          "whose evaluations report costs, but got some.");
}

TEST_CASE_METHOD(OneThread, "Trainer resumes pieces and their state exactly", "[train]") {
  const TemporaryFolder folder;
  const auto train = [&](const fs::path& place, int64_t stop, bool graph) {
    auto net = small_ladder();
    const auto norms = std::make_shared<RowNorms>(net->named_parameters()["stages.0.weight"], 0.9);
    auto options = quick_options();
    options.graph = graph;
    const auto result =
        train_parts(place,
                    {.objective = with_pieces(train::objective(net),
                                              {std::make_shared<PseudoLabels>(1), norms})},
                    stop, blobs(), options);
    REQUIRE(norms->updates.item<int64_t>() == stop);
    if (stop == kAll) REQUIRE(result.last->others.at("pseudo-label") > 0);
    return net;
  };
  const auto straight = train(folder / "straight", kAll, false);
  for (const int64_t stop : {4, 13}) train(folder / "parts", stop, true);
  require_same_network(*train(folder / "parts", kAll, true), *straight);
  const auto lines = file_bytes(folder / "parts/metrics.jsonl");
  REQUIRE(json::parse(lines.substr(0, lines.find('\n'))).at("others").contains("pseudo-label"));
  fs::remove(folder / "parts/result.json");
  REQUIRE(resume_error(folder / "parts")
              .find("to be of a run with these settings but got one with others: costs (") !=
          std::string::npos);
}

TEST_CASE_METHOD(OneThread, "Trainer refuses to go on with other pieces or without their state",
                 "[train]") {
  const TemporaryFolder folder;
  const auto parts = [](double threshold, bool norms) {
    const auto net = small_ladder();
    std::vector<std::shared_ptr<ObjectivePiece>> pieces = {pseudo_labels({.threshold = threshold})};
    if (norms) {
      const auto weight = net->named_parameters()["stages.0.weight"];
      pieces.push_back(std::make_shared<RowNorms>(weight, 0.9));
    }
    return TrainParts{.objective = with_pieces(train::objective(net), std::move(pieces))};
  };
  const auto text = [&](double threshold, bool norms) {
    return error_text([&] { train_parts(folder.path(), parts(threshold, norms), kAll); });
  };
  REQUIRE(train_parts(folder.path(), parts(0.9, true), 8).status == TrainStatus::kInterrupted);
  const auto checkpoint = folder / "checkpoint.pt";
  const auto start = "Trainer: expected " + checkpoint.string();
  const auto others = start + " to be of a run with these settings but got one with others: ";
  CHECK(text(0.8, true) == others + "pseudo-label.threshold (0.9 there, 0.8 here).");
  CHECK(text(0.9, false) == others + "pieces (pseudo-label, row norms there, pseudo-label here).");

  const auto tensors = io::load_tensors(checkpoint);
  auto changed = tensors;
  REQUIRE(changed.erase("pieces.row norms.updates") == 1);
  io::save_tensors(checkpoint, changed);
  const auto state = start + " to hold the state row norms.updates [] of a piece but got ";
  CHECK(text(0.9, true) == state + "none.");
  changed["pieces.row norms.updates"] = torch::zeros({2}, torch::kInt64);
  io::save_tensors(checkpoint, changed);
  CHECK(text(0.9, true) == state + "[2].");
  io::save_tensors(checkpoint, tensors);
  CHECK(text(0.9, true) == "(no error)");
}

TEST_CASE_METHOD(OneThread, "Trainer says that the weights of a run that has ended are missing",
                 "[train]") {
  const TemporaryFolder folder;
  finish_in(folder.path());
  const auto history = file_bytes(folder / "metrics.jsonl");
  const auto result = file_bytes(folder / "result.json");
  fs::remove(folder / "checkpoint.pt");
  REQUIRE(resume_error(folder.path()) ==
          "Trainer: expected " + (folder / "checkpoint.pt").string() +
              ", the weights of a run that has ended (finished), but got none (its result and its "
              "history stay as they are; put the file back or choose another folder).");
  REQUIRE(file_bytes(folder / "metrics.jsonl") == history);
  REQUIRE(file_bytes(folder / "result.json") == result);
}

TEST_CASE_METHOD(OneThread, "Trainer keeps recorded history unless training goes on from there",
                 "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(net)}, 13);
  const auto checkpoint = file_bytes(folder / "checkpoint.pt");
  train_parts(folder.path(), {.objective = train::objective(net)}, 19);
  const auto history = file_bytes(folder / "metrics.jsonl");
  SECTION("without a checkpoint it is refused") {
    fs::remove(folder / "checkpoint.pt");
    REQUIRE(resume_error(folder.path()) ==
            "Trainer: expected " + (folder / "checkpoint.pt").string() +
                " to continue a run with 3 recorded evaluations but got none (its history stays as "
                "it is; put the file back or choose another folder).");
    REQUIRE(file_bytes(folder / "metrics.jsonl") == history);
  }
  SECTION("with an older checkpoint it is cut when training goes on, and not before") {
    write_file(folder / "checkpoint.pt", checkpoint);
    auto again = small_ladder();
    auto options = quick_options();
    options.record = runs::in_folder(folder.path(), {.resume = true});
    {
      const Trainer looked_at(again, blobs(), options);
      REQUIRE(looked_at.step() == 13);
    }
    REQUIRE(file_bytes(folder / "metrics.jsonl") == history);
    Trainer(again, blobs(), options).run();
    const auto expected = small_ladder();
    Trainer(expected, blobs(), quick_options()).run();
    require_same_network(*again, *expected);
    const auto lines = file_bytes(folder / "metrics.jsonl");
    REQUIRE(std::count(lines.begin(), lines.end(), '\n') == 4);
  }
}

TEST_CASE_METHOD(OneThread, "Trainer records no evaluation before there are weights to go on from",
                 "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  auto options = quick_options();
  options.record = runs::in_folder(folder.path());
  options.checkpoint_every_seconds = 1e9;
  {
    Trainer trainer(net, blobs(), options);
    trainer.callbacks.on_evaluation = [&](const Evaluation& at) {
      if (at.epoch > 1) throw std::runtime_error("killed");
      REQUIRE(fs::exists(folder / "checkpoint.pt"));
    };
    REQUIRE_THROWS_AS(trainer.run(), std::runtime_error);
  }
  // The run goes on from the end of the first epoch, whose evaluation is recorded once.
  auto again = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(again)}, kAll);
  const auto lines = file_bytes(folder / "metrics.jsonl");
  REQUIRE(std::count(lines.begin(), lines.end(), '\n') == 4);
  const auto expected = small_ladder();
  Trainer(expected, blobs(), quick_options()).run();
  require_same_network(*again, *expected);
}

TEST_CASE_METHOD(OneThread, "Trainer measures what was recorded after its checkpoint anew",
                 "[train]") {
  // The only evaluation is the first one, before which the only checkpoint was written.
  auto options = quick_options();
  options.epochs = 1;
  options.checkpoint_every_seconds = 1e9;
  const auto expected = small_ladder();
  const auto straight = Trainer(expected, blobs(), options).run();
  const TemporaryFolder folder;
  {
    auto killed = options;
    killed.record = runs::in_folder(folder.path());
    Trainer trainer(small_ladder(), blobs(), killed);
    trainer.callbacks.on_evaluation = [](const Evaluation&) { throw std::runtime_error("killed"); };
    REQUIRE_THROWS_AS(trainer.run(), std::runtime_error);
  }
  REQUIRE(file_bytes(folder / "metrics.jsonl").ends_with("\n"));
  const auto again = small_ladder();
  const auto result =
      train_parts(folder.path(), {.objective = train::objective(again)}, kAll, blobs(), options);
  REQUIRE(result.status == TrainStatus::kFinished);
  REQUIRE(*result.last->test_error == *straight.last->test_error);
  require_same_network(*again, *expected);
  const auto lines = file_bytes(folder / "metrics.jsonl");
  REQUIRE(std::count(lines.begin(), lines.end(), '\n') == 1);
}

TEST_CASE_METHOD(OneThread, "Trainer measures anew where the line of its checkpoint is lost",
                 "[train]") {
  const TemporaryFolder folder;
  const auto net = small_ladder();
  const auto stop = GENERATE(int64_t{12}, kAll);
  const auto first = train_parts(folder.path(), {.objective = train::objective(net)}, stop);
  REQUIRE(first.last->epoch == stop / 6);
  fs::remove(folder / "result.json");
  const auto history = file_bytes(folder / "metrics.jsonl");
  const auto last = history.rfind('\n', history.size() - 2);
  write_file(folder / "metrics.jsonl", history.substr(0, last + 1));
  const auto again = small_ladder();
  const auto result = train_parts(folder.path(), {.objective = train::objective(again)}, kAll);
  REQUIRE(result.last->epoch == 4);
  const auto evaluations = runs::RunFolder(folder.path(), "{}", true).evaluations();
  REQUIRE(evaluations.size() == 4);
  const auto& measured = evaluations[static_cast<size_t>(first.last->epoch - 1)];
  REQUIRE(measured.epoch == first.last->epoch);
  REQUIRE(*measured.test_error == *first.last->test_error);
  REQUIRE(measured.total == first.last->total);
  const auto expected = small_ladder();
  Trainer(expected, blobs(), quick_options()).run();
  require_same_network(*again, *expected);
}

TEST_CASE_METHOD(OneThread, "Trainer keeps a history that other ranks counted in steps of theirs",
                 "[train]") {
  const TemporaryFolder folder;
  const auto net = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(net)}, 13);
  // Ranks whose epochs have twice as many steps went on, and were killed before their checkpoint.
  std::istringstream lines(file_bytes(folder / "metrics.jsonl"));
  std::string recounted;
  for (std::string line; std::getline(lines, line);) {
    auto evaluation = json::parse(line);
    evaluation["step"] = 2 * evaluation.at("step").get<int64_t>();
    recounted += evaluation.dump() + "\n";
  }
  write_file(folder / "metrics.jsonl", recounted);
  const auto again = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(again)}, kAll);
  const auto evaluations = runs::RunFolder(folder.path(), "{}", true).evaluations();
  REQUIRE(evaluations.size() == 4);
  for (int64_t epoch = 1; epoch <= 4; ++epoch) {
    CHECK(evaluations[static_cast<size_t>(epoch - 1)].epoch == epoch);
    CHECK(evaluations[static_cast<size_t>(epoch - 1)].step == 6 * epoch);
  }
}

TEST_CASE_METHOD(OneThread, "Trainer does not take a checkpoint for the result of another step",
                 "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(net)}, 13);
  const auto earlier = file_bytes(folder / "checkpoint.pt");
  finish_in(folder.path());
  write_file(folder / "checkpoint.pt", earlier);
  REQUIRE(resume_error(folder.path()) ==
          "Trainer: expected " + (folder / "checkpoint.pt").string() +
              " to hold step 24, with which the run ended, but got step 13.");
}

TEST_CASE_METHOD(OneThread, "Trainer refuses to go on with other data", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(net)}, 8);
  const auto history = file_bytes(folder / "metrics.jsonl");
  const auto start = "Trainer: expected " + (folder / "checkpoint.pt").string() +
                     " to be of a run with these data but got one with others: ";
  const auto text = [&](const std::function<void(TrainData&)>& change) {
    auto data = blobs();
    change(data);
    return resume_error(folder.path(), quick_options(), data);
  };
  const auto images = text([](TrainData& data) { data.training.inputs[5][3] += 1; });
  REQUIRE(images.starts_with(start + "inputs (Float [300, 12] "));
  REQUIRE(images.find("labels (") == std::string::npos);
  REQUIRE(text([](TrainData& data) {
            data.training.labels[299] = 0;
          }).starts_with(start + "labels (Long [300] "));
  REQUIRE(text([](TrainData& data) {
            data.training.labeled = torch::arange(3, 12);
          }).starts_with(start + "labeled (Long [9] "));
  REQUIRE(text([](TrainData& data) {
            data.test_inputs[0][0] += 1;
          }).starts_with(start + "test_inputs ("));
  REQUIRE(text([](TrainData& data) {
            data.validation = torch::arange(10, 20);
          }).starts_with(start + "validation (none there, Long [10] "));
  REQUIRE(file_bytes(folder / "metrics.jsonl") == history);
  REQUIRE(text([](TrainData& data) {
            data.training.neighbours = data::nearest_neighbours(data.training.inputs, {.k = 3});
            data.training.paired_until = 1;
          }).starts_with(start + "neighbours (none there, [300, 3] in epochs 0 to 1 here)"));
  REQUIRE(text([](TrainData&) {}) == "(no error)");
}

TEST_CASE_METHOD(OneThread, "Trainer refuses to go on with other neighbours", "[train]") {
  const TemporaryFolder folder;
  auto data = blobs();
  data.training.neighbours = data::nearest_neighbours(data.training.inputs, {.k = 3});
  data.training.paired_until = 3;
  auto options = quick_options();
  options.record = runs::in_folder(folder.path(), {});
  {
    Trainer trainer(small_ladder(), data, options);
    trainer.callbacks.stop_requested = [&] { return trainer.step() == 8; };
    REQUIRE(trainer.run().status == TrainStatus::kInterrupted);
  }
  data.training.paired_until = 2;
  const auto text = resume_error(folder.path(), quick_options(), data);
  INFO(text);
  REQUIRE(text.ends_with(
      ": neighbours ([300, 3] in epochs 0 to 3 there, [300, 3] in epochs 0 to 2 here)."));
  data.training.paired_until = 3;
  REQUIRE(resume_error(folder.path(), quick_options(), data) == "(no error)");
}

TEST_CASE_METHOD(OneThread, "Trainer gives the result of a run that has ended without neighbours",
                 "[train]") {
  const TemporaryFolder folder;
  auto data = blobs();
  data.training.neighbours = data::nearest_neighbours(data.training.inputs, {.k = 3});
  data.training.paired_until = 3;
  const auto net = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(net)}, kAll, data);
  REQUIRE(resume_error(folder.path()) == "(no error)");
  fs::remove(folder / "result.json");
  REQUIRE(resume_error(folder.path())
              .ends_with(": neighbours ([300, 3] in epochs 0 to 3 there, none here)."));
}

TEST_CASE_METHOD(OneThread, "Trainer refuses to go on with other options", "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(net)}, 8);
  const auto start = "Trainer: expected " + (folder / "checkpoint.pt").string() +
                     " to be of a run with these settings but got one with others: ";
  auto options = quick_options();
  options.epochs = 8;
  options.learning_rate = 0.02;
  REQUIRE(resume_error(folder.path(), options) ==
          start + "epochs (4 there, 8 here), learning_rate (0.01 there, 0.02 here).");
  options = quick_options();
  options.labeled_batch = 5;
  REQUIRE(resume_error(folder.path(), options) == start + "labeled_batch (9 there, 5 here).");
  // What weights do not depend on may change.
  options = quick_options();
  options.eval_every = 2;
  options.evaluation_batch = 50;
  options.progress_every_seconds = 7;
  options.calibration = Calibration::kLabeledRows;
  options.calibration_rows = 50;
  REQUIRE(resume_error(folder.path(), options) == "(no error)");
  auto other = small_ladder(1, {10, 1, 0.1, 0.2});
  options.record = runs::in_folder(folder.path(), {.resume = true});
  REQUIRE(
      error_text([&] { Trainer(other, blobs(), options); }).starts_with(start + "lambda (10, "));
  auto detached = small_ladder();
  detached->options.detach_targets = true;
  REQUIRE(error_text([&] { Trainer(detached, blobs(), options); }) ==
          start + "detach_targets (false there, true here).");
  auto louder = small_ladder();
  louder->stages[0].module()->as<NoisyBatchNormLinear>()->normalization->options.noise_std = 0.5;
  REQUIRE(error_text([&] { Trainer(louder, blobs(), options); }) ==
          start + "noise_std (0.3 there, 0.5, 0.3, 0.3 here).");
  const auto decayed = small_ladder();
  const TrainParts parts{
      .objective = train::objective(decayed),
      .optimizer = std::make_shared<FusedAdam>(
          *decayed,
          torch::optim::AdamOptions(0.01).betas({0.8, 0.999}).eps(1e-6).weight_decay(0.1))};
  REQUIRE(error_text([&] { Trainer(parts, blobs(), options); }) ==
          start +
              "optimizer.beta1 (absent there, 0.8 here), optimizer.eps (absent there, 1e-06 here), "
              "optimizer.weight_decay (absent there, 0.1 here).");
}

TEST_CASE_METHOD(OneThread, "Trainer compares the optimiser of an objective without settings, too",
                 "[train]") {
  struct Silent : Objective {
    explicit Silent(const Ladder& net) : inner(train::objective(net)) {}
    torch::nn::Module& module() override { return inner->module(); }
    std::vector<CostTerm> terms() const override { return inner->terms(); }
    StepLoss loss(const SemiBatch& batch, NoiseSource& noise) override {
      return inner->loss(batch, noise);
    }
    size_t levels() const override { return inner->levels(); }
    Ladder classifier() override { return inner->classifier(); }
    std::shared_ptr<Objective> inner;
  };
  const TemporaryFolder folder;
  const auto net = small_ladder();
  train_parts(folder.path(), {.objective = std::make_shared<Silent>(net)}, 8);
  auto options = quick_options();
  options.record = runs::in_folder(folder.path(), {.resume = true});
  const auto other = small_ladder();
  const TrainParts parts{.objective = std::make_shared<Silent>(other),
                         .optimizer = std::make_shared<FusedAdam>(
                             *other, torch::optim::AdamOptions(0.01).weight_decay(0.1))};
  REQUIRE(error_text([&] { Trainer(parts, blobs(), options); }) ==
          "Trainer: expected " + (folder / "checkpoint.pt").string() +
              " to be of a run with these settings but got one with others: "
              "optimizer.weight_decay (absent there, 0.1 here).");
}

TEST_CASE_METHOD(OneThread, "Trainer refuses to go on with another search of a piece", "[train]") {
  const TemporaryFolder folder;
  const auto parts = [](uint64_t seed, const data::NeighbourOptions& near) {
    const auto net = small_ladder();
    const auto x = blobs().training.inputs;
    ClusterRepairOptions options;
    options.clusters.seed = seed;
    options.near = std::make_shared<data::SharedNeighbours>(x, torch::Tensor(), near);
    return TrainParts{
        .objective = with_pieces(train::objective(net), {cluster_repair(net, x, {}, options)})};
  };
  const auto error = [&](uint64_t seed, const data::NeighbourOptions& near) {
    auto options = quick_options();
    options.record = runs::in_folder(folder.path(), {.resume = true});
    return error_text([&] { Trainer(parts(seed, near), blobs(), options); });
  };
  train_parts(folder.path(), parts(1, {.exact = false}), 8);
  REQUIRE(error(1, {.exact = false}) == "(no error)");
  REQUIRE(error(2, {.exact = false}).ends_with(": cluster repair.seed (absent there, 2 here)."));
  REQUIRE(error(1, {.pool = 100, .seed = 3, .exact = true})
              .ends_with(": cluster repair.exact neighbours (absent there, true here), "
                         "cluster repair.neighbour pool (absent there, 100 here), "
                         "cluster repair.neighbour seed (absent there, 3 here)."));
}

TEST_CASE_METHOD(OneThread, "Trainer goes on with an input variance that threads round otherwise",
                 "[train]") {
  const TemporaryFolder folder;
  const auto parts = [](double variance) {
    return TrainParts{.objective = scaled_objective(small_ladder(), {.weights = {10, 1, 0.1, 0.1},
                                                                     .input_variance = variance})};
  };
  const auto error = [&](double variance) {
    auto options = quick_options();
    options.record = runs::in_folder(folder.path(), {.resume = true});
    return error_text([&] { Trainer(parts(variance), blobs(), options); });
  };
  constexpr double kVariance = 0.0671234567890123;
  train_parts(folder.path(), parts(kVariance), 8);
  REQUIRE(error(kVariance * (1 - 1e-14)) == "(no error)");
  REQUIRE(error(0.0672).ends_with(": input_variance (0.0671234567890123 there, 0.0672 here)."));
  REQUIRE(error(1).ends_with(": input_variance (0.0671234567890123 there, absent here)."));
}

TEST_CASE_METHOD(OneThread, "Trainer resumes a piece whose settings have several lines",
                 "[train]") {
  struct Noted : ObjectivePiece {
    std::string name() const override { return "noted"; }
    std::map<std::string, std::string> settings() const override {
      return {{"rows\tby", "one\ntwo\tthree"}};
    }
  };
  const TemporaryFolder folder;
  const auto net = small_ladder();
  const TrainParts parts{.objective =
                             with_pieces(train::objective(net), {std::make_shared<Noted>()})};
  train_parts(folder.path(), parts, 8);
  REQUIRE(train_parts(folder.path(), parts, kAll).status == TrainStatus::kFinished);
}

TEST_CASE_METHOD(OneThread, "Trainer takes checkpoints of before settings and data were in them",
                 "[train]") {
  const TemporaryFolder folder;
  auto net = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(net)}, 8);
  auto tensors = io::load_tensors(folder / "checkpoint.pt");
  tensors.erase("state.settings");
  tensors.erase("state.data");
  io::save_tensors(folder / "checkpoint.pt", tensors);
  auto again = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(again)}, kAll);
  const auto expected = small_ladder();
  Trainer(expected, blobs(), quick_options()).run();
  require_same_network(*again, *expected);
}

TEST_CASE_METHOD(OneThread, "Trainer takes checkpoints of before noise and targets were in them",
                 "[train]") {
  const TemporaryFolder folder;
  const auto net = small_ladder();
  train_parts(folder.path(), {.objective = train::objective(net)}, 8);
  auto tensors = io::load_tensors(folder / "checkpoint.pt");
  std::istringstream lines(io::tensor_text(tensors.at("state.settings")));
  std::string older;
  int left_out = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool newer = line.starts_with("noise_std\t") || line.starts_with("detach_targets\t");
    left_out += newer ? 1 : 0;
    if (!newer) older += line + "\n";
  }
  REQUIRE(left_out == 2);
  tensors["state.settings"] = io::text_tensor(older);
  io::save_tensors(folder / "checkpoint.pt", tensors);
  const auto louder = small_ladder();
  for (const auto& stage : louder->stages) {
    stage.module()->as<NoisyBatchNormLinear>()->normalization->options.noise_std = 0.2;
  }
  auto options = quick_options();
  options.record = runs::in_folder(folder.path(), {.resume = true});
  REQUIRE(error_text([&] { Trainer(louder, blobs(), options); }) == "(no error)");
}
