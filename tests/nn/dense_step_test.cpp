#include "ladder/nn/internal/dense_step.h"

#include <torch/torch.h>

#include <functional>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "ladder/nn/combinators/gaussian_combinator.h"
#include "ladder/nn/combinators/vanilla_combinator.h"
#include "ladder/nn/maps/dense_map.h"
#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/nn/stages/noisy_stage.h"
#include "ladder/ops/noise.h"
#include "ladder/ops/product.h"
#include "ladder/train/objective.h"
#include "ladder/train/pieces/pseudo_labels.h"
#include "ladder/train/pieces/row_projection.h"
#include "ladder/train/scaled_objective.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using namespace ladder;
using namespace ladder::testing;

namespace {

constexpr ops::ProductPlan kLadderPlan{.route = ops::ProductRoute::kLadder};

struct Variant {
  std::vector<double> lambda = {3, 2, 1, 0.5};
  Activation activation = Activation::kRelu;
  bool affine = false;
  bool top_gamma = true;
  double noise_std = 0.3, input_noise = 0.3;
  bool sigmoid_v = false;
  bool detach_targets = false;
};

Ladder dense_ladder(const Variant& v) {
  const auto stage = [&](int64_t in, int64_t out, bool top) {
    return NoisyBatchNormLinear(NoisyBatchNormLinearOptions{.in_features = in,
                                                            .out_features = out,
                                                            .noise_std = v.noise_std,
                                                            .activation = v.activation,
                                                            .softmax_top = top,
                                                            .gamma = v.top_gamma,
                                                            .affine = v.affine});
  };
  Ladder net(LadderOptions{.input_shape = {20},
                           .lambda = v.lambda,
                           .input_noise = v.input_noise,
                           .combinator =
                               [&](int64_t channels) {
                                 return GaussianCombinator(GaussianCombinatorOptions{
                                     .channels = channels, .sigmoid_v = v.sigmoid_v});
                               },
                           .detach_targets = v.detach_targets},
             Stages{stage(20, 33, false), stage(33, 16, false), stage(16, 5, true)});
  reset_parameters(*net, 3);
  // Away from initial values, where many gradients are 0.
  uint64_t seed = 100;
  const torch::NoGradGuard no_grad;
  for (auto& parameter : net->parameters()) {
    const auto numbers =
        ops::standard_normal(NoiseDraw{seed++, 0, {}}, 1, parameter.numel(), torch::kFloat);
    parameter.add_(0.1 * numbers.view(parameter.sizes()));
  }
  return net;
}

SemiBatch dense_batch(int64_t labeled = 12, int64_t unlabeled = 18) {
  const auto x = ops::standard_normal(NoiseDraw{5, 0, {}}, labeled + unlabeled, 20, torch::kFloat);
  return {x.narrow(0, 0, labeled).contiguous(), torch::arange(labeled).remainder(5),
          x.narrow(0, labeled, unlabeled).contiguous()};
}

struct Outcome {
  std::vector<torch::Tensor> costs = {}, gradients = {};
  uint64_t offset = 0;  // of the noise afterwards
};

std::vector<torch::Tensor> take_gradients(torch::nn::Module& net) {
  std::vector<torch::Tensor> all;
  for (auto& parameter : net.parameters()) {
    all.push_back(parameter.grad().defined() ? parameter.grad().clone() : torch::Tensor());
    parameter.mutable_grad().reset();
  }
  return all;
}

Outcome by_autograd(train::Objective& objective, const SemiBatch& batch) {
  NoiseSource noise(7);
  auto step = objective.loss(batch, noise);
  step.total.backward();
  Outcome outcome{.costs = step.costs, .offset = noise.offset()};
  outcome.costs.push_back(step.total);
  for (auto& cost : outcome.costs) cost = cost.detach();
  outcome.gradients = take_gradients(objective.module());
  return outcome;
}

void require_same_step(train::Objective& direct, train::Objective& plain, const SemiBatch& batch) {
  const auto expected = by_autograd(plain, batch);
  NoiseSource noise(7);
  // `ready` is called once for each parameter, with the gradient that it holds in the end.
  std::map<const void*, torch::Tensor> told;
  const auto costs = direct.direct_step(
      batch, noise, [&](const torch::Tensor& parameter, const torch::Tensor& gradient) {
        REQUIRE(told.emplace(parameter.unsafeGetTensorImpl(), gradient.clone()).second);
      });
  REQUIRE(costs.defined());
  require_equal(costs, torch::stack(expected.costs));
  for (const auto& parameter : direct.module().parameters()) {
    const auto found = told.find(parameter.unsafeGetTensorImpl());
    REQUIRE((found != told.end()) == parameter.grad().defined());
    if (found != told.end()) require_equal(found->second, parameter.grad());
  }
  REQUIRE(noise.offset() == expected.offset);
  const auto gradients = take_gradients(direct.module());
  const auto names = direct.module().named_parameters().keys();
  for (size_t i = 0; i < gradients.size(); ++i) {
    INFO(names[i]);
    REQUIRE(gradients[i].defined() == expected.gradients[i].defined());
    if (gradients[i].defined()) require_equal(gradients[i], expected.gradients[i]);
  }
}

}  // namespace

