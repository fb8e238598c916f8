#include "ladder/nn/ladder.h"

#include <torch/torch.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <sstream>
#include <utility>
#include <vector>

#include "ladder/nn/stages/noisy_batch_norm_linear.h"
#include "ladder/nn/stages/noisy_stage.h"
#include "ladder/ops/convolve.h"
#include "ladder/ops/corrupt.h"
#include "tests/nn/feature_maps.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/networks.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"

using namespace ladder;  // NOLINT
using ladder::testing::conv;
using ladder::testing::error_text;
using ladder::testing::excess;
using ladder::testing::global_pool;
using ladder::testing::loss_of;
using ladder::testing::max_pool;
using ladder::testing::mean_pool;
using ladder::testing::require_close;
using ladder::testing::require_gradient;
using ladder::testing::require_rounded;
using ladder::testing::rounding_of;
using ladder::testing::roundings;
using ladder::testing::rows_of;
using ladder::testing::Shape;
using ladder::testing::vanilla;

namespace {

Ladder small(std::vector<double> lambda, CombinatorFactory combinator = {}) {
  const auto stage = [](int64_t in, int64_t out, bool top) {
    return NoisyBatchNormLinear(NoisyBatchNormLinearOptions{.in_features = in,
                                                            .out_features = out,
                                                            .activation = Activation::kTanh,
                                                            .softmax_top = top});
  };
  return Ladder(
      LadderOptions{
          .input_shape = {6}, .lambda = std::move(lambda), .combinator = std::move(combinator)},
      Stages{stage(6, 5, false), stage(5, 4, false), stage(4, 3, true)});
}

SemiBatch batch(torch::Dtype dtype = torch::kFloat) {
  torch::manual_seed(11);
  return {torch::rand({4, 6}, dtype), torch::tensor({0, 2, 1, 2}), torch::rand({7, 6}, dtype)};
}

}  // namespace

TEST_CASE("Ladder total is the weighted sum of its costs", "[nn]") {
  auto net = small({3, 2, 0, 0.5}, vanilla());
  const auto loss = loss_of(net, batch());
  CHECK_FALSE(loss.denoising[2].defined());
  require_close(
      loss.total,
      loss.supervised + 3 * loss.denoising[0] + 2 * loss.denoising[1] + 0.5 * loss.denoising[3],
      roundings(8, torch::kFloat));  // of terms that are all above 0
  CHECK(loss.logits.sizes() == at::IntArrayRef({4, 3}));
}

TEST_CASE("Ladder follows weights that change between steps, and another dtype", "[nn]") {
  auto net = small({1, 1, 1, 1});
  const auto first = loss_of(net, batch());
  net->options.lambda = {5, 1, 0.5, 2};
  const auto second = loss_of(net, batch());
  require_close(second.total,
                first.supervised + 5 * first.denoising[0] + first.denoising[1] +
                    0.5 * first.denoising[2] + 2 * first.denoising[3],
                roundings(8, torch::kFloat));
  net->to(torch::kDouble);
  const auto in_double = loss_of(net, batch(torch::kDouble));
  CHECK(in_double.total.scalar_type() == torch::kDouble);
  require_close(in_double.total,
                in_double.supervised + 5 * in_double.denoising[0] + in_double.denoising[1] +
                    0.5 * in_double.denoising[2] + 2 * in_double.denoising[3],
                roundings(8, torch::kDouble));
}

TEST_CASE("Ladder gradient of the whole network passes central differences", "[nn][grad]") {
  torch::manual_seed(1);
  auto net = small({3, 2, 1, 0.5}, vanilla());
  net->to(torch::kDouble);
  {
    const torch::NoGradGuard no_grad;
    for (auto& parameter : net->parameters()) {
      parameter.add_(0.3 * torch::randn_like(parameter));
    }
  }
  const auto b = batch(torch::kDouble);
  require_gradient([&](const std::vector<torch::Tensor>&) { return loss_of(net, b).total; },
                   net->parameters());
}

TEST_CASE("Ladder with detached targets has the same costs, and no gradient through targets",
          "[nn][grad]") {
  torch::manual_seed(3);
  auto net = small({3, 2, 0, 0.5}, vanilla());
  net->to(torch::kDouble);
  auto b = batch(torch::kDouble);
  const auto gradients = [&](const torch::Tensor& cost) {
    return torch::autograd::grad({cost}, net->parameters(), {}, /*retain_graph=*/true);
  };
  const auto flowing = loss_of(net, b);
  net->options.detach_targets = true;
  const auto detached = loss_of(net, b);
  const auto ours = gradients(detached.total);
  // Products of other numbers of rows round otherwise, and the normalisation of few rows enlarges
  // that: both sides are as far from the exact result as the expression lets them.
  const auto bounds = rounding_of(
      [&] {
        const auto loss = loss_of(net, b);
        std::vector<torch::Tensor> results = {loss.total, loss.clean_logits};
        for (const auto& gradient : gradients(loss.total)) results.push_back(gradient);
        return results;
      },
      torch::kDouble);
  require_close(detached.total, flowing.total, bounds[0] * 2);
  require_close(detached.clean_logits, flowing.clean_logits, bounds[1] * 2);
  CHECK_FALSE(detached.clean_logits.requires_grad());

  // The step by hand: noisy rows with gradients, clean rows without.
  NoiseSource noise(1);
  auto pass = Pass::training(4, 7, /*clean=*/false, noise);
  Pass clean{.groups = {{7, false, RowRole::kUnlabeledClean}}};
  const auto draw = noise.draw(11, 6);
  auto h = ops::stack_corrupted({b.x_labeled, b.x_unlabeled}, {}, 0.3, draw);
  auto h_clean = b.x_unlabeled;
  std::vector<torch::Tensor> z = {h.narrow(0, 4, 7)};
  std::vector<std::optional<ops::DenoisingTarget>> targets = {ops::DenoisingTarget{b.x_unlabeled}};
  for (size_t l = 1; l < 4; ++l) {
    auto output = net->stages[l - 1]->forward(h, pass);
    h = output.h;
    z.push_back(output.z[1]);
    auto of_clean = net->stages[l - 1]->forward(h_clean, clean);
    h_clean = of_clean.h;
    targets.emplace_back();
    if (net->options.lambda[l] > 0) {
      targets[l] = ops::DenoisingTarget{of_clean.z[0].detach(), of_clean.mean[0].detach(),
                                        of_clean.std[0].detach()};
    }
  }
  auto total = torch::cross_entropy_loss(h.narrow(0, 0, 4), b.y);
  const auto decoded = net->decoder->forward(torch::softmax(h.narrow(0, 4, 7), 1), z, targets);
  for (size_t l = 0; l < 4; ++l) {
    if (decoded[l].cost.defined()) total = total + net->options.lambda[l] * decoded[l].cost;
  }
  const auto by_hand = gradients(total);
  const auto through_targets = gradients(flowing.total);
  double largest = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    require_close(ours[i], by_hand[i], bounds[i + 2] * 2);
    largest = std::max(largest, (ours[i] - through_targets[i]).abs().max().item<double>());
  }
  CHECK(largest > 1e-3);
}

