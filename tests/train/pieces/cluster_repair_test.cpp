#include "ladder/train/pieces/cluster_repair.h"

#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "ladder/ops/noise.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"
#include "tests/train/pieces/late_piece.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

constexpr StepPosition kFirst{.step = 0, .steps_per_epoch = 10, .steps = 100};
constexpr StepPosition kSecond{.step = 1, .steps_per_epoch = 10, .steps = 100};

// Looks at the first step; small groups, so that an untrained network has lost ones.
ClusterRepairOptions early() {
  return {.weight = 3,
          .at = {0},
          .lasts = 0.5,
          .clusters = {.groups = 10, .min_rows = 2, .max_cut = 100}};
}

}  // namespace

TEST_CASE("cluster_repair is the cross entropy of rows against the classes of their clusters",
          "[train]") {
  const auto net = small_ladder();
  const auto data = blobs();
  const auto piece = cluster_repair(net, data.training.inputs, data.training.unlabeled, early());
  piece->before_step(kSecond);
  auto state = piece->state();
  state.at("classes").copy_(torch::arange(300).remainder(3));
  state.at("weights").fill_(1);
  state.at("weights")[8] = 40;
  const auto logits = ops::standard_normal(NoiseDraw{1, 0, {}}, 4, 3, torch::kFloat64);
  const StepValues values{.batch = {.unlabeled_rows = torch::tensor({3, 5, 8, 100})},
                          .unlabeled_logits = logits};
  const auto log_p = torch::log_softmax(logits, 1);
  require_close(piece->cost(values),
                -3 * (log_p[0][0] + log_p[1][2] + 40 * log_p[2][2] + log_p[3][1]) / 4);
}

TEST_CASE("cluster_repair looks at its moments and is on for a while after each", "[train]") {
  const auto net = small_ladder();
  const auto data = blobs();
  std::vector<int64_t> epochs;
  auto options = early();
  options.at = {0.2, 0.55};
  options.lasts = 0.1;
  options.on_look = [&](const ClusterLook& look) {
    epochs.push_back(look.epoch);
    CHECK(look.lost.numel() == data.training.unlabeled.numel());
    CHECK(look.classes.numel() == data.training.unlabeled.numel());
  };
  const auto piece = cluster_repair(net, data.training.inputs, data.training.unlabeled, options);
  std::vector<int64_t> on;
  const StepValues values{.batch = {.unlabeled_rows = torch::arange(40)},
                          .unlabeled_logits = torch::zeros({40, 3}).requires_grad_()};
  for (int64_t step = 0; step < 100; ++step) {
    piece->before_step({.step = step, .steps_per_epoch = 10, .steps = 100});
    if (piece->cost(values).requires_grad()) on.push_back(step);
  }
  CHECK(epochs == std::vector<int64_t>{2, 5});
  std::vector<int64_t> expected;
  for (int64_t step = 0; step < 10; ++step) expected.push_back(20 + step);
  for (int64_t step = 0; step < 10; ++step) expected.push_back(55 + step);
  CHECK(on == expected);
}

TEST_CASE("cluster_repair takes what lost_clusters finds", "[train]") {
  auto net = small_ladder();
  const auto data = blobs();
  torch::Tensor lost, predicted;
  auto options = early();
  options.on_look = [&](const ClusterLook& look) {
    lost = look.lost;
    predicted = look.classes;
  };
  const auto some = torch::arange(0, 300, 2);
  const auto piece = cluster_repair(net, data.training.inputs, some, options);
  piece->before_step(kFirst);
  const auto count = lost.ge(0).sum().item<int64_t>();
  REQUIRE(count > 0);  // an untrained network
  auto state = piece->state();
  const auto classes = state.at("classes").index_select(0, some).to(torch::kInt64);
  const auto is_lost = lost.ge(0);
  require_equal(classes.masked_select(is_lost), lost.masked_select(is_lost));
  require_equal(classes.masked_select(~is_lost), predicted.masked_select(~is_lost));
  // Lost rows weigh a tenth of all, each at least as much as others.
  const auto weights = state.at("weights");
  CHECK(weights.index_select(0, some + 1).eq(0).all().item<bool>());
  const auto own = weights.index_select(0, some);
  CHECK(own.masked_select(~is_lost).eq(1).all().item<bool>());
  const auto expected = std::max(1.0, 150 / (10.0 * static_cast<double>(count)));
  require_close(own.masked_select(is_lost), torch::full({count}, expected));
  // Nothing lost: no cost.
  options.clusters.min_rows = 75;
  const auto none = cluster_repair(net, data.training.inputs, some, options);
  none->before_step(kFirst);
  REQUIRE(lost.ge(0).sum().item<int64_t>() == 0);
  CHECK(none->state().at("weights").eq(0).all().item<bool>());
}

TEST_CASE("cluster_repair trains, and a resumed run goes on exactly", "[train]") {
  const auto data = blobs();
  const auto make = [&](Ladder& net, double weight) {
    auto options = early();
    options.weight = weight;
    options.at = {0, 0.5};
    return cluster_repair(net, data.training.inputs, data.training.unlabeled, options);
  };
  require_exact_resume(make, {5, 12});  // while the first look counts, just before the second
}

TEST_CASE("cluster_repair says what it expects", "[train]") {
  const auto net = small_ladder();
  const auto x = blobs().training.inputs;
  check_late_piece_errors<ClusterRepairOptions>(
      "cluster_repair", net,
      [&](const Ladder& of, const auto& options) { return cluster_repair(of, x, {}, options); });
  CHECK(error_text([&] { cluster_repair(net, x.narrow(0, 0, 10), {}); }) ==
        "cluster_repair: expected at least 11 unlabeled rows, for 10 neighbours each, but got 10.");
  CHECK(error_text([&] { cluster_repair(net, x, {}, {.clusters = {.margin = 0.5}}); }) ==
        "cluster_repair: expected a margin of at least 1 but got 0.5.");
  CHECK(error_text([&] {
          cluster_repair(net, x, torch::tensor({0, 100000}));
        }) == "cluster_repair: expected unlabeled rows in 0.." + std::to_string(x.size(0) - 1) +
                  " but got 100000 (the inputs have " + std::to_string(x.size(0)) + " rows).");
  CHECK(error_text([&] { cluster_repair(net, x, torch::arange(1)); }) ==
        "cluster_repair: expected at least 2 unlabeled rows but got 1 (one row has no mean and "
        "variance "
        "to be normalised by).");
  const Ladder wide(
      LadderOptions{.input_shape = {2}},
      Stages{dense_stage({.in_features = 2, .out_features = 32769, .softmax_top = true})});
  CHECK(error_text([&] {
          cluster_repair(wide, torch::zeros({20, 2}), {});
        }) ==
        "cluster_repair: expected a network of at most 32768 classes, which are kept in 16 bits, "
        "but got 32769.");
  CHECK(error_text([&] { cluster_repair(net, {}, {}); }) ==
        "cluster_repair: expected inputs [rows, ...] but got an undefined tensor.");
  const auto piece = cluster_repair(net, x, {}, early());
  piece->before_step(kSecond);
  CHECK(error_text([&] {
          piece->cost({.unlabeled_logits = torch::zeros({4, 3})});
        }) ==
        "cluster_repair: expected batches with unlabeled_rows but got one without (see "
        "SemiBatch::unlabeled_rows).");
}