TEST_CASE("DenseStep gives the bits of autograd", "[nn][grad]") {
  const ops::ProductScope products(kLadderPlan);
  const auto variant = GENERATE(
      values<Variant>({{},
                       {.lambda = {0, 0, 0, 1}},
                       {.lambda = {1, 0, 0, 0}},
                       {.lambda = {0, 2, 0, 0.5}},
                       {.lambda = {}},
                       {.lambda = {}, .affine = true},
                       {.activation = Activation::kLeakyRelu, .noise_std = 0},
                       {.activation = Activation::kTanh, .affine = true},
                       {.lambda = {}, .activation = Activation::kGelu},
                       {.activation = Activation::kGelu, .input_noise = 0, .sigmoid_v = true},
                       {.top_gamma = false},
                       {.detach_targets = true},
                       {.lambda = {0, 0, 0, 1}, .detach_targets = true},
                       {.lambda = {1, 0, 0, 0}, .detach_targets = true},
                       {.lambda = {}, .detach_targets = true}}));
  auto net = dense_ladder(variant);
  const auto objective = train::objective(net);
  require_same_step(*objective, *objective, dense_batch());
  require_same_step(*objective, *objective, dense_batch());  // on memory that is there
  require_same_step(*objective, *objective, dense_batch(3, 40));
  // More rows than go by columns.
  if (!variant.detach_targets) require_same_step(*objective, *objective, dense_batch(900, 700));
}

TEST_CASE("DenseStep follows options and parameters that change between steps", "[nn][grad]") {
  const ops::ProductScope products(kLadderPlan);
  auto net = dense_ladder({});
  const auto objective = train::objective(net);
  require_same_step(*objective, *objective, dense_batch());
  net->options.lambda = {1, 0, 7, 0};
  net->options.input_noise = 0.1;
  dynamic_cast<NoisyBatchNormLinearImpl&>(*net->stages[1].module())
      .normalization->options.noise_std = 0;
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : net->parameters()) parameter.mul_(1.1);
  }
  require_same_step(*objective, *objective, dense_batch());
}

TEST_CASE("DenseStep multiplies by the plan in use", "[nn][grad]") {
  auto net = dense_ladder({});
  const auto objective = train::objective(net);
  const ops::ProductScope products(
      {.precision = ops::ProductPrecision::kBFloat16, .route = ops::ProductRoute::kLadder});
  require_same_step(*objective, *objective, dense_batch());
}