TEST_CASE("Ladder lets gradients reach its inputs", "[nn][grad]") {
  torch::manual_seed(2);
  auto net = small({3, 2, 1, 0.5}, vanilla());
  net->to(torch::kDouble);
  auto b = batch(torch::kDouble);
  require_gradient(
      [&](const std::vector<torch::Tensor>& in) {
        return loss_of(net, {in[0], b.y, in[1]}).total;
      },
      {b.x_labeled, b.x_unlabeled});
}

TEST_CASE("Ladder builds no decoder below its lowest lambda and none without any", "[nn]") {
  const auto count = [](const Ladder& net, const std::string& part) {
    int n = 0;
    for (const auto& key : net->named_parameters().keys()) {
      n += key.find(part) != std::string::npos ? 1 : 0;
    }
    return n;
  };
  auto gamma = small({0, 0, 0, 1});
  CHECK(count(gamma, "decoder.") == 1);
  CHECK(count(gamma, "decoder.combinators.3") == 1);
  auto bottom = small({1, 0, 0, 0});
  CHECK(count(bottom, "decoder.verticals") == 3);
  CHECK(count(bottom, "decoder.combinators") == 4);
  auto baseline = small({});
  CHECK_FALSE(baseline->has_decoder());
  CHECK(count(baseline, "decoder.") == 0);
  const auto b = batch();
  CHECK(loss_of(baseline, {b.x_labeled, b.y, {}}).total.defined());
}

namespace {

// A dense top that keeps the groups of its passes.
struct GroupRecorderImpl : torch::nn::Cloneable<GroupRecorderImpl>, Stage {
  GroupRecorderImpl() { reset(); }
  void reset() override {
    inner =
        register_module("inner", NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
                                     .in_features = 6, .out_features = 3, .softmax_top = true}));
  }
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override {
    passes.push_back(pass.groups);
    return inner->forward(h, pass);
  }
  torch::nn::AnyModule make_vertical(at::IntArrayRef in, at::IntArrayRef out) const override {
    return inner->make_vertical(in, out);
  }
  NoisyBatchNormLinear inner{nullptr};
  std::vector<std::vector<RowGroup>> passes;
};
TORCH_MODULE(GroupRecorder);

}  // namespace

TEST_CASE("Ladder runs no rows that no cost needs", "[nn]") {
  // Noise is drawn for the noisy rows of levels 0..3 in whole blocks of four rows.
  const auto blocks = [](std::vector<double> lambda) {
    auto net = small(std::move(lambda));
    NoiseSource noise(1);
    net->loss(batch(), noise);
    return noise.offset();
  };
  CHECK(blocks({1, 1, 1, 1}) == 3 * (6 + 5 + 4 + 3));
  CHECK(blocks({}) == 1 * (6 + 5 + 4 + 3));
  // The groups are [labeled noisy | unlabeled noisy | unlabeled clean].
  const std::vector<RowGroup> all = {{4, true, RowRole::kLabeledNoisy},
                                     {7, true, RowRole::kUnlabeledNoisy},
                                     {7, false, RowRole::kUnlabeledClean}};
  for (const auto& [lambda, count] : {std::pair{std::vector<double>{1, 1}, size_t{3}},
                                      {{0, 1}, size_t{3}},
                                      {{1, 0}, size_t{2}},
                                      {{0, 0}, size_t{1}},
                                      {{}, size_t{1}}}) {
    INFO(count << " groups");
    GroupRecorder recorder;
    Ladder net(LadderOptions{.input_shape = {6}, .lambda = lambda}, Stages{recorder});
    recorder->passes.clear();  // that of the shapes
    loss_of(net, batch());
    REQUIRE(recorder->passes.size() == 1);
    const auto& groups = recorder->passes[0];
    REQUIRE(groups.size() == count);
    for (size_t g = 0; g < count; ++g) {
      CHECK(groups[g].rows == all[g].rows);
      CHECK(groups[g].noisy == all[g].noisy);
      CHECK(groups[g].role == all[g].role);
    }
  }
}

TEST_CASE("Ladder has the type of its stages", "[nn]") {
  const auto stage = [](int64_t in, int64_t out, bool top) {
    NoisyBatchNormLinear made(
        NoisyBatchNormLinearOptions{.in_features = in, .out_features = out, .softmax_top = top});
    made->to(torch::kDouble);
    return made;
  };
  Ladder net(LadderOptions{.input_shape = {6}, .lambda = {1, 1, 1}},
             Stages{stage(6, 5, false), stage(5, 3, true)});
  for (const auto& parameter : net->named_parameters()) {
    INFO(parameter.key());
    CHECK(parameter.value().scalar_type() == torch::kDouble);
  }
  const auto loss = loss_of(net, batch(torch::kDouble));
  CHECK(loss.total.scalar_type() == torch::kDouble);
  CHECK_NOTHROW(loss.total.backward());
}

TEST_CASE("Ladder noise follows its source alone", "[nn]") {
  auto net = small({3, 2, 1, 0.5});
  const auto b = batch();
  torch::manual_seed(1);
  const auto first = loss_of(net, b).total;
  torch::manual_seed(2);
  CHECK(torch::equal(first, loss_of(net, b).total));
  NoiseSource other(2);
  CHECK_FALSE(torch::equal(first, net->loss(b, other).total));
}

TEST_CASE("Ladder gives the same bits on any number of threads", "[nn]") {
  const auto stage = [](int64_t in, int64_t out, bool top) {
    return NoisyBatchNormLinear(
        NoisyBatchNormLinearOptions{.in_features = in, .out_features = out, .softmax_top = top});
  };
  torch::manual_seed(11);
  const SemiBatch rows{torch::rand({20, 300}), torch::arange(20).remainder(10),
                       torch::rand({80, 300})};
  for (const auto& combinator : {CombinatorFactory(), vanilla()}) {
    // A product takes a second thread from 1.3 million multiplications on, a kernel from some
    // 20,000 values on: here they are 180 x 300 x 500, and 180 x 500.
    Ladder net(
        LadderOptions{.input_shape = {300}, .lambda = {3, 2, 1, 0.5}, .combinator = combinator},
        Stages{stage(300, 500, false), stage(500, 400, false), stage(400, 10, true)});
    reset_parameters(*net, 1);
    ladder::testing::check_same_on_threads([&] {
      net->zero_grad();
      const auto loss = loss_of(net, rows);
      loss.total.backward();
      std::vector<torch::Tensor> results = {loss.total.detach()};
      for (const auto& parameter : net->parameters()) {
        REQUIRE(parameter.grad().defined());
        results.push_back(parameter.grad().clone());
      }
      return results;
    });
  }
}

TEST_CASE("Ladder calibrates on a short last batch by joining it to the one before", "[nn]") {
  auto net = small({});
  const auto x = torch::rand({21, 6});
  net->calibrate(x, 10);
  const auto buffers = net->named_buffers();
  CHECK(buffers["stages.0.normalization.batches"].item<int64_t>() == 2);
  auto other = std::dynamic_pointer_cast<LadderImpl>(net->clone());
  other->calibrate(x.narrow(0, 0, 15), 10);
  CHECK(other->named_buffers()["stages.0.normalization.batches"].item<int64_t>() == 2);
  CHECK(net->is_training());
  CHECK_THROWS_WITH(net->calibrate(x.narrow(0, 0, 1)),
                    Catch::Contains("expected at least 2 rows and a batch size of at least 2"));
}

