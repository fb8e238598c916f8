#include "ladder/train/pieces/feature_labels.h"

#include <torch/torch.h>

#include <vector>

#include "ladder/ops/noise.h"
#include "ladder/train/clean_features.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"
#include "tests/train/pieces/late_piece.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

TEST_CASE("feature_labels is the cross entropy of rows against their smoothed predictions",
          "[train]") {
  auto net = small_ladder();
  const auto data = blobs();
  const auto& x = data.training.inputs;
  const auto some = torch::arange(0, 300, 2);
  std::vector<FeatureLook> looks;
  const auto piece = feature_labels(net, x, some,
                                    {.weight = 3,
                                     .at = {0.5},
                                     .smoothing = {.k = 5, .rounds = 2},
                                     .on_look = [&](const auto& look) { looks.push_back(look); }});
  // 12-16-8-3: the levels L / 2 = 1 and 2.
  const auto seen = clean_features(net, x, some, {.levels = {1, 2}});
  const auto expected =
      smoothed_predictions(seen.features, seen.probabilities, {.k = 5, .rounds = 2}).argmax(1);
  const auto logits = ops::standard_normal(NoiseDraw{1, 0, {}}, 4, 3, torch::kFloat64);
  const auto places = torch::tensor({3, 20, 60, 149});  // among the unlabeled rows
  const StepValues values{.batch = {.unlabeled_rows = some.index_select(0, places)},
                          .unlabeled_logits = logits};
  piece->before_step({.step = 49, .steps_per_epoch = 10, .steps = 100});
  CHECK(piece->cost(values).item<double>() == 0);
  CHECK(looks.empty());
  piece->before_step({.step = 50, .steps_per_epoch = 10, .steps = 100});
  REQUIRE(looks.size() == 1);
  CHECK(looks[0].epoch == 5);
  CHECK(looks[0].rows == 150);
  CHECK(looks[0].moved == expected.ne(seen.classes).sum().item<int64_t>());
  CHECK(looks[0].moved > 0);  // an untrained network
  const auto held = expected.index_select(0, places).unsqueeze(1);
  require_close(piece->cost(values), -3 * torch::log_softmax(logits, 1).gather(1, held).mean());
  piece->before_step({.step = 60, .steps_per_epoch = 10, .steps = 100});
  CHECK(piece->cost(values).item<double>() == 0);
}

TEST_CASE("feature_labels trains, and a resumed run goes on exactly", "[train]") {
  const auto data = blobs();
  const auto make = [&](Ladder& net, double weight) {
    return feature_labels(net, data.training.inputs, data.training.unlabeled,
                          {.weight = weight, .at = {0.25, 0.75}, .lasts = 0.2});
  };
  require_exact_resume(make, {7, 18});  // while the first look counts, just before the second
}

TEST_CASE("feature_labels looks at the last hidden level of a shallow network", "[train]") {
  Ladder net(
      LadderOptions{.input_shape = {kBlobFeatures}, .lambda = {10, 1, 0.1}},
      Stages{dense_stage({.in_features = kBlobFeatures, .out_features = 16}),
             dense_stage({.in_features = 16, .out_features = kBlobClasses, .softmax_top = true})});
  reset_parameters(*net, 1);
  const auto data = blobs();
  int64_t moved = -1;
  const auto piece =
      feature_labels(net, data.training.inputs, {},
                     {.at = {0}, .on_look = [&](const auto& look) { moved = look.moved; }});
  piece->before_step({.step = 0, .steps_per_epoch = 10, .steps = 100});
  const auto seen = clean_features(net, data.training.inputs, {}, {.levels = {1}});
  const auto expected = smoothed_predictions(seen.features, seen.probabilities).argmax(1);
  CHECK(moved == expected.ne(seen.classes).sum().item<int64_t>());
}

TEST_CASE("feature_labels says what it expects", "[train]") {
  const auto net = small_ladder();
  const auto x = blobs().training.inputs;
  check_late_piece_errors<FeatureLabelsOptions>(
      "feature_labels", net,
      [&](const Ladder& of, const auto& options) { return feature_labels(of, x, {}, options); });
  CHECK(error_text([&] { feature_labels(net, x.narrow(0, 0, 10), {}); }) ==
        "feature_labels: expected at least 11 unlabeled rows, for 10 neighbours each, but got 10.");
  CHECK(error_text([&] { feature_labels(net, x, {}, {.smoothing = {.rounds = 0}}); }) ==
        "feature_labels: expected at least 1 round but got 0.");
  CHECK(error_text([&] {
          feature_labels(net, x, torch::tensor({0, 100000}));
        }) == "feature_labels: expected unlabeled rows in 0.." + std::to_string(x.size(0) - 1) +
                  " but got 100000 (the inputs have " + std::to_string(x.size(0)) + " rows).");
  CHECK(error_text([&] { feature_labels(net, x, torch::arange(1)); }) ==
        "feature_labels: expected at least 2 unlabeled rows but got 1 (one row has no mean and "
        "variance "
        "to be normalised by).");
}