TEST_CASE("DenseStep with scaled lambda gives the bits of autograd over several steps",
          "[nn][grad]") {
  const ops::ProductScope products(kLadderPlan);
  auto net = dense_ladder({});
  const train::ScaledObjectiveOptions options{.weights = {10, 1, 0.03, 0.03}};
  const auto direct = train::scaled_objective(net, options);
  const auto plain = train::scaled_objective(net, options);
  for (int step = 0; step < 3; ++step) require_same_step(*direct, *plain, dense_batch());
}

TEST_CASE("DenseStep takes given noise", "[nn][grad]") {
  const ops::ProductScope products(kLadderPlan);
  auto net = dense_ladder({});
  const auto draws = [] {
    std::vector<torch::Tensor> all;
    for (const int64_t columns : {20, 33, 16, 5}) {
      all.push_back(ops::standard_normal(NoiseDraw{9, 0, {}}, 30, columns, torch::kDouble));
    }
    return NoiseSource::replay(all);
  };
  auto first = draws(), second = draws();
  auto loss = net->loss(dense_batch(), first);
  const auto step = DenseStep::of(net);
  REQUIRE(step->forward(dense_batch(), second));
  REQUIRE(step->supervised() == loss.supervised.item<float>());
  for (int64_t l = 0; l < 4; ++l) {
    require_equal(step->denoising()[l], loss.denoising[static_cast<size_t>(l)].detach());
  }
}

TEST_CASE("DenseStep gives the same bits on any number of threads", "[nn][threads]") {
  const ops::ProductScope products(kLadderPlan);
  auto net = dense_ladder({});
  const auto objective = train::objective(net);
  // Rows enough for a second thread, first those that go by columns, then those that do not.
  for (const auto& batch : {dense_batch(400, 800), dense_batch(900, 700)}) {
    check_same_on_threads([&] {
      NoiseSource noise(7);
      REQUIRE(objective->direct_step(batch, noise).defined());
      return take_gradients(*net);
    });
  }
}

