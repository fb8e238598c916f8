#include "ladder/train/pieces/feature_repair.h"

#include <torch/torch.h>

#include <vector>

#include "ladder/ops/noise.h"
#include "ladder/train/clean_features.h"
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

constexpr StepPosition kAtFirstStep{.step = 0, .steps_per_epoch = 10, .steps = 100};

// Looks at the first step; small groups, so that an untrained network has lost ones.
FeatureRepairOptions at_once() {
  return {.weight = 3,
          .at = {0},
          .lasts = 0.5,
          .clusters = {.groups = 10, .outside = 5, .min_rows = 2}};
}

}  // namespace

TEST_CASE("feature_repair holds rows in the classes of their clusters by features", "[train]") {
  auto net = small_ladder();
  const auto data = blobs();
  const auto x = data.training.inputs;
  std::vector<ClusterLook> looks;
  auto options = at_once();
  options.on_look = [&](const ClusterLook& look) { looks.push_back(look); };
  const auto some = torch::arange(0, 300, 2);
  const auto piece = feature_repair(net, x, some, options);
  piece->before_step(kAtFirstStep);
  REQUIRE(looks.size() == 1);
  const auto seen = clean_features(net, x, some);
  const auto lost = clusters_lost_by_features(seen.features, seen.classes, options.clusters);
  const auto count = lost.ge(0).sum().item<int64_t>();
  REQUIRE(count > 0);  // an untrained network
  require_equal(looks[0].lost, lost);
  require_equal(looks[0].classes, seen.classes);
  // The cost of some rows: lost ones weigh a tenth of all, each at least as much as others.
  const auto logits = ops::standard_normal(NoiseDraw{1, 0, {}}, 150, 3, torch::kFloat64);
  const auto held = torch::where(lost.ge(0), lost, seen.classes);
  const auto heavy = std::max(1.0, 150 / (10.0 * static_cast<double>(count)));
  const auto weights = torch::ones({150}, torch::kFloat64).masked_fill(lost.ge(0), heavy);
  const auto log_p = torch::log_softmax(logits, 1).gather(1, held.unsqueeze(1)).squeeze(1);
  require_close(piece->cost({.batch = {.unlabeled_rows = some}, .unlabeled_logits = logits}),
                -3 * (weights.to(torch::kFloat).to(torch::kFloat64) * log_p).sum() / 150);
}

TEST_CASE("feature_repair looks late, and not where its weight is 0", "[train]") {
  const auto net = small_ladder();
  const auto data = blobs();
  std::vector<int64_t> epochs;
  FeatureRepairOptions options;
  options.on_look = [&](const ClusterLook& look) { epochs.push_back(look.epoch); };
  const auto run = [&] {
    const auto piece = feature_repair(net, data.training.inputs, {}, options);
    for (int64_t step = 0; step < 200; ++step) {
      piece->before_step({.step = step, .steps_per_epoch = 10, .steps = 200});
    }
  };
  run();
  CHECK(epochs == std::vector<int64_t>{18});
  options.weight = 0;
  run();
  CHECK(epochs.size() == 1);
}

TEST_CASE("feature_repair trains, and a resumed run goes on exactly", "[train]") {
  const auto data = blobs();
  const auto make = [&](Ladder& net, double weight) {
    auto options = at_once();
    options.weight = weight;
    options.at = {0, 0.5};
    return feature_repair(net, data.training.inputs, data.training.unlabeled, options);
  };
  require_exact_resume(make, {5, 12});  // while the first look counts, just before the second
}

TEST_CASE("feature_repair says what it expects", "[train]") {
  const auto net = small_ladder();
  const auto x = blobs().training.inputs;
  check_late_piece_errors<FeatureRepairOptions>(
      "feature_repair", net,
      [&](const Ladder& of, const auto& options) { return feature_repair(of, x, {}, options); });
  CHECK(error_text([&] { feature_repair(net, x, {}, {.clusters = {.outside = 0}}); }) ==
        "feature_repair: expected 1 to 100 neighbours outside a group but got 0.");
  CHECK(error_text([&] {
          feature_repair(net, x, torch::tensor({0, 100000}));
        }) == "feature_repair: expected unlabeled rows in 0.." + std::to_string(x.size(0) - 1) +
                  " but got 100000 (the inputs have " + std::to_string(x.size(0)) + " rows).");
  CHECK(error_text([&] { feature_repair(net, x, torch::arange(1)); }) ==
        "feature_repair: expected at least 2 unlabeled rows but got 1 (one row has no mean and "
        "variance "
        "to be normalised by).");
}

TEST_CASE("feature_repair names another seed of its search among its settings", "[train]") {
  const auto net = small_ladder();
  const auto x = blobs().training.inputs;
  FeatureRepairOptions options;
  CHECK_FALSE(feature_repair(net, x, {}, options)->settings().contains("seed"));
  options.clusters.seed = 7;
  CHECK(feature_repair(net, x, {}, options)->settings().at("seed") == "7");
}