TEST_CASE("Ladder calibrates on batches of at least two rows", "[nn]") {
  torch::manual_seed(14);
  auto net = small({});
  const auto x = torch::rand({9, 6});
  for (int64_t rows = 2; rows <= 9; ++rows) {
    for (int64_t batch_size = 2; batch_size <= 5; ++batch_size) {
      INFO(rows << " rows in batches of " << batch_size);
      std::vector<int64_t> sizes;
      const auto by_batch = [&](int64_t begin, int64_t end) {
        sizes.push_back(end - begin);
        return x.slice(0, begin, end);
      };
      CHECK(error_text([&] { net->calibrate(rows, by_batch, batch_size); }) == "(no error)");
      CHECK(std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) == rows);
      CHECK(*std::min_element(sizes.begin(), sizes.end()) >= 2);
      CHECK(static_cast<size_t>(
                net->named_buffers()["stages.0.normalization.batches"].item<int64_t>()) ==
            sizes.size());
    }
  }
}

TEST_CASE("Ladder in eval mode does not look at the batch it is given", "[nn]") {
  torch::manual_seed(3);
  auto net = small({});
  net->calibrate(torch::rand({50, 6}), 25);
  net->eval();
  const auto x = torch::rand({9, 6});
  const auto all = net->forward(x);
  std::vector<torch::Tensor> alone;
  for (int64_t i = 0; i < 9; ++i) {
    alone.push_back(net->forward(x.narrow(0, i, 1)));
  }
  net->train();
  const auto by_batch = net->forward(x).to(torch::kDouble);
  net->eval();
  net->to(torch::kDouble);
  const auto in_double = [&] { return std::vector{net->forward(x.to(torch::kDouble))}; };
  require_rounded({all}, in_double);
  require_rounded({torch::cat(alone)}, in_double);
  CHECK(excess(by_batch, in_double()[0], rounding_of(in_double, torch::kFloat)[0]) > 0);
}

TEST_CASE("Ladder state survives clone, dtype and save", "[nn]") {
  torch::manual_seed(4);
  auto net = small({3, 2, 1, 0.5}, vanilla());
  net->calibrate(torch::rand({50, 6}), 25);
  const auto b = batch();
  const auto total = loss_of(net, b).total;

  Ladder copy(std::dynamic_pointer_cast<LadderImpl>(net->clone()));
  require_close(loss_of(copy, b).total, total);
  {
    const torch::NoGradGuard no_grad;
    for (auto& p : copy->parameters()) {
      p.add_(1);
    }
  }
  require_close(loss_of(net, b).total, total);

  std::stringstream stream;
  torch::save(net, stream);
  auto loaded = small({3, 2, 1, 0.5}, vanilla());
  torch::load(loaded, stream);
  require_close(loss_of(loaded, b).total, total);
  loaded->eval();
  net->eval();
  require_close(loaded->forward(b.x_unlabeled), net->forward(b.x_unlabeled));

  net->to(torch::kDouble);
  const SemiBatch wide = {b.x_labeled.to(torch::kDouble), b.y, b.x_unlabeled.to(torch::kDouble)};
  require_rounded({total}, [&] { return std::vector{loss_of(net, wide).total}; });
}

TEST_CASE("Ladder clones what a user registered in it", "[nn]") {
  torch::manual_seed(15);
  NoisyStage map(torch::nn::AnyModule(torch::nn::Linear(6, 5)),
                 NoisyStageOptions{.normalization = {.channels = 5}});
  const NoisyBatchNormLinear top(
      NoisyBatchNormLinearOptions{.in_features = 5, .out_features = 3, .softmax_top = true});
  Ladder net(LadderOptions{.input_shape = {6}, .lambda = {1, 1, 1}}, Stages{map, top});
  net->register_buffer("seen", torch::tensor({1, 2}));
  net->register_parameter("scale", torch::rand({3}));
  net->decoder->register_parameter("fixed", torch::rand({3}), /*requires_grad=*/false);
  map->register_buffer("steps", torch::ones({}));
  net->register_module("head", torch::nn::Linear(3, 2))->eval();

  const auto clone = std::dynamic_pointer_cast<LadderImpl>(net->clone());
  REQUIRE(clone);
  const auto same = [](const auto& ours, const auto& theirs) {
    auto names = ours.keys();
    auto others = theirs.keys();
    std::sort(names.begin(), names.end());
    std::sort(others.begin(), others.end());
    REQUIRE(names == others);
    for (const auto& name : names) {
      INFO(name);
      CHECK(torch::equal(ours[name], theirs[name]));
      CHECK(ours[name].requires_grad() == theirs[name].requires_grad());
      CHECK_FALSE(ours[name].is_alias_of(theirs[name]));
    }
  };
  same(clone->named_parameters(), net->named_parameters());
  same(clone->named_buffers(), net->named_buffers());
  CHECK(clone->named_buffers().contains("stages.0.steps"));
  CHECK(clone->is_training());
  CHECK_FALSE(clone->named_children()["head"]->is_training());

  net->unregister_module("head");
  CHECK_NOTHROW(net->clone());
  net->decoder->unregister_module("verticals");
  CHECK_THROWS_WITH(net->clone(), Catch::Contains("clone: expected verticals.0.weight in ") &&
                                      Catch::Contains("which was built with it, but it is gone."));
}

TEST_CASE("Ladder trains over stages of other kinds", "[nn]") {
  torch::manual_seed(5);
  NoisyStage conv(
      torch::nn::AnyModule(torch::nn::Conv1d(torch::nn::Conv1dOptions(1, 4, 3).bias(false))),
      NoisyStageOptions{.normalization = {.channels = 4}});
  NoisyBatchNormLinear top(
      NoisyBatchNormLinearOptions{.in_features = 4 * 8, .out_features = 2, .softmax_top = true});
  Ladder net(LadderOptions{.input_shape = {1, 10}, .lambda = {10, 1, 0.1}}, Stages{conv, top});
  CHECK(net->shapes == std::vector<std::vector<int64_t>>{{1, 10}, {4, 8}, {2}});
  NoiseSource noise(1);
  const SemiBatch b{torch::rand({4, 1, 10}), torch::tensor({0, 1, 1, 0}), torch::rand({6, 1, 10})};
  torch::optim::Adam adam(net->parameters(), 0.01);
  double first = 0;
  double last = 0;
  for (int step = 0; step < 60; ++step) {
    adam.zero_grad();
    const auto loss = net->loss(b, noise);
    loss.total.backward();
    adam.step();
    last = loss.total.item<double>();
    first = step == 0 ? last : first;
  }
  CHECK(last < 0.5 * first);
}

