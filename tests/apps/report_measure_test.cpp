#include <ladder/models/network.h>
#include <ladder/nn/combinators/vanilla_combinator.h>
#include <ladder/nn/maps/dense_map.h>
#include <ladder/ops/normalise.h>
#include <ladder/train/evaluate.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "apps/support/report/measure.h"
#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/networks.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::testing;

namespace {

CombinatorFactory linear_combinators() { return vanilla({.sigmoid = false, .cross_term = false}); }

// Make z^ = 0.7 z~ + 0.2 u + 0.1 for every unit.
void set_linear_combinators(Ladder& net) {
  const torch::NoGradGuard no_grad;
  for (int64_t l = 0; l <= net->top_level(); ++l) {
    auto* g = net->decoder->combinator(l).module()->as<VanillaCombinator>();
    REQUIRE(g->terms() == std::vector<std::string>{"b0", "w0z", "w0u"});
    g->weight.copy_(
        torch::tensor({0.1, 0.7, 0.2}, torch::kDouble).unsqueeze(1).expand_as(g->weight));
  }
}

Ladder dense_network(double noise, CombinatorFactory combinator) {
  auto net = models::network({.input_shape = {12},
                              .layers = {models::Dense{16}, models::Dense{8}, models::Dense{3}},
                              .lambda = {1, 1, 1, 1},
                              .input_noise = noise,
                              .noise_std = noise,
                              .combinator = std::move(combinator)});
  reset_parameters(*net, stream_seed(1, "init"));
  return net;
}

Ladder convolutional_network(double noise, CombinatorFactory combinator) {
  auto net = models::network({.input_shape = {1, 8, 8},
                              .layers = {models::Conv{4, 3, Border::kSame}, models::MaxPool{2},
                                         models::Conv{3, 1}, models::GlobalMeanPool{}},
                              .lambda = {1, 1, 1, 1, 1},
                              .input_noise = noise,
                              .noise_std = noise,
                              .combinator = std::move(combinator)});
  reset_parameters(*net, stream_seed(1, "init"));
  return net;
}

torch::Tensor random_images(int64_t rows) {
  return ops::standard_uniform(NoiseDraw{3, 0, {}}, rows, 64, torch::kFloat32)
      .reshape({rows, 1, 8, 8});
}

// Columns less their means, over their standard deviations.
torch::Tensor normalised_columns(const torch::Tensor& x) {
  return (x - x.mean(0)) / (x.var(0, /*unbiased=*/false) + kVarianceEpsilon).sqrt();
}

}  // namespace

TEST_CASE("denoised_levels: sees what a training step compares", "[apps]") {
  // Without noise, nothing depends on draws, and the costs of a step are those of the levels.
  const auto require_same_costs = [](Ladder net, const torch::Tensor& x) {
    const auto levels = apps::denoised_levels(net, x);
    REQUIRE(static_cast<int64_t>(levels.size()) == net->top_level() + 1);
    for (const auto& level : levels) CHECK(level.z_noisy.equal(level.z));

    net->to(torch::kDouble);
    const auto rows = x.to(torch::kDouble);
    const torch::NoGradGuard no_grad;
    NoiseSource noise(1);
    const auto loss = net->loss({rows.narrow(0, 0, 6), torch::arange(6).remainder(3), rows}, noise);
    std::vector<torch::Tensor> costs;
    for (const auto& level : levels) {
      costs.push_back(loss.denoising[static_cast<size_t>(level.level)]);
    }
    require_result(
        [&] {
          std::vector<torch::Tensor> of_levels;
          for (const auto& level : apps::denoised_levels(net, rows)) {
            of_levels.push_back((level.denoise(level.z_noisy, level.u) - level.z).square().mean());
          }
          return of_levels;
        },
        costs);
  };
  require_same_costs(dense_network(0, vanilla()), blobs().test_inputs);
  require_same_costs(convolutional_network(0, vanilla()), random_images(40));
}

