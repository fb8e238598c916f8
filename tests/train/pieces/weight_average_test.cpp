#include "ladder/train/pieces/weight_average.h"

#include <torch/torch.h>

#include <filesystem>
#include <utility>

#include "ladder/runs/run_folder.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

TEST_CASE("weight_average is the plain mean at first and a running mean later", "[train]") {
  auto weight = torch::tensor({5.0, -1.0}, torch::kDouble);
  const auto piece = weight_average({weight}, 0.75);  // means of up to 4 steps
  const auto value = [](int64_t t) {
    return torch::tensor({1.0 / static_cast<double>(t), static_cast<double>(t * t)},
                         torch::kDouble);
  };
  auto expected = torch::zeros({2}, torch::kDouble);
  for (int64_t t = 1; t <= 9; ++t) {
    weight.copy_(value(t));
    piece->after_update();
    expected =
        t <= 4 ? expected + (value(t) - expected) / t : expected + 0.25 * (value(t) - expected);
    require_close(piece->state().at("means.0"), expected, roundings(4 * t, torch::kDouble));
  }
  piece->begin_evaluation();
  require_close(weight, expected, roundings(36, torch::kDouble));
  piece->end_evaluation();
  require_equal(weight, value(9));
  require_close(piece->state().at("means.0"), expected, roundings(36, torch::kDouble));
}

TEST_CASE("weight_average knows that a checkpoint holds the averages already", "[train]") {
  auto weight = torch::tensor({5.0, -1.0}, torch::kDouble);
  const auto piece = weight_average({weight}, 0.75);
  for (int64_t t = 1; t <= 9; ++t) {
    weight.mul_(0.5);
    piece->after_update();
  }
  const auto last = weight.clone();
  piece->begin_evaluation();  // the end of a run: its network is saved like this
  const auto measured = weight.clone();
  REQUIRE_FALSE(measured.equal(last));
  auto continued = weight.clone();
  const auto other = weight_average({continued}, 0.75);
  for (auto& [name, tensor] : other->state()) tensor.copy_(piece->state().at(name));
  other->begin_evaluation();
  require_equal(continued, measured);
  other->end_evaluation();
  require_equal(continued, last);
}

TEST_CASE("Trainer measures and leaves averages, and trains on without them", "[train]") {
  const OneThread one_thread;
  auto plain = small_ladder();
  Trainer(plain, blobs(), quick_options()).run();

  auto net = small_ladder();
  auto weight = net->parameters().front();
  auto sum = torch::zeros_like(weight, torch::kDouble);
  torch::Tensor last;
  // 24 steps: a mean of all of them.
  Trainer trainer(with_pieces(train::objective(net), {weight_average(*net)}), blobs(),
                  quick_options());
  trainer.callbacks.on_step = [&](int64_t) {
    last = weight.detach().clone();
    sum += last;
  };
  const auto result = trainer.run();
  require_equal(last, plain->parameters().front());
  require_close(weight.to(torch::kDouble), sum / 24, roundings(4 * 24, torch::kFloat));
  // The network is calibrated for what it holds now.
  REQUIRE(*result.last->test_error == error_rate(net, blobs().test_inputs, blobs().test_labels));
}

TEST_CASE("Trainer with weight_average resumes exactly", "[train]") {
  const OneThread one_thread;
  const auto piece = [](const Ladder& net) { return weight_average(*net, 0.9); };
  const auto train = [&](int64_t stop) {
    const auto net = small_ladder();
    return trained_with(net, piece(net), blobs(), stop);
  };
  const auto whole = train(0);
  for (const int64_t stop : {4, 12}) {  // within an epoch, and at an evaluation
    require_equal(train(stop), whole);
    require_equal(resumed_with(piece, blobs(), stop), whole);
  }
}

TEST_CASE("Trainer with weight_average trains on after an early stop, given more patience",
          "[train]") {
  const OneThread one_thread;
  auto data = blobs();
  data.validation = torch::arange(200, 300);
  data.training.unlabeled = torch::arange(200);
  const auto run = [&](const std::filesystem::path& folder, int64_t patience, bool resume) {
    auto options = quick_options();
    options.epochs = 8;
    options.eval_every = 1;
    options.learning_rate = 1e-6;  // moves the weights, but no prediction
    options.patience = patience;
    options.record = runs::in_folder(folder, {.resume = resume});
    auto net = small_ladder();
    Trainer trainer(with_pieces(train::objective(net), {weight_average(*net, 0.9)}), data, options);
    const auto result = trainer.run();
    return std::pair(result.last->epoch, net->parameters().front().detach().clone());
  };
  const TemporaryFolder folder, straight;
  const auto [stopped, averages] = run(folder.path(), 2, false);
  REQUIRE(stopped < 8);
  std::filesystem::remove(folder / "result.json");  // killed before it was written
  const auto [end, continued] = run(folder.path(), 5, true);
  REQUIRE(end > stopped);
  const auto [same_end, expected] = run(straight.path(), 5, false);
  REQUIRE(end == same_end);
  require_equal(continued, expected);
  REQUIRE_FALSE(continued.equal(averages));
}

TEST_CASE("Trainer puts its own weights back after an evaluation that failed", "[train]") {
  const OneThread one_thread;
  const auto train = [](bool fails) {
    auto net = small_ladder();
    auto data = blobs();
    Trainer trainer(with_pieces(train::objective(net), {weight_average(*net, 0.9)}), data,
                    quick_options());
    if (fails) {
      torch::Tensor last;
      trainer.callbacks.on_step = [&](int64_t step) {
        if (step < trainer.steps_per_epoch()) return;
        last = net->parameters().front().detach().clone();
        data.test_inputs.resize_({300, kBlobFeatures - 1});  // rows that the network does not take
      };
      CHECK_THROWS_AS(trainer.run(), c10::Error);
      require_equal(net->parameters().front(), last);
      trainer.callbacks.on_step = {};
      data.test_inputs.resize_({300, kBlobFeatures});
    }
    trainer.run();
    return net;
  };
  require_same_network(*train(true), *train(false));
}

TEST_CASE("weight_average says what is wrong", "[train]") {
  REQUIRE(error_text([] { weight_average(std::vector<torch::Tensor>{}); }) ==
          "weight_average: expected parameters but got none.");
  REQUIRE(error_text([] { weight_average({torch::ones({2}, torch::kLong)}); }) ==
          "weight_average: expected floating parameters but got Long.");
  REQUIRE(error_text([] { weight_average({torch::ones({2})}, 1); }) ==
          "weight_average: expected a decay from 0 to below 1 but got 1.");
}
