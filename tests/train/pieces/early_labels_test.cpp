#include "ladder/train/pieces/early_labels.h"

#include <torch/torch.h>

#include <vector>

#include "ladder/ops/noise.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

constexpr StepPosition kBegin{.step = 0, .steps_per_epoch = 10, .steps = 100};

torch::Tensor five_classes() { return torch::tensor({0, 2, -1, 1, 2}); }

}  // namespace

TEST_CASE("early_labels is the cross entropy of rows against their guess", "[train]") {
  const auto piece = early_labels(5, five_classes, {.weight = 3});
  piece->before_step(kBegin);
  const auto logits = ops::standard_normal(NoiseDraw{1, 0, {}}, 4, 3, torch::kFloat64);
  const auto log_p = torch::log_softmax(logits, 1);
  require_close(piece->cost({.batch = {.unlabeled_rows = torch::tensor({4, 2, 0, 1})},
                             .unlabeled_logits = logits}),
                -3 * (log_p[0][2] + log_p[2][0] + log_p[3][2]) / 4);
}

TEST_CASE("early_labels guesses once, and only where the cost is on", "[train]") {
  int64_t guesses = 0;
  const auto guess = [&] {
    ++guesses;
    return five_classes();
  };
  const StepValues values{.batch = {.unlabeled_rows = torch::arange(5)},
                          .unlabeled_logits = torch::zeros({5, 3}).requires_grad_()};
  const auto is_on = [&](ObjectivePiece& piece, int64_t step) {
    piece.before_step({.step = step, .steps_per_epoch = 10, .steps = 100});
    return piece.cost(values).requires_grad();
  };
  const auto piece = early_labels(5, guess, {.until = 1.5});
  CHECK(is_on(*piece, 0));
  CHECK(is_on(*piece, 14));
  CHECK_FALSE(is_on(*piece, 15));
  CHECK(guesses == 1);
  CHECK_FALSE(is_on(*early_labels(5, guess, {.until = 1.5}), 15));  // a run that goes on there
  CHECK_FALSE(is_on(*early_labels(5, guess, {.weight = 0}), 0));
  CHECK(guesses == 1);
}

TEST_CASE("early_labels trains, and a resumed run goes on exactly", "[train]") {
  const OneThread one_thread;
  const auto data = blobs();
  int64_t guesses = 0;
  const auto piece = [&](double weight) {
    const auto guess = [&] { return data.training.labels.roll(++guesses); };
    return early_labels(300, guess, {.weight = weight, .until = 1});
  };
  const auto train = [&](int64_t stop, double weight) {
    auto net = small_ladder();
    guesses = 0;
    return trained_with(net, piece(weight), data, stop);
  };
  const auto whole = train(0, 1);
  require_equal(train(2, 1), whole);   // while the cost is on
  require_equal(train(12, 1), whole);  // afterwards
  guesses = 0;
  require_equal(resumed_with([&](Ladder&) { return piece(1); }, data, 2), whole);
  CHECK(guesses == 1);  // the other one is in the checkpoint
  CHECK_FALSE(train(0, 0).equal(whole));
}

TEST_CASE("early_labels starts no thread", "[train]") {
  const auto piece = early_labels(600, [] { return torch::arange(600).remainder(50); });
  piece->before_step(kBegin);
  auto noisy = ops::standard_normal(NoiseDraw{1, 0, {}}, 600, 50, torch::kFloat32);
  const StepValues values{.batch = {.unlabeled_rows = torch::arange(600)},
                          .unlabeled_logits = noisy.requires_grad_()};
  CHECK(threads_started_by([&] { piece->cost(values).backward(); }) == 0);
}

TEST_CASE("early_labels says what it expects", "[train]") {
  const auto error = [](const EarlyLabelOptions& options) {
    return error_text([&] { early_labels(5, five_classes, options); });
  };
  CHECK(error({.weight = -1}) ==
        "early_labels: expected a finite weight of at least 0 but got -1.");
  CHECK(error({.until = 0}) == "early_labels: expected a number of epochs above 0 but got 0.");
  CHECK(error_text([] { early_labels(0, five_classes); }) ==
        "early_labels: expected at least 1 row but got 0.");
  CHECK(error_text([] { early_labels(5, {}); }) ==
        "early_labels: expected a function that guesses but got none.");
  CHECK(error_text([] { early_labels(4, five_classes)->before_step(kBegin); }) ==
        "early_labels: expected a guess of int64 [4] but got Long [5].");
  const auto piece = early_labels(5, five_classes);
  piece->before_step(kBegin);
  CHECK(
      error_text([&] { piece->cost({}); }) ==
      "early_labels: expected a network with a denoising cost, which runs unlabeled rows, but got "
      "one without.");
  CHECK(error_text([&] {
          piece->cost({.unlabeled_logits = torch::zeros({4, 3})});
        }) ==
        "early_labels: expected batches with unlabeled_rows but got one without (see "
        "SemiBatch::unlabeled_rows).");
  CHECK(error_text([&] {
          piece->cost({.unlabeled_logits = torch::zeros({4, 2})});
        }) == "early_labels: expected a guess of classes in 0..1, or -1, but got 2.");
}

TEST_CASE("early_labels keeps its guess in a checkpoint", "[train]") {
  int64_t guesses = 0;
  const auto guess = [&] {
    ++guesses;
    return guesses == 1 ? five_classes() : torch::zeros({5}, torch::kLong);
  };
  const auto piece = early_labels(5, guess);
  piece->before_step(kBegin);
  const auto resumed = early_labels(5, guess);
  for (auto& [name, tensor] : resumed->state()) tensor.copy_(piece->state().at(name));
  resumed->before_step({.step = 2, .steps_per_epoch = 10, .steps = 100});
  CHECK(guesses == 1);
  const StepValues values{.batch = {.unlabeled_rows = torch::tensor({4, 2, 0, 1})},
                          .unlabeled_logits = torch::rand({4, 3})};
  CHECK(torch::equal(resumed->cost(values), piece->cost(values)));
}
