#include "ladder/train/clean_features.h"

#include <torch/torch.h>

#include <limits>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::testing;

TEST_CASE("clean_features are those of the levels in the middle, in the order of the rows",
          "[train]") {
  auto net = small_ladder();
  const auto rows = blobs();
  const auto& x = rows.training.inputs;
  const auto seen =
      train::clean_features(net, x, {}, {.batch_size = 300});  // one batch: its statistics
  auto pass = Pass::clean(x.size(0), Statistics::kBatch);
  pass.compared = false;
  const torch::NoGradGuard no_gradients;
  std::vector<torch::Tensor> levels = {x};
  for (const auto& stage : net->stages) levels.push_back(stage->forward(levels.back(), pass).h);
  REQUIRE(levels.size() == 4);
  REQUIRE(seen.features.size() == 2);
  require_equal(seen.features[0], x);
  // The rows run in another order: a sum of 300 of them differs by at most 300 roundings of its
  // largest term, and values here stay below 10.
  const double bound = 300 * 10 * std::numeric_limits<float>::epsilon();
  CHECK(torch::allclose(seen.features[1], levels[1], 0, bound));
  const auto top = std::get<0>(levels[3].topk(2, 1));
  const auto clear = (top.select(1, 0) - top.select(1, 1)).gt(100 * bound);
  CHECK(clear.sum().item<int64_t>() > 150);
  require_equal(seen.classes.masked_select(clear), levels[3].argmax(1).masked_select(clear));
  // A choice of rows.
  const auto some = torch::arange(10, 290, 2);
  const auto chosen = train::clean_features(net, x, some);
  require_equal(chosen.features[0], x.index_select(0, some));
  CHECK(chosen.classes.numel() == 140);
  // The rows of several batches, each in its place.
  const auto batches = train::clean_features(net, x, {}, {.levels = {0, 3}, .batch_size = 70});
  require_equal(batches.features[0], x);
  require_equal(batches.features[1].argmax(1), batches.classes);
  CHECK(batches.probabilities.sizes() == torch::IntArrayRef({300, 3}));
  // Levels that are asked for, and the probabilities of the classes.
  const auto upper = train::clean_features(net, x, {}, {.levels = {1, 3}, .batch_size = 300});
  REQUIRE(upper.features.size() == 2);
  require_equal(upper.features[0], seen.features[1]);
  require_equal(upper.features[1].argmax(1), upper.classes);
  require_equal(upper.probabilities, torch::softmax(upper.features[1], 1));
  Ladder none(nullptr);
  CHECK(error_text([&] { train::clean_features(none, x); }) ==
        "clean_features: expected a network but got an empty Ladder.");
  CHECK(error_text([&] { train::clean_features(net, x, torch::arange(1)); }) ==
        "clean_features: expected at least 2 rows, in batches of at least 2, but got 1 in batches "
        "of 1000.");
  CHECK(error_text([&] {
          train::clean_features(net, x, {}, {.levels = {2, 4}});
        }) == "clean_features: expected ascending levels in 0..3 but got 2 4.");
  CHECK(error_text([&] {
          train::clean_features(net, x, {}, {.levels = {1, 1}});
        }) == "clean_features: expected ascending levels in 0..3 but got 1 1.");
}