TEST_CASE("Ladder over any mix of convolutional and dense stages has a full decoder", "[nn]") {
  torch::manual_seed(8);
  const auto dense = [](int64_t in, int64_t out, bool top = false) {
    return NoisyBatchNormLinear(
        NoisyBatchNormLinearOptions{.in_features = in, .out_features = out, .softmax_top = top});
  };
  const std::vector<std::pair<Shape, Stages>> networks = {
      {{1, 6, 5},
       {conv(1, 3, 3, Border::kFull), max_pool(3), dense(3 * 4 * 4, 6), dense(6, 3, true)}},
      {{2, 7, 7},
       {conv(2, 3, 3, Border::kSame, 2), conv(3, 4, 1, Border::kValid), mean_pool(4, 3),
        conv(4, 3, 2, Border::kValid), global_pool(3, true)}},
      {{3, 5, 5}, {mean_pool(3), max_pool(3), global_pool(3), dense(3, 4, true)}},
      {{1, 6, 6},
       {conv(1, 8, 5, Border::kValid), conv(8, 3, 1, Border::kValid), global_pool(3, true)}},
  };
  for (size_t n = 0; n < networks.size(); ++n) {
    INFO("network " << n);
    const auto& [row, stages] = networks[n];
    Ladder net(
        LadderOptions{.input_shape = row, .lambda = std::vector<double>(stages.size() + 1, 0.5)},
        stages);
    const auto classes = net->classes();
    const SemiBatch batch{rows_of(row, 6), torch::randint(classes, {6}), rows_of(row, 8)};
    NoiseSource noise(1);
    const auto loss = net->loss(batch, noise);
    loss.total.backward();
    CHECK(std::isfinite(loss.total.item<double>()));
    for (const auto& cost : loss.denoising) {
      CHECK(cost.defined());
    }
    for (const auto& p : net->named_parameters()) {
      INFO(p.key());
      CHECK(p.value().grad().defined());
    }
    net->calibrate(batch.x_unlabeled, 4);
    net->eval();
    const auto logits = net->forward(batch.x_labeled);
    CHECK(logits.sizes() == at::IntArrayRef({6, classes}));
    // Rows count alone: no statistics of the batch.
    const auto alone = net->forward(batch.x_labeled.narrow(0, 2, 1));
    const auto copy = std::dynamic_pointer_cast<LadderImpl>(net->clone());
    require_close(copy->forward(batch.x_labeled), logits);
    net->to(torch::kDouble);
    const auto copy_in_double = std::dynamic_pointer_cast<LadderImpl>(net->clone());
    const auto rows_in_double = batch.x_labeled.to(torch::kDouble);
    CHECK(torch::equal(copy_in_double->forward(rows_in_double), net->forward(rows_in_double)));
    const auto in_double = [&] {
      return std::vector{net->forward(batch.x_labeled.narrow(0, 2, 1).to(torch::kDouble))};
    };
    require_rounded({alone}, in_double);
    require_rounded({logits.narrow(0, 2, 1)}, in_double);
  }
}

TEST_CASE("Ladder draws the input noise of maps in one order, whatever their layout", "[nn]") {
  torch::manual_seed(9);
  Ladder net(LadderOptions{.input_shape = {2, 5, 4}, .lambda = {1, 0.5, 0.1}},
             Stages{conv(2, 3, 3, Border::kValid), global_pool(3, true)});
  const SemiBatch batch{torch::randn({4, 2, 5, 4}), torch::tensor({0, 1, 2, 0}),
                        torch::randn({6, 2, 5, 4})};
  const SemiBatch last{ops::channels_last(batch.x_labeled), batch.y,
                       ops::channels_last(batch.x_unlabeled)};
  NoiseSource noise(1), again(1);
  const auto other = net->loss(last, again).total;
  const auto total = net->loss(batch, noise).total;
  net->to(torch::kDouble);
  const SemiBatch wide{batch.x_labeled.to(torch::kDouble), batch.y,
                       batch.x_unlabeled.to(torch::kDouble)};
  const auto in_double = [&] {
    NoiseSource source(1);
    return std::vector{net->loss(wide, source).total};
  };
  require_rounded({total}, in_double);
  require_rounded({other}, in_double);
}

TEST_CASE("Ladder names the row and the column of a number that is not finite", "[nn]") {
  torch::manual_seed(12);
  auto net = small({1, 1, 1, 1});
  const auto x = torch::rand({30, 6});
  net->calibrate(x, 10);
  net->eval();
  const auto logits = net->forward(x);
  auto bad = x.clone();
  bad[7][2] = std::numeric_limits<float>::quiet_NaN();
  bad[9][0] = std::numeric_limits<float>::infinity();
  const auto text = [](const std::string& name) {
    return "Ladder: expected " + name + " to hold finite numbers but got nan in row 7, column 2.";
  };
  CHECK(error_text([&] { net->calibrate(bad, 10); }) == text("inputs"));
  CHECK(error_text([&] { net->forward(bad); }) == text("x"));
  // Refused rows leave the statistics as they were.
  CHECK(torch::equal(net->forward(x), logits));
  net->train();
  CHECK(error_text([&] { net->forward(bad); }) == text("x"));
  const auto y = torch::arange(30) % 3;
  CHECK(error_text([&] { loss_of(net, {bad, y, x}); }) == text("x_labeled"));
  CHECK(error_text([&] { loss_of(net, {x, y, bad}); }) == text("x_unlabeled"));
  CHECK(error_text([&] { net->calibrate(bad.slice(0, 8), 10); }) ==
        "Ladder: expected inputs to hold finite numbers but got inf in row 1, column 0.");
}

TEST_CASE("Ladder computes a cost in inference mode and trains after it", "[nn]") {
  auto net = small({1, 1, 1, 1});
  const auto b = batch();
  const auto before = loss_of(net, b).total.detach().clone();
  auto fresh = small({1, 1, 1, 1});
  {
    const c10::InferenceMode guard;
    net->options.lambda = {2, 1, 1, 1};
    loss_of(net, b);
    loss_of(fresh, b);
    net->calibrate(b.x_unlabeled, 7);
    net->forward(b.x_unlabeled);
  }
  CHECK_NOTHROW(loss_of(fresh, b).total.backward());
  const auto loss = loss_of(net, b);
  CHECK_NOTHROW(loss.total.backward());
  require_close(loss.total.detach(), before + loss.denoising[0].detach(),
                roundings(16, torch::kFloat));
  CHECK_NOTHROW(net->calibrate(b.x_unlabeled, 7));
}

TEST_CASE("Ladder names the first label that is no class", "[nn]") {
  auto net = small({1, 1, 1, 1});
  auto b = batch();
  b.y = torch::tensor({0, 2, 3, -1});
  CHECK(error_text([&] { loss_of(net, b); }) ==
        "Ladder: expected labels in 0..2 but got 3 in row 2 of y (classes count from 0).");
  b.y = torch::tensor({0, -1, 3, 1});
  CHECK(
      error_text([&] { loss_of(net, b); }) ==
      "Ladder: expected labels in 0..2 but got -1 in row 1 of y (rows without a label belong into "
      "x_unlabeled).");
  b.y = torch::tensor({0, 2, 1, 2}, torch::kInt);
  CHECK(error_text([&] { loss_of(net, b); }) ==
        "Ladder: expected y to be int64 [4] but got Int [4].");
}

