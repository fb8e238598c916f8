#include "ladder/train/pieces/border_repair.h"

#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "ladder/ops/noise.h"
#include "ladder/train/clean_features.h"
#include "ladder/train/trainer.h"
#include "tests/support/bars.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"
#include "tests/train/pieces/late_piece.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

// A network of two classes for the rows of two_bars.
Ladder net_of_bars() {
  Ladder net(LadderOptions{.input_shape = {2}, .lambda = {1, 0.1, 0.1}},
             Stages{dense_stage({.in_features = 2, .out_features = 16}),
                    dense_stage({.in_features = 16, .out_features = 2, .softmax_top = true})});
  reset_parameters(*net, 1);
  return net;
}

TrainData data_of_bars(const Bars& bars, const torch::Tensor& labels) {
  TrainData data;
  data.training = {.inputs = bars.x,
                   .labels = labels.clamp_min(0),
                   .labeled = labels.ge(0).nonzero().flatten(),
                   .unlabeled = torch::arange(bars.x.size(0))};
  data.test_inputs = bars.x;
  data.test_labels = bars.bars;
  return data;
}

// A network that divides both bars in the middle.
Ladder divided_in_halves(const Bars& bars) {
  auto net = net_of_bars();
  auto options = quick_options();
  options.epochs = 20;
  Trainer(objective(net), data_of_bars(bars, bars.halves), options).run();
  return net;
}

BorderRepairOptions looks_at_once() { return {.weight = 3, .at = {0}, .lasts = 0.5}; }

}  // namespace

TEST_CASE("border_repair holds rows on the sides of the better border", "[train]") {
  const auto bars = two_bars(600, 0.5);
  auto net = divided_in_halves(bars);
  std::vector<ClusterLook> looks;
  auto options = looks_at_once();
  options.on_look = [&](const ClusterLook& look) { looks.push_back(look); };
  // All rows but the last ten, in another order.
  const auto some = torch::arange(589, -1, -1);
  const auto piece = border_repair(net, bars.x, bars.labels, some, options);
  piece->before_step({.step = 0, .steps_per_epoch = 10, .steps = 100});
  REQUIRE(looks.size() == 1);
  const auto own = bars.bars.index_select(0, some);
  require_equal(looks[0].classes, clean_features(net, bars.x, some).classes);
  require_equal(looks[0].lost, torch::where(looks[0].classes.ne(own), own, -1));
  const auto lost = looks[0].lost.ge(0);
  const auto count = lost.sum().item<int64_t>();
  REQUIRE(count > 590 / 3);  // about half of them
  // The cost of some rows: all weigh as much where more than a tenth is lost.
  const auto batch = torch::tensor({3, 5, 8, 100});
  const auto logits = ops::standard_normal(NoiseDraw{1, 0, {}}, 4, 2, torch::kFloat64);
  const auto log_p = torch::log_softmax(logits, 1)
                         .gather(1, bars.bars.index_select(0, batch).unsqueeze(1))
                         .squeeze(1);
  require_close(piece->cost({.batch = {.unlabeled_rows = batch}, .unlabeled_logits = logits}),
                -3 * log_p.sum() / 4);
}

TEST_CASE("border_repair leaves a network alone whose borders are good", "[train]") {
  const auto bars = two_bars(600, 0.5);
  auto net = net_of_bars();
  auto options = quick_options();
  options.epochs = 20;
  Trainer(objective(net), data_of_bars(bars, bars.bars), options).run();
  int looks = 0;
  auto once = looks_at_once();
  once.on_look = [&](const ClusterLook& look) {
    ++looks;
    CHECK(look.lost.eq(-1).all().item<bool>());
  };
  const auto piece = border_repair(net, bars.x, bars.labels, {}, once);
  piece->before_step({.step = 0, .steps_per_epoch = 10, .steps = 100});
  REQUIRE(looks == 1);
  CHECK(piece->state().at("weights").eq(0).all().item<bool>());
}

TEST_CASE("border_repair looks early, and not where its weight is 0", "[train]") {
  const auto bars = two_bars(600, 0.5);
  const auto net = net_of_bars();
  std::vector<int64_t> epochs;
  BorderRepairOptions options;
  options.on_look = [&](const ClusterLook& look) { epochs.push_back(look.epoch); };
  const auto run = [&] {
    const auto piece = border_repair(net, bars.x, bars.labels, {}, options);
    for (int64_t step = 0; step < 200; ++step) {
      piece->before_step({.step = step, .steps_per_epoch = 10, .steps = 200});
    }
  };
  run();
  CHECK(epochs == std::vector<int64_t>{2, 4});
  options.weight = 0;
  run();
  CHECK(epochs.size() == 2);
}

TEST_CASE("border_repair moves a border, and a resumed run goes on exactly", "[train]") {
  const OneThread one_thread;
  const auto bars = two_bars(300, 0.5);
  const auto data = data_of_bars(bars, bars.labels);
  const auto weights = [&] {
    std::vector<torch::Tensor> values;
    for (const auto& value : divided_in_halves(bars)->parameters()) {
      values.push_back(value.detach().clone());
    }
    return values;
  }();
  const auto divided = [&] {
    auto net = net_of_bars();
    const torch::NoGradGuard no_gradients;
    const auto values = net->parameters();
    for (size_t i = 0; i < values.size(); ++i) values[i].copy_(weights[i]);
    return net;
  };
  const auto piece = [&](Ladder& net, double weight) {
    auto options = looks_at_once();
    options.weight = weight;
    options.lasts = 1;
    return border_repair(net, bars.x, data::known_labels(data.training), data.training.unlabeled,
                         options);
  };
  const auto train = [&](int64_t stop, double weight) {
    auto net = divided();
    const auto first = trained_with(net, piece(net, weight), data, stop);
    const auto found = clean_features(net, bars.x).classes;
    return std::pair(first, found.eq(bars.bars).sum().item<int64_t>());
  };
  const auto [whole, right] = train(0, 3);
  const auto [plain, right_without] = train(0, 0);
  CHECK(right > right_without);
  CHECK_FALSE(plain.equal(whole));
  require_equal(train(5, 3).first, whole);
}

TEST_CASE("border_repair says what it expects", "[train]") {
  const auto bars = two_bars(40, 0.5);
  const auto net = net_of_bars();
  const auto make = [&](const Ladder& of, const BorderRepairOptions& options) {
    return border_repair(of, bars.x, bars.labels, {}, options);
  };
  check_late_piece_errors<BorderRepairOptions>("border_repair", net, make);
  const auto error = [&](const BorderRepairOptions& options) {
    return error_text([&] { make(net, options); });
  };
  CHECK(error({.borders = {.times = 1}}) == "border_repair: expected times above 1 but got 1.");
  CHECK(error_text([&] { border_repair(net, bars.x, bars.labels.narrow(0, 0, 39), {}); }) ==
        "border_repair: expected int64 labels [40] but got Long [39].");
  CHECK(error_text([&] { border_repair(net, bars.x, {}, {}); }) ==
        "border_repair: expected int64 labels [40] but got an undefined tensor.");
  CHECK(error_text([&] { border_repair(net, bars.x, bars.labels, torch::arange(10)); }) ==
        "border_repair: expected at least 11 unlabeled rows, for 10 neighbours each, but got 10.");
}