TEST_CASE("DenseStep leaves to autograd what it cannot do, and draws no noise", "[nn]") {
  const auto leaves = [](Ladder net, const SemiBatch& batch) {
    const auto objective = train::objective(net);
    NoiseSource noise(7);
    const bool left = !objective->direct_step(batch, noise).defined();
    return left && noise.offset() == 0 && !net->parameters().front().grad().defined();
  };
  // Whether the step is left, of a network that was changed before the first step or after it.
  const auto changed = [&](const std::function<void(Ladder&)>& change) {
    auto net = dense_ladder({});
    change(net);
    const bool left = leaves(net, dense_batch());
    auto stepped = dense_ladder({});
    const auto objective = train::objective(stepped);
    NoiseSource noise(7), again(7);
    REQUIRE(objective->direct_step(dense_batch(), noise).defined());
    take_gradients(*stepped);
    change(stepped);
    const bool left_later = !objective->direct_step(dense_batch(), again).defined();
    CHECK(left_later == left);
    CHECK(
        (!left_later || (again.offset() == 0 && !stepped->parameters().front().grad().defined())));
    return left;
  };
  const auto stage = [](Ladder& net) -> NoisyBatchNormLinearImpl& {
    return dynamic_cast<NoisyBatchNormLinearImpl&>(*net->stages[1].module());
  };
  const auto vertical = [](Ladder& net) -> DenseMapImpl& {
    return dynamic_cast<DenseMapImpl&>(*net->decoder->named_modules()["verticals.1"]);
  };
  {
    const ops::ProductScope other({.route = ops::ProductRoute::kAten});
    CHECK(leaves(dense_ladder({}), dense_batch()));
  }
  const ops::ProductScope products(kLadderPlan);
  CHECK_FALSE(changed([](Ladder&) {}));
  {
    const auto detached = [] { return dense_ladder({.detach_targets = true}); };
    CHECK(leaves(detached(), dense_batch(3, 4)));
    CHECK_FALSE(leaves(detached(), dense_batch(3, 5)));
    CHECK_FALSE(leaves(detached(), dense_batch(648, 700)));
    CHECK(leaves(detached(), dense_batch(649, 700)));
  }
  CHECK(changed([](Ladder& net) { net->options.lambda[0] = 0; }));  // the lowest of its decoder
  CHECK(changed([](Ladder& net) { net->to(torch::kDouble); }));
  CHECK(changed([](Ladder& net) { net->parameters()[2].set_requires_grad(false); }));
  CHECK(changed([](Ladder& net) {
    net->parameters()[2].register_hook([](const torch::Tensor& grad) { return 2 * grad; });
  }));
  CHECK(changed([](Ladder& net) {
    dynamic_cast<NoisyBatchNormLinearImpl&>(*net->stages[1].module()).options.leaky_slope = 0.3;
  }));
  CHECK_FALSE(changed([&](Ladder& net) { stage(net).normalization->options.noise_std = 0.2; }));
  CHECK(changed([&](Ladder& net) { stage(net).normalization->options.gamma = true; }));
  CHECK(changed([&](Ladder& net) { stage(net).normalization->options.beta = false; }));
  CHECK(changed([&](Ladder& net) { vertical(net).options.in_features = 17; }));
  CHECK(changed([&](Ladder& net) { vertical(net).options.out_shape = {3, 11}; }));
  CHECK(changed([](Ladder& net) {  // with a lambda that the decoder of before and after reaches
    net->decoder->options.lowest_level = 1;
    net->options.lambda[0] = 0;
  }));
  {
    auto net = dense_ladder({});
    const auto objective = train::objective(net);
    NoiseSource noise(7);
    net->parameters()[1].mutable_grad() = torch::ones_like(net->parameters()[1]);
    CHECK_FALSE(objective->direct_step(dense_batch(), noise).defined());
  }
  auto batch = dense_batch();
  batch.y[3] = 5;
  CHECK(leaves(dense_ladder({}), batch));
  CHECK(leaves(dense_ladder({}), {dense_batch().x_labeled, dense_batch().y, {}}));
  CHECK(leaves(dense_ladder({}), dense_batch(1, 18)));
  Ladder vanilla(
      LadderOptions{.input_shape = {20},
                    .lambda = {1, 1},
                    .combinator =
                        [](int64_t channels) {
                          return VanillaCombinator(VanillaCombinatorOptions{.channels = channels});
                        }},
      Stages{NoisyBatchNormLinear(
          NoisyBatchNormLinearOptions{.in_features = 20, .out_features = 5, .softmax_top = true})});
  CHECK(leaves(vanilla, dense_batch()));
}

TEST_CASE("DenseStep leaves other parameters than those it was made with to autograd", "[nn]") {
  const ops::ProductScope products(kLadderPlan);
  const auto other = [](const torch::Tensor& parameter) {
    return (parameter.detach() * 2 + 1).requires_grad_();
  };
  const std::vector<std::function<void(Ladder&)>> changes = {
      [&](Ladder& net) {
        auto& stage = dynamic_cast<NoisyBatchNormLinearImpl&>(*net->stages[1].module());
        stage.normalization->beta = other(stage.normalization->beta);
      },
      [&](Ladder& net) {
        auto& stage = dynamic_cast<NoisyBatchNormLinearImpl&>(*net->stages[2].module());
        stage.normalization->gamma = other(stage.normalization->gamma);
      },
      [&](Ladder& net) {
        auto& map = dynamic_cast<DenseMapImpl&>(*net->decoder->named_modules()["verticals.1"]);
        map.weight = other(map.weight);
      },
      [&](Ladder& net) {
        auto& stage = dynamic_cast<NoisyBatchNormLinearImpl&>(*net->stages[1].module());
        auto options = stage.normalization->options;
        options.noise_std = 0.1;
        stage.normalization = NoisyNormalization(options);
      },
      [&](Ladder& net) {
        auto& stage = dynamic_cast<NoisyBatchNormLinearImpl&>(*net->stages[1].module());
        auto options = stage.normalization->options;
        options.activation = Activation::kTanh;
        stage.normalization = NoisyNormalization(options);
      },
      [&](Ladder& net) { net->decoder = dense_ladder({})->decoder; }};
  for (size_t i = 0; i < changes.size(); ++i) {
    INFO("change " << i);
    auto net = dense_ladder({});
    const auto step = DenseStep::of(net);
    REQUIRE(step);
    NoiseSource before(7), after(7);
    REQUIRE(step->forward(dense_batch(), before));
    changes[i](net);
    CHECK_FALSE(step->forward(dense_batch(), after));
    CHECK(after.offset() == 0);
  }
}