TEST_CASE("Ladder refuses a group of one row, which has no statistics", "[nn]") {
  auto net = small({1, 1, 1, 1});
  auto supervised = small({});
  const auto b = batch();
  const auto text = [](const std::string& name) {
    return "Ladder: expected at least 2 rows of " + name +
           " but got 1 (rows are normalised by their own statistics, and one row has none: it "
           "would "
           "become 0).";
  };
  const auto one = b.x_unlabeled.narrow(0, 0, 1);
  CHECK(error_text([&] { loss_of(net, {b.x_labeled, b.y, one}); }) == text("x_unlabeled"));
  CHECK(error_text([&] {
          loss_of(net, {one, b.y.narrow(0, 0, 1), b.x_unlabeled});
        }) == text("x_labeled"));
  CHECK(error_text([&] {
          loss_of(supervised, {one, b.y.narrow(0, 0, 1), {}});
        }) == text("x_labeled"));
  CHECK(error_text([&] { net->forward(one); }) == text("x"));
  CHECK(error_text([&] {
          loss_of(net, {b.x_labeled.narrow(0, 0, 0), b.y.narrow(0, 0, 0), one});
        }) == "Ladder: expected at least 2 rows of x_labeled but got 0.");
  net->calibrate(b.x_unlabeled, 7);
  net->eval();
  CHECK(net->forward(one).sizes() == at::IntArrayRef({1, 3}));
  CHECK(error_text([&] { net->forward(one.narrow(0, 0, 0)); }) ==
        "Ladder: expected at least 1 row of x but got 0.");
}

TEST_CASE("Ladder checks the options that may change between steps", "[nn]") {
  const auto b = batch();
  const auto changed = [&](std::vector<double> built, std::vector<double> lambda) {
    auto net = small(std::move(built));
    net->options.lambda = std::move(lambda);
    return error_text([&] { loss_of(net, b); });
  };
  CHECK(changed({1, 1, 1, 1}, {1, -5, 1, 1}) ==
        "Ladder: expected lambda >= 0 but got -5 for level 1.");
  CHECK(changed({1, 1, 1, 1}, {1, 1, 1, std::numeric_limits<double>::infinity()}) ==
        "Ladder: expected a finite lambda but got inf for level 3.");
  CHECK(changed({1, 1, 1, 1}, {1, 1, 1}) ==
        "Ladder: expected 4 values of lambda for 3 stages (level 0 is the input) but got 3.");
  CHECK(changed({1, 1, 1, 1}, {}) ==
        "Ladder: expected 4 values of lambda for 3 stages (level 0 is the input) but got 0.");
  const std::string reach =
      ", which its decoder does not reach, but got 1 (the decoder is built down to the lowest "
      "level "
      "with a lambda above 0).";
  CHECK(changed({0, 0, 0, 1}, {0, 1, 0, 1}) == "Ladder: expected lambda 0 for level 1" + reach);
  CHECK(changed({}, {0, 0, 0, 1}) == "Ladder: expected lambda 0 for level 3" + reach);
  CHECK(changed({}, {0, 0, 0, 0}) == "(no error)");

  // Annealed to nothing, a ladder is a supervised network and needs no unlabeled rows.
  auto net = small({1, 1, 1, 1});
  net->options.lambda = {0, 0, 0, 0};
  const auto loss = loss_of(net, {b.x_labeled, b.y, {}});
  require_close(loss.total, loss.supervised);
  CHECK_FALSE(loss.unlabeled_logits.defined());
  net->options.lambda = {0, 0, 0, 2};
  const auto top = loss_of(net, b);
  require_close(top.total, top.supervised + 2 * top.denoising[3], roundings(8, torch::kFloat));
  // Such a ladder clones with all of its decoder and the weights of now.
  Ladder copy(std::dynamic_pointer_cast<LadderImpl>(net->clone()));
  CHECK(copy->options.lambda == net->options.lambda);
  require_close(loss_of(copy, b).total, top.total);

  net->options.input_noise = -1;
  CHECK(error_text([&] { loss_of(net, b); }) == "Ladder: expected input_noise >= 0 but got -1.");
  net->options.input_noise = std::numeric_limits<double>::infinity();
  CHECK(error_text([&] { loss_of(net, b); }) ==
        "Ladder: expected a finite input_noise but got inf.");
  net->options.input_noise = 0.3;
  const std::string fixed =
      "Ladder: expected input_shape and stages as it was built with but got changed ones (build "
      "another Ladder).";
  net->options.input_shape = {};
  CHECK(error_text([&] { loss_of(net, b); }) == fixed);
  CHECK(error_text([&] { net->forward(b.x_labeled); }) == fixed);
  CHECK(error_text([&] { net->calibrate(b.x_unlabeled); }) == fixed);
  net->options.input_shape = {6};
  const auto first = net->stages[0];
  net->stages[0] = first.clone();
  CHECK(error_text([&] { loss_of(net, b); }) == fixed);
  net->stages[0] = first;
  CHECK(error_text([&] { loss_of(net, b); }) == "(no error)");
  net->stages.pop_back();
  CHECK(error_text([&] { loss_of(net, b); }) == fixed);
  CHECK_THROWS_WITH(small({1, 1, 1, std::numeric_limits<double>::infinity()}),
                    Catch::Contains("Ladder: expected a finite lambda but got inf for level 3."));
}

TEST_CASE("Ladder names a missing batch dimension and another type of rows", "[nn]") {
  auto net = small({1, 1, 1, 1});
  const auto b = batch();
  CHECK(error_text([&] { net->forward(b.x_labeled[0]); }) ==
        "Ladder: expected x to hold rows of shape [6] but got one row without the batch dimension "
        "(x.unsqueeze(0) is a batch of one row).");
  CHECK(error_text([&] { net->calibrate(b.x_labeled[0]); }) ==
        "Ladder: expected inputs to hold rows of shape [6] but got one row without the batch "
        "dimension (inputs.unsqueeze(0) is a batch of one row).");
  const auto wide = b.x_unlabeled.to(torch::kDouble);
  const std::string types = " in Float on cpu like the network, or in Byte, but got Double on cpu.";
  CHECK(error_text([&] { net->forward(wide); }) == "Ladder: expected x" + types);
  CHECK(error_text([&] { net->calibrate(wide); }) == "Ladder: expected inputs" + types);
  CHECK(error_text([&] {
          loss_of(net, {wide, b.y, b.x_unlabeled});
        }) == "Ladder: expected x_labeled" + types);
  CHECK(error_text([&] {
          loss_of(net, {b.x_labeled, b.y, wide});
        }) == "Ladder: expected x_unlabeled" + types);
  CHECK(error_text([&] { net->forward(b.x_labeled.to(torch::kLong)); }) ==
        "Ladder: expected x in Float on cpu like the network, or in Byte, but got Long on cpu.");
}