TEST_CASE("denoised_levels: adds the noise of training and normalises u", "[apps]") {
  auto net = dense_network(0.3, vanilla());
  net->to(torch::kDouble);
  const auto x = blobs(3000, 9, torch::kDouble).test_inputs;
  const auto levels = apps::denoised_levels(net, x);
  REQUIRE(levels.size() == 4);
  const auto& input = levels.back();
  CHECK(input.level == 0);
  CHECK(input.z.size(0) == 2000);  // evenly spread
  CHECK(input.z[1].equal(x[1]));
  CHECK(input.z[1000].equal(x[1500]));
  // The standard deviation of n normals is known to about 1 / sqrt(2 n) of itself.
  const auto n = static_cast<double>(input.z.numel());
  CHECK((input.z_noisy - input.z).std().item<double>() ==
        Approx(0.3).epsilon(6 / std::sqrt(2 * n)));
  // u comes of the class probabilities, or of what the level above has restored.
  const auto maps = net->decoder->named_modules();
  for (size_t i = 0; i < levels.size(); ++i) {
    INFO("level " << levels[i].level);
    const auto u = [&] {
      const torch::NoGradGuard no_grad;
      if (i == 0) return std::vector{normalised_columns(levels[0].z_noisy.softmax(1))};
      const auto& above = levels[i - 1];
      auto* map = maps["verticals." + std::to_string(levels[i].level)]->as<DenseMap>();
      const auto z_hat = above.g->forward(above.z_noisy, above.u);
      return std::vector{normalised_columns(map->forward(z_hat))};
    };
    require_result(u, {levels[i].u});
  }
  auto baseline = small_ladder(1, {});
  CHECK(apps::denoised_levels(baseline, x).empty());
  CHECK(apps::denoising_curves({}).empty());
}

TEST_CASE("denoising_curves: draw the function of a combinator", "[apps]") {
  auto net = dense_network(0.3, linear_combinators());
  net->to(torch::kDouble);
  set_linear_combinators(net);
  const auto levels = apps::denoised_levels(net, blobs(1000, 9, torch::kDouble).test_inputs);
  // Terms of z^ of the input, which its products and sums round a few times.
  const auto terms = [](double z, double at) {
    return 0.1 + 0.7 * std::abs(z) + 0.2 * std::abs(at);
  };
  const double rounding = gamma(8, torch::kDouble);
  const auto largest = [](const torch::Tensor& of) { return of.abs().max().item<double>(); };
  const double most = terms(largest(levels.back().z_noisy) + 0.01, largest(levels.back().u));
  const auto curves = apps::denoising_curves(levels);
  CHECK(curves.size() >= 10);
  CHECK(curves.size() <= 12);
  int inputs = 0;
  for (const auto& curve : curves) {
    REQUIRE(curve.z_hat.size() == 5);
    REQUIRE(curve.u.size() == 5);
    REQUIRE(curve.z_noisy.size() == curve.z_hat[0].size());
    CHECK(std::is_sorted(curve.u.begin(), curve.u.end()));
    CHECK(curve.low < curve.high);
    CHECK(curve.means.size() == 5);
    CHECK(curve.means_at.size() == curve.means[0].size());
    if (curve.level != 0) continue;  // others are rescaled
    ++inputs;
    // The mean of 1000 differences of two of them, over .02.
    CHECK(std::abs(curve.slope - 0.7) <=
          2 * rounding * most / 0.02 + 0.7 * gamma(1003, torch::kDouble));
    for (size_t band = 0; band < 5; ++band) {
      for (size_t i = 0; i < curve.z_noisy.size(); ++i) {
        const double z = curve.z_noisy[i], at = curve.u[band];
        CHECK(std::abs(curve.z_hat[band][i] - (0.1 + 0.7 * z + 0.2 * at)) <=
              rounding * terms(z, at));
      }
    }
    // Of 1000 rows in order the picture begins before the third and ends behind the third last.
    double shares = 0;
    for (const double share : curve.noisy_shares) shares += share;
    CHECK(std::abs(shares - 0.996) <= gamma(31, torch::kDouble));
  }
  CHECK(inputs == 3);
}