TEST_CASE("DenseStep gives up the gradients of a step that `ready` ends", "[nn][grad]") {
  const ops::ProductScope products(kLadderPlan);
  auto net = dense_ladder({});
  const auto objective = train::objective(net);
  for (const int last : {1, 4, 9}) {
    INFO("ends at gradient " << last);
    NoiseSource noise(7);
    int count = 0;
    CHECK_THROWS_WITH(objective->direct_step(dense_batch(), noise,
                                             [&](const torch::Tensor&, const torch::Tensor&) {
                                               if (++count == last)
                                                 throw std::runtime_error("a rank is gone");
                                             }),
                      Catch::Contains("a rank is gone"));
    for (const auto& parameter : net->parameters()) CHECK_FALSE(parameter.grad().defined());
    require_same_step(*objective, *objective, dense_batch());  // the next step is as ever
  }
}

TEST_CASE("DenseStep refuses the options that Ladder::loss refuses", "[nn]") {
  const ops::ProductScope products(kLadderPlan);
  const std::vector<std::function<void(LadderOptions&)>> changes = {
      [](auto& options) {
        options.lambda = {1, 2};
      },
      [](auto& options) { options.lambda[1] = -1; }, [](auto& options) { options.lambda.clear(); },
      [](auto& options) { options.input_noise = NAN; },
      [](auto& options) { options.input_shape = {21}; }};
  for (const auto& change : changes) {
    auto net = dense_ladder({});
    change(net->options);
    const auto objective = train::objective(net);
    NoiseSource noise(7);
    const auto refused = error_text([&] { net->loss(dense_batch(), noise); });
    CHECK(refused != "(no error)");
    CHECK(error_text([&] { objective->direct_step(dense_batch(), noise); }) == refused);
    CHECK(noise.offset() == 0);
  }
}

TEST_CASE("DenseStep refuses the rows that Ladder::loss refuses, and writes no gradient", "[nn]") {
  const ops::ProductScope products(kLadderPlan);
  for (const auto& lambda : {std::vector<double>{3, 2, 1, 0.5}, {1, 0, 0, 0}, {0, 0, 0, 1}, {}}) {
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      for (const bool labeled : {true, false}) {
        if (!labeled && lambda.empty()) continue;  // unlabeled rows are not read
        INFO(lambda.size() << " values of lambda, " << value << ", labeled " << labeled);
        auto net = dense_ladder({.lambda = lambda});
        const auto objective = train::objective(net);
        const auto batch = dense_batch();
        (labeled ? batch.x_labeled : batch.x_unlabeled)[7][2] = value;
        std::vector<torch::Tensor> before;
        for (const auto& parameter : net->parameters()) before.push_back(parameter.clone());
        NoiseSource noise(7), again(7);
        const auto refused = error_text([&] { net->loss(batch, noise); });
        CHECK(refused.find("to hold finite numbers but got") != std::string::npos);
        CHECK(error_text([&] { objective->direct_step(batch, again); }) == refused);
        for (size_t i = 0; i < before.size(); ++i) {
          CHECK(torch::equal(net->parameters()[i], before[i]));
          CHECK_FALSE(net->parameters()[i].grad().defined());
        }
        // The next step is as ever.
        require_same_step(*objective, *objective, dense_batch());
      }
    }
  }
}