TEST_CASE("Ladder takes bytes as the sampler scales them", "[nn]") {
  torch::manual_seed(13);
  for (const auto type : {torch::kFloat, torch::kDouble}) {
    auto net = small({1, 1, 1, 1});
    net->to(type);
    const auto bytes = torch::randint(256, {23, 6}, torch::kByte);
    const auto scaled = bytes.to(type).div(255);
    const auto y = torch::arange(23) % 3;
    CHECK(torch::equal(loss_of(net, {bytes, y, bytes}).total,
                       loss_of(net, {scaled, y, scaled}).total));
    // Eight rows begin at a multiple of 64 bytes: products of a BLAS may round by alignment.
    net->calibrate(scaled, 8);
    net->eval();
    const auto logits = net->forward(scaled);
    net->calibrate(bytes, 8);
    CHECK(torch::equal(net->forward(bytes), logits));
    std::vector<int64_t> sizes;
    const auto by_batch = [&](int64_t begin, int64_t end) {
      sizes.push_back(end - begin);
      return bytes.slice(0, begin, end);
    };
    net->calibrate(23, by_batch, 8);
    CHECK(sizes == std::vector<int64_t>{8, 8, 7});
    CHECK(torch::equal(net->forward(bytes), logits));
    CHECK(error_text([&] { net->calibrate(1, by_batch, 5); }) ==
          "Ladder: expected at least 2 rows and a batch size of at least 2 to calibrate but got 1 "
          "and 5.");
    CHECK(error_text([&] {
            net->calibrate(
                10, [&](int64_t, int64_t) { return bytes; }, 5);
          }) == "Ladder: expected 5 rows of a batch to calibrate on but got 23.");
  }
}

TEST_CASE("Ladder gives the logits of all rows that it runs", "[nn]") {
  auto net = small({1, 1, 1, 1});
  const auto b = batch();
  const auto loss = loss_of(net, b);
  CHECK(loss.unlabeled_logits.sizes() == at::IntArrayRef({7, 3}));
  const auto by_batch = net->forward(b.x_unlabeled);
  CHECK_FALSE(torch::allclose(loss.unlabeled_logits, loss.clean_logits));
  auto bottom = small({1, 0, 0, 0});
  CHECK_FALSE(loss_of(bottom, b).clean_logits.defined());
  CHECK(loss_of(bottom, b).unlabeled_logits.defined());
  net->to(torch::kDouble);
  const auto in_double = [&] {
    return std::vector{net->forward(b.x_unlabeled.to(torch::kDouble))};
  };
  require_rounded({loss.clean_logits}, in_double);
  require_rounded({by_batch}, in_double);
}

namespace {

// A stage that does not normalise, or that keeps statistics of its own.
struct PlainStageImpl : torch::nn::Cloneable<PlainStageImpl>, Stage, StoredStatistics {
  explicit PlainStageImpl(bool stores_) : stores(stores_) { reset(); }
  void reset() override { shift = register_buffer("shift", torch::zeros({})); }
  void reset_statistics() override { batches = 0; }
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override {
    if (pass.statistics == Statistics::kCalibrate && stores) {
      pass.calibration->measure(*this);
      ++batches;
      TORCH_CHECK(batches < fails_at, "PlainStage: failed.");
    }
    StageOutput output;
    output.h = h + shift;
    return output;
  }
  torch::nn::AnyModule make_vertical(at::IntArrayRef, at::IntArrayRef) const override { return {}; }

  bool stores;
  int batches = 0;
  int fails_at = 100;
  torch::Tensor shift;
};
TORCH_MODULE(PlainStage);

}  // namespace

TEST_CASE("Ladder calibrates whatever stores statistics, and refuses a stage without", "[nn]") {
  const NoisyBatchNormLinear top(
      NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 3, .softmax_top = true});
  const PlainStage plain(false);
  Ladder none(LadderOptions{.input_shape = {6}}, Stages{plain, top});
  CHECK(
      error_text([&] {
        none->calibrate(torch::rand({8, 6}), 4);
      }) ==
      "Ladder: expected stage 1 to measure its statistics in calibrate but it measured none (give "
      "its pass to a NoisyNormalization, or call pass.calibration->measure).");

  const PlainStage storing(true);
  Ladder net(LadderOptions{.input_shape = {6}}, Stages{top, PlainStage(storing)});
  const auto counted = std::dynamic_pointer_cast<PlainStageImpl>(net->stages[1].module());
  net->calibrate(torch::rand({8, 6}), 4);
  net->calibrate(torch::rand({12, 6}), 4);
  CHECK(counted->batches == 3);
  CHECK(top->normalization->batches.item<int64_t>() == 3);
  // An error in the midst leaves no statistics of half of the batches.
  counted->fails_at = 2;
  CHECK(error_text([&] { net->calibrate(torch::rand({12, 6}), 4); }) == "PlainStage: failed.");
  CHECK(counted->batches == 0);
  net->eval();
  CHECK_THROWS_WITH(net->forward(torch::rand({2, 6})), Catch::Contains("no stored statistics yet"));
}

TEST_CASE("Ladder names what does not fit", "[nn]") {
  CHECK_THROWS_WITH(small({1, 2}),
                    Catch::Contains("expected 4 values of lambda for 3 stages (level 0 is the "
                                    "input) but got 2"));
  CHECK_THROWS_WITH(small({1, 2, -1, 0}), Catch::Contains("expected lambda >= 0 but got -1 for "
                                                          "level 2"));
  CHECK_THROWS_WITH(Ladder(LadderOptions{.input_shape = {6}}, Stages{}),
                    Catch::Contains("Ladder: expected at least one stage but got none"));
  CHECK_THROWS_WITH(Ladder(LadderOptions{.input_shape = {6}},
                           Stages{NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
                                      .in_features = 6, .out_features = 5}),
                                  NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
                                      .in_features = 4, .out_features = 3})}),
                    Catch::Contains("expected rows of 4 features but got an input of shape [2, 5]. "
                                    "(stage 2 of Ladder)"));
  auto net = small({1, 1, 1, 1});
  auto b = batch();
  NoiseSource noise(1);
  CHECK_THROWS_WITH(net->loss({b.x_labeled, b.y, {}}, noise),
                    Catch::Contains("expected x_unlabeled to hold rows of shape [6] but got an "
                                    "undefined tensor"));
  CHECK_THROWS_WITH(net->loss({b.x_labeled, b.y.narrow(0, 0, 2), b.x_unlabeled}, noise),
                    Catch::Contains("expected y to be int64 [4] but got Long [2]"));
  CHECK_THROWS_WITH(net->forward(torch::ones({2, 7})),
                    Catch::Contains("expected x to hold rows of shape [6] but got [2, 7]"));
}

TEST_CASE("Ladder refuses one module as two stages, and null pointers", "[nn]") {
  const NoisyBatchNormLinear one(NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 6});
  const NoisyBatchNormLinear top(
      NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 3, .softmax_top = true});
  CHECK(error_text([&] {
          Ladder(LadderOptions{.input_shape = {6}}, Stages{one, top, one});
        }) ==
        "Ladder: expected a module of its own for each stage but got one module as stages 1 "
        "and 3 (it would store the statistics of both: make another one, or clone() it).");
  const AnyStage copy = AnyStage(one).clone();
  CHECK(error_text([&] {
          Ladder(LadderOptions{.input_shape = {6}}, Stages{one, copy, top});
        }) == "(no error)");
  const std::string null = "Ladder: expected a stage or a combinator but got a null pointer.";
  CHECK(error_text([] { Stages{std::shared_ptr<NoisyBatchNormLinearImpl>()}; }) == null);
  CHECK(error_text([&] {
          small({1, 1, 1, 1}, [](int64_t) { return std::shared_ptr<VanillaCombinatorImpl>(); });
        }) == null);
  CHECK(error_text([] { Stages{NoisyBatchNormLinear(nullptr)}; }) == null);
  CHECK(error_text([&] {
          small({1, 1, 1, 1}, [](int64_t) { return VanillaCombinator(nullptr); });
        }) == null);
}

