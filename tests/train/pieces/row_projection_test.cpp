#include "ladder/train/pieces/row_projection.h"

#include <ladder/nn/combinators/mlp_combinator.h>
#include <torch/torch.h>

#include <limits>
#include <utility>

#include "ladder/ops/noise.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

// Move weights as an update would.
void disturb(const torch::Tensor& weight, uint64_t seed) {
  const torch::NoGradGuard no_grad;
  const auto rows = weight.view({weight.size(0), -1});
  rows.add_(ops::standard_normal(NoiseDraw{seed, 0, {}}, rows.size(0), rows.size(1),
                                 weight.scalar_type()));
}

}  // namespace

TEST_CASE("row_projection gives each row its first norm and keeps its direction", "[train]") {
  for (const auto dtype : {torch::kFloat32, torch::kFloat64}) {
    // The last one takes several blocks.
    for (const auto& sizes : {std::vector<int64_t>{3, 5}, {4, 2, 3, 3}, {1, 1}, {300, 400}}) {
      auto weight = torch::zeros(sizes, dtype);
      disturb(weight, 1);
      const auto rows = [&] { return weight.view({sizes[0], -1}).to(torch::kDouble).clone(); };
      const auto first = rows().norm(2, 1, true);
      const auto piece = row_projection({weight});
      disturb(weight, 2);
      const auto moved = rows();
      piece->after_update();
      // The norm of n values is rounded at most n + 1 times on the way, twice, and the row thrice.
      const double n = static_cast<double>(moved.size(1));
      require_close(rows(), moved * first / moved.norm(2, 1, true),
                    Bound{.share = (2 * n + 6) * (dtype == torch::kFloat32
                                                      ? std::numeric_limits<float>::epsilon()
                                                      : std::numeric_limits<double>::epsilon())});
    }
  }
}

TEST_CASE("row_projection has the same bits on any number of threads", "[train][threads]") {
  const auto projected = [](int count) {
    const ThreadsOfTest threads(count);
    auto weight = torch::zeros({500, 784});
    disturb(weight, 1);
    const auto piece = row_projection({weight});
    disturb(weight, 2);
    piece->after_update();
    return weight;
  };
  const auto one = projected(1);
  for (const int count : {2, 3}) require_equal(projected(count), one);
}

TEST_CASE("row_projection of a module takes its products' weights alone", "[train]") {
  auto net = small_ladder();
  Ladder with_mlps(
      LadderOptions{.input_shape = {kBlobFeatures},
                    .lambda = {1, 1},
                    .combinator =
                        [](int64_t channels) {
                          return AnyCombinator(MlpCombinator(
                              MlpCombinatorOptions{.channels = channels, .hidden = {2, 2}}));
                        }},
      Stages{dense_stage(
          {.in_features = kBlobFeatures, .out_features = kBlobClasses, .softmax_top = true})});
  reset_parameters(*with_mlps, 1);
  // An encoder's weight per stage, a decoder's per level below the top.
  REQUIRE(row_projection(*net)->state().size() == 6);
  REQUIRE(row_projection(*with_mlps)->state().size() == 2);
}

TEST_CASE("Trainer with row_projection keeps norms over a run and resumes them", "[train]") {
  const OneThread one_thread;
  // Rounding as above, from the norm of 12 values and one scaling.
  const Bound bound{.share = 32 * std::numeric_limits<float>::epsilon()};
  const auto first = small_ladder()->parameters().front().detach().norm(2, 1);
  const auto train = [&](int64_t stop) {
    const auto net = small_ladder();
    return trained_with(net, row_projection(*net), blobs(), stop);
  };
  const auto whole = train(0);
  require_close(whole.norm(2, 1), first, bound);
  require_equal(train(3), whole);
  // The norms are those of the checkpoint: the piece that goes on is made from other weights.
  bool resumed = false;
  const auto piece = [&](Ladder& net) {
    const torch::NoGradGuard no_grad;
    if (std::exchange(resumed, true)) net->parameters().front().mul_(2);
    return row_projection(*net);
  };
  require_equal(resumed_with(piece, blobs(), 3), whole);
}

TEST_CASE("row_projection says what is wrong with weights", "[train]") {
  REQUIRE(error_text([] { row_projection(std::vector<torch::Tensor>{}); }) ==
          "row_projection: expected weights but got none.");
  REQUIRE(error_text([] { row_projection({torch::ones({3})}); }) ==
          "row_projection: expected contiguous floating weights of 2 or more dimensions but got "
          "Float [3].");
  REQUIRE(error_text([] { row_projection({torch::Tensor()}); }) ==
          "row_projection: expected contiguous floating weights of 2 or more dimensions but got "
          "an undefined tensor.");
  REQUIRE(error_text([] {
            row_projection({torch::ones({3, 2}).t()});
          }) ==
          "row_projection: expected contiguous floating weights of 2 or more dimensions but got "
          "Float [2, 3] that is not contiguous.");
  auto weight = torch::ones({3, 2});
  weight[1].zero_();
  REQUIRE(error_text([&] { row_projection({weight}); }) ==
          "row_projection: expected rows of a finite norm above 0 but got 0 in row 1 of a weight "
          "[3, 2] (initialise the parameters first).");
  REQUIRE(error_text([] { row_projection(*torch::nn::ReLU()); }) ==
          "row_projection: expected a module with weights of 2 or more dimensions but got "
          "torch::nn::ReLUImpl without any.");
}