TEST_CASE("DenseStep counts classes by their weights", "[nn][grad]") {
  const ops::ProductScope products(kLadderPlan);
  auto net = dense_ladder({});
  const train::ScaledObjectiveOptions options{.weights = {10, 1, 0.03, 0.03},
                                              .class_weights = {1, 0.5, 2, 1.5, 0.25}};
  const auto direct = train::scaled_objective(net, options);
  const auto plain = train::scaled_objective(net, options);
  for (int step = 0; step < 2; ++step) require_same_step(*direct, *plain, dense_batch());
}

namespace {

// A cost of everything that a piece may use: logits, denoising costs, their weights, a parameter.
struct OfEverything : train::ObjectivePiece {
  explicit OfEverything(torch::Tensor parameter) : weight(std::move(parameter)) {}
  std::string name() const override { return "of everything"; }
  bool has_cost() const override { return true; }
  torch::Tensor cost(const train::StepValues& values) override {
    auto cost = 0.01 * weight.square().sum() + values.logits.square().mean();
    if (values.unlabeled_logits.defined()) cost = cost + values.unlabeled_logits.abs().mean();
    if (values.clean_logits.defined()) cost = cost + values.clean_logits.square().mean();
    for (size_t level = 0; level < values.denoising.size(); ++level) {
      if (!values.denoising[level].defined()) continue;
      cost = cost + 0.5 * values.lambda[level] * values.denoising[level];
    }
    return cost;
  }
  torch::Tensor weight;
};

struct OfLabeledLogits : train::ObjectivePiece {
  std::string name() const override { return "of labeled logits"; }
  bool has_cost() const override { return true; }
  torch::Tensor cost(const train::StepValues& values) override {
    return values.logits.square().mean();
  }
};

std::shared_ptr<train::ObjectivePiece> sure_predictions() {
  auto piece = train::pseudo_labels({.threshold = 0.2, .from = 0, .to = 0.5});
  piece->before_step({.step = 8, .steps_per_epoch = 10, .steps = 10});
  return piece;
}

}  // namespace

TEST_CASE("DenseStep adds the costs of pieces", "[nn][grad]") {
  const ops::ProductScope products(kLadderPlan);
  const bool detached = GENERATE(false, true);
  auto net = dense_ladder({.detach_targets = detached});
  const auto weight = net->parameters().front();

  SECTION("pseudo-labels") {
    const auto objective = train::with_pieces(train::objective(net), {sure_predictions()});
    require_same_step(*objective, *objective, dense_batch());
  }
  SECTION("a cost of all values, and of a parameter") {
    const auto objective =
        train::with_pieces(train::objective(net), {std::make_shared<OfEverything>(weight)});
    require_same_step(*objective, *objective, dense_batch());
  }
  SECTION("with scaled lambda") {
    const train::ScaledObjectiveOptions options{.weights = {10, 1, 0.03, 0.03}};
    const auto objective = [&] {
      return train::with_pieces(train::scaled_objective(net, options), {sure_predictions()});
    };
    const auto direct = objective(), plain = objective();
    for (int step = 0; step < 2; ++step) require_same_step(*direct, *plain, dense_batch());
  }
  SECTION("without clean rows, and without unlabeled ones") {
    for (const auto& lambda : {std::vector<double>{1, 0, 0, 0}, std::vector<double>{}}) {
      auto other = dense_ladder({.lambda = lambda});
      const auto objective = train::with_pieces(
          train::objective(other), {std::make_shared<OfEverything>(other->parameters().front())});
      require_same_step(*objective, *objective, dense_batch());
    }
  }
  SECTION("of objectives in objectives") {
    const auto inner = train::with_pieces(train::objective(net), {sure_predictions()});
    const auto objective = train::with_pieces(
        inner, {train::row_projection(*net), std::make_shared<OfLabeledLogits>()});
    require_same_step(*objective, *objective, dense_batch());
  }
}