namespace {

// Holds a module that it may not use.
struct HoldingStageImpl : torch::nn::Cloneable<HoldingStageImpl>, Stage {
  using Make = std::function<std::shared_ptr<torch::nn::Module>()>;
  explicit HoldingStageImpl(Make make_) : make(std::move(make_)) { reset(); }
  void reset() override {
    held = register_module("held", make());
    normalization = register_module("normalization",
                                    NoisyNormalization(NoisyNormalizationOptions{.channels = 6}));
  }
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override {
    return normalization->forward(h, pass);
  }
  torch::nn::AnyModule make_vertical(at::IntArrayRef, at::IntArrayRef) const override {
    return torch::nn::AnyModule(torch::nn::Linear(6, 6));
  }
  Make make;
  std::shared_ptr<torch::nn::Module> held;
  NoisyNormalization normalization{nullptr};
};
TORCH_MODULE(HoldingStage);

}  // namespace

TEST_CASE("Ladder refuses a stage that mixes rows or draws numbers in training mode", "[nn]") {
  namespace tnn = torch::nn;
  const auto over = [](const HoldingStage& stage) {
    const NoisyBatchNormLinear top(
        NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 3, .softmax_top = true});
    return Ladder(LadderOptions{.input_shape = {6}, .lambda = {1, 1, 1}}, Stages{stage, top});
  };
  const auto refusal = [&](HoldingStageImpl::Make make) {
    return error_text([&] { over(HoldingStage(std::move(make))); });
  };
  CHECK(refusal([] { return tnn::BatchNorm1d(6).ptr(); }) ==
        "Ladder: expected stage 1 to treat each row by itself but got a BatchNorm as "
        "stages.0.held, which mixes noisy and clean rows (leave it out: the stage normalises).");
  CHECK(refusal([] { return tnn::Dropout(0.5).ptr(); }) ==
        "Ladder: expected stage 1 without random numbers but got a Dropout as stages.0.held "
        "(leave it out: noise_std takes its place).");
  const tnn::InstanceNorm1dOptions tracking =
      tnn::InstanceNorm1dOptions(6).track_running_stats(true);
  CHECK(refusal([&] { return tnn::InstanceNorm1d(tracking).ptr(); }) ==
        "Ladder: expected stage 1 without statistics of its own but got an InstanceNorm with "
        "running ones as stages.0.held (build it with track_running_stats(false)).");
  CHECK(refusal([] { return tnn::Dropout(0.0).ptr(); }) == "(no error)");

  // In eval mode it computes each row by itself, in clones too.
  const HoldingStage frozen([] { return tnn::BatchNorm1d(6).ptr(); });
  frozen->held->eval();
  auto net = over(frozen);
  const auto copy = std::dynamic_pointer_cast<LadderImpl>(net->clone());
  CHECK(copy->is_training());
  CHECK_FALSE(dynamic_cast<HoldingStageImpl&>(*copy->stages[0].module()).held->is_training());
  // And it stays so.
  net->eval();
  net->train();
  CHECK(net->is_training());
  CHECK(frozen->is_training());
  CHECK_FALSE(frozen->held->is_training());
  CHECK(net->clone()->is_training());
}

TEST_CASE("Ladder trains a BatchNorm and a Dropout outside of its stages", "[nn]") {
  namespace tnn = torch::nn;
  const NoisyBatchNormLinear top(
      NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 3, .softmax_top = true});
  const NoisyStage bottom(
      tnn::AnyModule(tnn::Linear(6, 6)),
      NoisyStageOptions{.normalization = {.channels = 6}, .vertical = [](auto, auto) {
                          return tnn::AnyModule(tnn::BatchNorm1d(6));
                        }});
  Ladder net(LadderOptions{.input_shape = {6}, .lambda = {1, 1, 1}}, Stages{bottom, top});
  const auto head = net->register_module("head", tnn::Dropout(0.5));
  net->eval();
  CHECK_FALSE(head->is_training());
  net->train();
  CHECK(head->is_training());
  int norms = 0;
  for (const auto& module : net->modules()) {
    if (module->as<tnn::BatchNorm1d>() == nullptr) continue;
    ++norms;
    CHECK(module->is_training());
  }
  CHECK(norms == 1);
}

TEST_CASE("Ladder runs on a GPU as on the CPU", "[nn][cuda]") {
  if (!torch::cuda::is_available()) {
    LADDER_SKIP("no CUDA device");
  }
  torch::manual_seed(6);
  auto net = small({3, 2, 1, 0.5}, vanilla());
  const auto b = batch();
  Ladder gpu(std::dynamic_pointer_cast<LadderImpl>(net->clone(torch::Device(torch::kCUDA))));
  // The total and all gradients.
  const auto run = [](Ladder& of, const SemiBatch& rows) {
    of->zero_grad();
    std::vector<torch::Tensor> results = {loss_of(of, rows).total};
    results[0].backward();
    for (const auto& p : of->parameters()) {
      results.push_back(p.grad().clone());
    }
    return results;
  };
  const auto results = run(gpu, {b.x_labeled.cuda(), b.y.cuda(), b.x_unlabeled.cuda()});
  net->to(torch::kDouble);
  require_rounded(results, [&] {
    return run(net, {b.x_labeled.to(torch::kDouble), b.y, b.x_unlabeled.to(torch::kDouble)});
  });
}

namespace {

// A stage that forgets what the decoder compares.
struct ForgetfulStageImpl : torch::nn::Cloneable<ForgetfulStageImpl>, Stage {
  void reset() override {}
  StageOutput forward(const torch::Tensor& h, const Pass&) override {
    StageOutput out;
    out.h = h;
    return out;
  }
  torch::nn::AnyModule make_vertical(at::IntArrayRef, at::IntArrayRef) const override {
    return torch::nn::AnyModule(torch::nn::Identity());
  }
};
TORCH_MODULE(ForgetfulStage);

}  // namespace

TEST_CASE("Ladder refuses a stage that returns nothing to compare", "[nn]") {
  const NoisyBatchNormLinear top(
      NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 3, .softmax_top = true});
  Ladder net(LadderOptions{.input_shape = {6}, .lambda = {1, 1, 1}}, Stages{ForgetfulStage(), top});
  NoiseSource noise(1);
  CHECK_THROWS_WITH(net->loss(batch(), noise), Catch::Contains("groups from a stage but got 0 "
                                                               "(return what NoisyNormalization"));
}