TEST_CASE("reconstructions: undo what images became as inputs", "[apps]") {
  auto net = convolutional_network(0.2, linear_combinators());
  set_linear_combinators(net);
  const auto pixels = random_images(40);
  exports::ImageInputs image{
      .channels = 1, .height = 8, .width = 8, .mean = {0.5}, .scale = {0.25}};
  const auto inputs = (pixels - 0.5) / 0.25;
  const auto levels = apps::denoised_levels(net, inputs);
  const auto images = apps::reconstructions(levels, image, 7);
  REQUIRE(images);
  REQUIRE(images->clean.sizes() == at::IntArrayRef({7, 1, 8, 8}));
  // Two sums are rounded; the scale is a power of 2.
  require_close(images->clean, pixels.narrow(0, 0, 7), roundings(2, torch::kFloat, 1.0));
  CHECK_FALSE(torch::allclose(images->noisy, images->clean, 0, 0.01));
  for (const auto& part : {images->noisy, images->reconstructed}) {
    CHECK(part.min().item<double>() >= 0);
    CHECK(part.max().item<double>() <= 1);
  }
  // z^ of the top of the picture, from its formula.
  const auto& input = levels.back();
  const double z = input.z_noisy[0][0].item<double>(), u = input.u[0][0].item<double>();
  const double z_hat = 0.1 + 0.7 * z + 0.2 * u;
  const double terms = (0.1 + 0.7 * std::abs(z) + 0.2 * std::abs(u)) * 0.25 + 0.5;
  // Three weights, two products and three sums are rounded.
  CHECK(std::abs(images->reconstructed[0][0][0][0].item<double>() -
                 std::clamp(z_hat * 0.25 + 0.5, 0.0, 1.0)) <= gamma(8, torch::kFloat) * terms);
  auto gamma = small_ladder(1, {0, 0, 0, 1});
  CHECK_FALSE(apps::reconstructions(apps::denoised_levels(gamma, blobs().test_inputs),
                                    {.channels = 1, .height = 3, .width = 4, .flat = true}));
}

TEST_CASE("top_layer_picture: projects on the principal components", "[apps]") {
  const auto data = blobs(300, 9, torch::kDouble);
  auto net = small_ladder();
  net->to(torch::kDouble);
  net->calibrate(data.training.inputs);
  std::vector<bool> labeled(300, false);
  for (size_t row = 0; row < 9; ++row) labeled[row * 30] = true;
  const auto picture = apps::top_layer_picture(net, data.test_inputs, labeled);
  REQUIRE(picture.x.size() == 300);
  CHECK(picture.level == 2);
  CHECK(picture.units == 8);
  CHECK(std::count(picture.labeled.begin(), picture.labeled.end(), true) == 9);
  CHECK(picture.labeled[0]);  // labeled rows first

  // By the singular values of the same rows.
  const torch::NoGradGuard no_grad;
  net->eval();
  auto h = data.test_inputs;
  const auto pass = Pass::clean(300, Statistics::kStored);
  for (size_t l = 0; l < 2; ++l) h = net->stages[l]->forward(h, pass).h;
  h = h.to(torch::kDouble);
  h = h - h.mean(0, true);
  const auto [u, s, v] = torch::linalg_svd(h, false);
  const auto squares = s.square();
  // Sums over 300 rows of 8 units, after two layers of at most 16 inputs.
  const double bound = ladder::testing::gamma(300 * 8 + 100, torch::kDouble);
  CHECK(picture.share ==
        Approx((squares.narrow(0, 0, 2).sum() / squares.sum()).item<double>()).epsilon(bound));
  const auto points = torch::tensor(picture.x, torch::kDouble);
  CHECK(points.square().sum().item<double>() == Approx(squares[0].item<double>()).epsilon(bound));
  const auto again = apps::top_layer_picture(net, data.test_inputs, labeled);
  CHECK(again.x == picture.x);
  CHECK(again.y == picture.y);
  CHECK(error_text([&] { apps::top_layer_picture(net, data.test_inputs, {true}); }) ==
        "top_layer_picture: expected labeled to be empty or to have 300 elements but got 1.");
}

