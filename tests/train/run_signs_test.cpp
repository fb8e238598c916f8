#include "ladder/train/run_signs.h"

#include <torch/torch.h>

#include <cmath>

#include "ladder/train/evaluate.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

TEST_CASE("neighbour_cut is the share of neighbours in another class", "[train]") {
  const auto neighbours = torch::tensor({{1, 2}, {0, 2}, {1, 3}, {2, 1}}, torch::kInt64);
  const auto cut = [&](const std::vector<int64_t>& classes) {
    return neighbour_cut(neighbours, torch::tensor(classes));
  };
  CHECK(cut({0, 0, 0, 0}) == 0);
  CHECK(cut({0, 1, 2, 3}) == 100);
  CHECK(cut({0, 0, 1, 1}) == 100 * 4.0 / 8);
}

TEST_CASE("run_signs measures entropy and what noise moves", "[train]") {
  const OneThread one_thread;
  auto net = small_ladder();
  const auto x = blobs().training.inputs;
  const auto before = net->parameters();
  const auto signs = run_signs(net, x, 4, 100);
  REQUIRE(signs.classes.sizes() == torch::IntArrayRef({300}));
  // The clean rows of a batch, by its own statistics.
  const auto logits = net->forward(x.narrow(0, 100, 100));
  require_equal(signs.classes.narrow(0, 100, 100), logits.argmax(1));
  CHECK(signs.entropy > 0);
  CHECK(signs.entropy <= std::log(3.0));
  CHECK(signs.disagreement > 0);  // untrained
  CHECK(run_signs(net, x, 4, 100).disagreement == signs.disagreement);
  CHECK(net->is_training());

  net->options.input_noise = 0;
  Ladder silent(
      LadderOptions{.input_shape = {kBlobFeatures}, .lambda = {1, 1}, .input_noise = 0},
      Stages{dense_stage(
          {.in_features = kBlobFeatures, .out_features = 3, .noise_std = 0, .softmax_top = true})});
  reset_parameters(*silent, 1);
  CHECK(run_signs(silent, x).disagreement == 0);
  // A step with a cost at level 0 alone runs no clean rows: they are run beside it.
  net->options.lambda = {1, 0, 0, 0};
  net->eval();
  const auto bottom = run_signs(net, x, 4, 100);
  CHECK_FALSE(net->is_training());
  net->train();
  require_equal(bottom.classes.narrow(0, 100, 100), logits.argmax(1));
  // 299 rows in batches of 100: the last takes what is left.
  CHECK(run_signs(net, x.narrow(0, 0, 299), 4, 100).classes.size(0) == 299);
}

TEST_CASE("run_signs and neighbour_cut say what they expect", "[train]") {
  auto net = small_ladder();
  auto baseline = small_ladder(1, {});
  const auto x = blobs().training.inputs;
  REQUIRE(error_text([&] { run_signs(baseline, x); }) ==
          "run_signs: expected a network with a denoising cost, which runs unlabeled rows, but got "
          "one without.");
  REQUIRE(error_text([&] { run_signs(net, x.narrow(0, 0, 1)); }) ==
          "run_signs: expected at least 2 rows, in batches of at least 2, but got [1, 12] in "
          "batches of 1000.");
  REQUIRE(error_text([&] { neighbour_cut(x, x); }) ==
          "neighbour_cut: expected int64 neighbours [rows, k] but got [300, 12].");
  const auto neighbours = torch::zeros({300, 2}, torch::kInt64);
  REQUIRE(error_text([&] { neighbour_cut(neighbours, torch::zeros({2}, torch::kInt64)); }) ==
          "neighbour_cut: expected int64 classes [300] but got [2].");
}

TEST_CASE("disagreements are mean shares of rows in other classes", "[train]") {
  const auto a = torch::tensor({0, 1, 2, 3}, torch::kInt64);
  const auto b = torch::tensor({0, 1, 2, 0}, torch::kInt64);
  const auto c = torch::tensor({0, 0, 0, 0}, torch::kInt64);
  const auto shares = disagreements({a, b, c});
  CHECK(shares == std::vector<double>{(25.0 + 75.0) / 2, (25.0 + 50.0) / 2, (75.0 + 50.0) / 2});
  REQUIRE(error_text([&] { disagreements({a}); }) ==
          "disagreements: expected at least 2 predictions but got 1.");
  REQUIRE(error_text([&] {
            disagreements({a, a.narrow(0, 0, 2)});
          }) == "disagreements: expected predictions of the same rows but got [4] and [2].");
}

TEST_CASE("left_behind names runs that disagree with the others far more than usual", "[train]") {
  using Places = std::vector<size_t>;
  REQUIRE(left_behind({}).empty());
  REQUIRE(left_behind({1, 9}).empty());
  REQUIRE(left_behind({0.64, 0.76, 0.64}).empty());
  REQUIRE(left_behind({0.64, 0.76, 1.9}) == Places{2});
  REQUIRE(left_behind({2.1, 0.7, 0.8, 0.7, 3}) == (Places{0, 4}));
  // Twice the median, but of a tenth of a point.
  REQUIRE(left_behind({0.1, 0.1, 0.2}).empty());
  REQUIRE(left_behind({1, 1, 1.5, 1.5}).empty());
}