TEST_CASE("Ladder refuses a top with an activation", "[nn]") {
  const auto dense = [](Activation activation, bool top) {
    return NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
        .in_features = 6, .out_features = 3, .activation = activation, .softmax_top = top});
  };
  const auto built = [](const AnyStage& top) {
    return error_text([&] {
      Ladder(LadderOptions{.input_shape = {6}, .lambda = {1, 1}}, Stages{top});
    });
  };
  CHECK(built(dense(Activation::kRelu, false)) ==
        "Ladder: expected the last stage to give logits, without an activation, but got relu (set "
        "softmax_top, or Activation::kIdentity where a stage has no such option).");
  CHECK(built(dense(Activation::kRelu, true)) == "(no error)");
  CHECK(built(dense(Activation::kIdentity, false)) == "(no error)");
  CHECK(built(NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
            .in_features = 6, .out_features = 1, .softmax_top = true})) ==
        "Ladder: expected a last stage of at least 2 classes but got 1 (two classes are two "
        "logits).");
}

TEST_CASE("Ladder refuses a stage that changes its input", "[nn]") {
  namespace tnn = torch::nn;
  const auto built = [](bool inplace) {
    const NoisyStage first(tnn::AnyModule(tnn::ReLU(tnn::ReLUOptions(inplace))),
                           NoisyStageOptions{.normalization = {.channels = 6}});
    const NoisyBatchNormLinear top(
        NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 3, .softmax_top = true});
    return error_text([&] { Ladder(LadderOptions{.input_shape = {6}}, Stages{first, top}); });
  };
  CHECK(built(false) == "(no error)");
  CHECK(built(true) ==
        "Ladder: expected stage 1 to leave its input as it is but got it changed in place (is one "
        "of its modules built with inplace(true)?).");
}

TEST_CASE("Ladder names an input_shape that no row has", "[nn]") {
  const auto built = [](std::vector<int64_t> row) {
    return error_text([&] {
      Ladder(LadderOptions{.input_shape = std::move(row)},
             Stages{NoisyBatchNormLinear(NoisyBatchNormLinearOptions{
                 .in_features = 8, .out_features = 3, .softmax_top = true})});
    });
  };
  CHECK(built({-8}) == "Ladder: expected an input_shape of sizes above 0 but got [-8].");
  CHECK(built({4, 0}) == "Ladder: expected an input_shape of sizes above 0 but got [4, 0].");
  CHECK(
      built({int64_t{1} << 62}) ==
      "Ladder: expected an input_shape whose rows fit into memory but got [4611686018427387904].");
}

TEST_CASE("Ladder in half precision predicts where a channel is constant", "[nn]") {
  auto net = small({0, 0, 0, 1});
  {
    const torch::NoGradGuard no_grad;
    for (auto& item : net->named_parameters()) {
      if (item.key().ends_with("weight")) item.value()[0].zero_();
    }
  }
  const auto rows = torch::randn({50, 6});
  net->calibrate(rows);
  net->to(torch::kHalf);
  net->eval();
  const torch::NoGradGuard no_grad;
  CHECK(torch::isfinite(net->forward(rows.to(torch::kHalf))).all().item<bool>());
}

TEST_CASE("Ladder refuses to calibrate without a function and to compute costs in Half", "[nn]") {
  auto net = small({1, 1, 1, 1});
  CHECK(error_text([&] {
          net->calibrate(100, std::function<torch::Tensor(int64_t, int64_t)>());
        }) == "Ladder: expected a function that gives rows to calibrate but got none.");
  net->to(torch::kHalf);
  CHECK(error_text([&] { loss_of(net, batch()); }) ==
        "Ladder: expected a network in Float or Double to compute costs but got Half (its numbers "
        "end at 65504, and costs overflow).");
}

namespace {

// A stage whose normalisation is not registered, or is used twice.
struct CarelessStageImpl : torch::nn::Cloneable<CarelessStageImpl>, Stage {
  CarelessStageImpl(bool registers_, bool twice_) : registers(registers_), twice(twice_) {
    reset();
  }
  void reset() override {
    normalization = NoisyNormalization(NoisyNormalizationOptions{.channels = 6});
    if (registers) register_module("normalization", normalization);
  }
  StageOutput forward(const torch::Tensor& h, const Pass& pass) override {
    auto out = normalization->forward(h, pass);
    return twice ? normalization->forward(out.h, pass) : out;
  }
  torch::nn::AnyModule make_vertical(at::IntArrayRef, at::IntArrayRef) const override {
    return torch::nn::AnyModule(torch::nn::Identity());
  }
  bool registers, twice;
  NoisyNormalization normalization{nullptr};
};
TORCH_MODULE(CarelessStage);

}  // namespace

TEST_CASE("Ladder refuses to calibrate statistics that no file would hold or that are mixed",
          "[nn]") {
  const auto calibrated = [](bool registers, bool twice) {
    const NoisyBatchNormLinear top(
        NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 3, .softmax_top = true});
    Ladder net(LadderOptions{.input_shape = {6}}, Stages{CarelessStage(registers, twice), top});
    return error_text([&] { net->calibrate(torch::rand({8, 6}), 4); });
  };
  CHECK(calibrated(true, false) == "(no error)");
  CHECK(calibrated(true, true) ==
        "CalibrationRun: expected a module to measure once in a batch but got a second time (a "
        "NoisyNormalization in two places would mix their statistics: make one for each).");
  const auto unregistered = calibrated(false, false);
  CHECK(unregistered.starts_with(
      "Ladder: expected stage 1 to have registered what stores statistics but got "));
  CHECK(unregistered.find("NoisyNormalization") != std::string::npos);
  CHECK(unregistered.ends_with(
      " that is no child of it (call register_module: files and copies would lack it)."));
}

TEST_CASE("Ladder names the stage whose values do not fit", "[nn]") {
  // Gives values of another width than its activations.
  struct NarrowStageImpl : torch::nn::Cloneable<NarrowStageImpl>, Stage {
    explicit NarrowStageImpl(bool narrow_mean_) : narrow_mean(narrow_mean_) { reset(); }
    void reset() override {
      normalization = register_module("normalization",
                                      NoisyNormalization(NoisyNormalizationOptions{.channels = 6}));
    }
    StageOutput forward(const torch::Tensor& h, const Pass& pass) override {
      auto out = normalization->forward(h, pass);
      if (narrow_mean) {
        out.mean = out.mean.slice(1, 1);
      } else {
        for (auto& z : out.z) z = z.slice(1, 1);
      }
      return out;
    }
    torch::nn::AnyModule make_vertical(at::IntArrayRef, at::IntArrayRef) const override {
      return torch::nn::AnyModule(torch::nn::Linear(6, 6));
    }
    bool narrow_mean;
    NoisyNormalization normalization{nullptr};
  };
  const auto text = [](bool narrow_mean) {
    const NoisyBatchNormLinear top(
        NoisyBatchNormLinearOptions{.in_features = 6, .out_features = 3, .softmax_top = true});
    Ladder net(LadderOptions{.input_shape = {6}, .lambda = {1, 1, 1}},
               Stages{std::make_shared<NarrowStageImpl>(narrow_mean), top});
    return error_text([&] { loss_of(net, batch()); });
  };
  CHECK(text(false) ==
        "Ladder: expected stage 1 to give for a group a z of shape [7, 6] but got [7, 5].");
  CHECK(text(true) ==
        "Ladder: expected stage 1 to give for a group a mean of shape [6] but got [5].");
}
