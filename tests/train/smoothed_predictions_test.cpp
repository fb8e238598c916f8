#include "ladder/train/smoothed_predictions.h"

#include <torch/torch.h>

#include <limits>

#include "ladder/core/random.h"
#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"

using namespace ladder;
using namespace ladder::testing;
using train::smoothed_predictions;

namespace {

torch::Tensor normal(int64_t rows, int64_t columns, uint64_t seed) {
  return ops::standard_normal(NoiseDraw{seed, 0, {}}, rows, columns, torch::kFloat32);
}

// Places of the k rows with the largest cosine to each row, by all pairs.
torch::Tensor by_cosine(const torch::Tensor& features, int64_t k) {
  const auto x = (features - features.mean(0)).to(torch::kFloat64);
  const auto units = x / x.norm(2, 1, true);
  auto cosines = units.mm(units.t());
  cosines.fill_diagonal_(-2);
  return std::get<1>(cosines.topk(k, 1));
}

}  // namespace

TEST_CASE("smoothed_predictions are means over the neighbours in each of the features", "[train]") {
  const auto a = normal(60, 5, 1), b = normal(60, 3, 2);
  const auto p = torch::softmax(normal(60, 4, 3), 1);
  const auto mean_of = [&](const torch::Tensor& before) {
    const auto near = torch::cat({by_cosine(a, 6), by_cosine(b, 6)}, 1);
    return before.index_select(0, near.flatten()).view({60, 12, 4}).mean(1);
  };
  // A mean of 12 probabilities differs by at most 12 roundings of their sum, at most 12, over 12;
  // each round passes on the roundings of the one before.
  const double bound = 12 * std::numeric_limits<float>::epsilon();
  const auto once = smoothed_predictions({a, b}, p, {.k = 6, .rounds = 1});
  CHECK(torch::allclose(once, mean_of(p), 0, bound));
  const auto thrice = smoothed_predictions({a, b}, p, {.k = 6, .rounds = 3});
  CHECK(torch::allclose(thrice, mean_of(mean_of(mean_of(p))), 0, 3 * bound));
  CHECK_FALSE(once.allclose(p, 0, 0.01));
}

TEST_CASE("smoothed_predictions set single rows right, and leave clusters apart", "[train]") {
  // Two clusters in two directions; a tenth of each is taken for the other class, surely.
  const auto labels = torch::arange(200).remainder(2);
  const auto centres = torch::tensor({{10.0F, 0.0F, 0.0F}, {0.0F, 10.0F, 0.0F}});
  const auto features = centres.index_select(0, labels) + normal(200, 3, 4);
  const auto wrong = torch::arange(200).lt(20);
  const auto predicted = torch::where(wrong, 1 - labels, labels);
  const auto p = 0.98 * torch::one_hot(predicted, 2).to(torch::kFloat32) + 0.01;
  require_equal(smoothed_predictions({features}, p, {.k = 9}).argmax(1), labels);
}

TEST_CASE("smoothed_predictions say what they expect", "[train]") {
  const auto x = normal(20, 3, 5);
  const auto p = torch::softmax(normal(20, 4, 6), 1);
  CHECK(error_text([&] { smoothed_predictions({}, p); }) ==
        "smoothed_predictions: expected features but got none.");
  CHECK(error_text([&] { smoothed_predictions({x.narrow(0, 0, 19)}, p); }) ==
        "smoothed_predictions: expected floating features [20, units] but got [19, 3].");
  CHECK(error_text([&] { smoothed_predictions({x}, p[0]); }) ==
        "smoothed_predictions: expected floating probabilities [rows, classes] but got [4].");
  CHECK(error_text([&] { smoothed_predictions({x}, p, {.k = 0}); }) ==
        "smoothed_predictions: expected k of at least 1 but got 0.");
  CHECK(error_text([&] { smoothed_predictions({x}, p, {.rounds = 0}); }) ==
        "smoothed_predictions: expected at least 1 round but got 0.");
}