TEST_CASE("unsure_rows: begin with the least certain prediction", "[apps]") {
  const auto p = torch::tensor({{0.9, 0.1, 0.0}, {0.3, 0.3, 0.4}, {0.2, 0.6, 0.2}});
  const auto rows = apps::unsure_rows(p, torch::tensor({0, -1, 2}, torch::kInt64), {"a", "b", "c"},
                                      {"first", "", "third"}, {}, 2);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].name == "row 2");
  CHECK(rows[0].label.empty());
  REQUIRE(rows[0].top.size() == 3);
  CHECK(rows[0].top[0].first == "c");
  CHECK(rows[0].top[0].second == Approx(0.4));
  CHECK(rows[1].name == "third");
  CHECK(rows[1].label == "c");
  CHECK(rows[1].top[0].first == "b");
  CHECK_FALSE(rows[1].picture.defined());
  CHECK(apps::unsure_rows(p, {}, {"a", "b", "c"}).size() == 3);
}

TEST_CASE("measure_predictions: fills in outcome, metrics and the baseline of the majority",
          "[apps]") {
  const auto data = blobs();
  auto net = small_ladder();
  net->calibrate(data.training.inputs);
  apps::ReportData report;
  report.classes = {"red", "green", "blue"};
  report.runs = {{.name = "seed 1"}};
  auto labels = data.test_labels.clone();
  labels.narrow(0, 0, 90).fill_(1);
  labels.narrow(0, 290, 10).fill_(-1);
  apps::measure_predictions(report, net, {.inputs = data.test_inputs, .labels = labels});
  REQUIRE(report.metrics);
  CHECK(report.metrics->error == Approx(train::error_rate(net, data.test_inputs, labels)));
  CHECK(report.runs[0].rows == 290);
  CHECK(report.runs[0].wrong == report.metrics->wrong);
  const auto greens = labels.eq(1).sum().item<int64_t>();
  CHECK(report.baselines.majority.value() == Approx(100 * (1 - static_cast<double>(greens) / 290)));
  CHECK(report.baselines.majority_class == "green");
  CHECK(report.unsure.size() == 12);
  apps::measure_learned(report, net, data.test_inputs);
  CHECK_FALSE(report.denoising.empty());
  CHECK(report.denoising.front().level == 0);
  CHECK(report.top_layer.has_value());
  CHECK_FALSE(report.reconstructions.has_value());
}

TEST_CASE("reported_columns: say what became of each column", "[apps]") {
  data::Table table{.rows = 4};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  table.columns = {{.name = "size", .numbers = {1, nan, 3, 5}},
                   {.name = "fixed", .numbers = {2, 2, 2, 2}},
                   {.name = "color",
                    .kind = data::ColumnKind::kText,
                    .codes = {0, 1, -1, 0},
                    .levels = {"red", "blue"}},
                   {.name = "label",
                    .kind = data::ColumnKind::kText,
                    .codes = {0, 1, 0, 1},
                    .levels = {"yes", "no"}}};
  const auto features = data::fit_features(table, {"label"});
  const auto columns = apps::reported_columns(table, features, {"label"});
  REQUIRE(columns.size() == 3);
  CHECK(columns[0].name == "size");
  CHECK(columns[0].kind == "number");
  CHECK(columns[0].missing == 1);
  CHECK(columns[0].inputs == 2);
  CHECK(columns[0].summary.starts_with("mean 3, standard deviation "));
  CHECK(columns[1].inputs == 0);
  CHECK_FALSE(columns[1].dropped.empty());
  CHECK(columns[2].kind == "text");
  CHECK(columns[2].missing == 1);
  CHECK(columns[2].summary.starts_with("2 levels"));
}
