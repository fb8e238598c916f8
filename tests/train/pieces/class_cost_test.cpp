// Costs of class probabilities: pseudo_labels, mutual_information and neighbour_agreement.
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <vector>

#include "ladder/data/neighbours.h"
#include "ladder/ops/noise.h"
#include "ladder/train/pieces/mutual_information.h"
#include "ladder/train/pieces/neighbour_agreement.h"
#include "ladder/train/pieces/pseudo_labels.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/support/threads.h"
#include "tests/train/blobs.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

torch::Tensor logits(uint64_t seed, double scale) {
  return scale * ops::standard_normal(NoiseDraw{seed, 0, {}}, 40, 5, torch::kFloat64);
}

double weight_at(ObjectivePiece& piece, const StepPosition& at) {
  // The cost is its weight times a number that does not depend on the position.
  const StepValues values{.unlabeled_logits = logits(1, 1), .clean_logits = logits(2, 20)};
  piece.before_step({.step = 99, .steps_per_epoch = 1, .steps = 100});
  const double last = piece.cost(values).item<double>();
  piece.before_step({.step = 0, .steps_per_epoch = 1, .steps = 100});
  const double first = piece.cost(values).item<double>();
  piece.before_step(at);
  return piece.cost(values).item<double>() / (first != 0 ? first : last);
}

}  // namespace

TEST_CASE("pseudo_labels is the cross entropy against sure clean predictions", "[train]") {
  const StepPosition end{.step = 100, .steps_per_epoch = 10, .steps = 100};
  const auto clean = logits(2, 4);
  const auto noisy = logits(1, 1);
  for (const double threshold : {0.0, 0.7, 0.99}) {
    const auto piece = pseudo_labels({.weight = 3, .threshold = threshold});
    piece->before_step(end);
    const auto p = torch::softmax(clean, 1);
    double sum = 0;
    int64_t sure = 0;
    for (int64_t n = 0; n < clean.size(0); ++n) {
      const auto label = p[n].argmax();
      if (p[n].max().item<double>() <= threshold) continue;
      ++sure;
      sum += torch::cross_entropy_loss(noisy[n].unsqueeze(0), label.unsqueeze(0)).item<double>();
    }
    REQUIRE((threshold == 0 ? sure == 40 : (sure > 0 && sure < 40)));
    require_close(piece->cost({.unlabeled_logits = noisy, .clean_logits = clean}),
                  torch::tensor(3 * sum / 40, torch::kDouble));
  }
}

TEST_CASE("Costs of classes start no thread", "[train]") {
  std::vector<std::shared_ptr<ObjectivePiece>> pieces;
  for (const auto& make :
       {+[] { return pseudo_labels({.threshold = 0.5, .from = 0, .to = 0}); },
        +[] { return mutual_information({}); }, +[] { return neighbour_agreement({.from = 0}); }}) {
    pieces.push_back(make());
    pieces.back()->before_step({.step = 0, .steps_per_epoch = 10, .steps = 100});
  }
  const auto values = [] {
    auto noisy = ops::standard_normal(NoiseDraw{1, 0, {}}, 600, 50, torch::kFloat32);
    return StepValues{
        .batch = {.paired = true},
        .unlabeled_logits = noisy.requires_grad_(),
        .clean_logits = ops::standard_normal(NoiseDraw{2, 0, {}}, 600, 50, torch::kFloat32)};
  }();
  CHECK(threads_started_by([&] {
          for (const auto& piece : pieces) piece->cost(values).backward();
        }) == 0);
}

TEST_CASE("pseudo_labels has the gradient of its corrupted predictions alone", "[train]") {
  const auto piece = pseudo_labels({.threshold = 0.5});
  piece->before_step({.step = 100, .steps_per_epoch = 10, .steps = 100});
  auto clean = logits(2, 4).requires_grad_();
  require_gradient(
      [&](const std::vector<torch::Tensor>& x) {
        return piece->cost({.unlabeled_logits = x[0], .clean_logits = clean});
      },
      {logits(1, 1)});
  REQUIRE_FALSE(clean.grad().defined());
}

TEST_CASE("pseudo_labels and mutual_information stay finite for certain predictions", "[train]") {
  // Probabilities of 0 and 1 in float32.
  auto noisy = torch::tensor({{500.0F, -500.0F}, {-500.0F, 500.0F}}).requires_grad_();
  const StepValues values{.unlabeled_logits = noisy,
                          .clean_logits = torch::tensor({{-9.0F, 9.0F}, {-9.0F, 9.0F}})};
  for (const auto& piece : {pseudo_labels(), mutual_information()}) {
    piece->before_step({.step = 9, .steps_per_epoch = 1, .steps = 10});
    noisy.mutable_grad() = torch::Tensor();
    const auto cost = piece->cost(values);
    cost.backward();
    REQUIRE(std::isfinite(cost.item<double>()));
    REQUIRE(noisy.grad().isfinite().all().item<bool>());
  }
}

TEST_CASE("pseudo_labels grows to its weight in its part of the run", "[train]") {
  const auto piece = pseudo_labels({.weight = 2, .from = 0.5, .to = 0.75});
  const auto at = [](int64_t step) { return StepPosition{step, 10, 100}; };
  REQUIRE(weight_at(*piece, at(0)) == 0);
  REQUIRE(weight_at(*piece, at(50)) == 0);
  REQUIRE(weight_at(*piece, at(60)) == Approx(0.4));
  REQUIRE(weight_at(*piece, at(75)) == 1);
  REQUIRE(weight_at(*piece, at(99)) == 1);
  const auto at_once = pseudo_labels({.from = 0.5, .to = 0.5});
  REQUIRE(weight_at(*at_once, at(49)) == 0);
  REQUIRE(weight_at(*at_once, at(50)) == 1);
}

TEST_CASE("mutual_information is mean entropy less entropy of the mean", "[train]") {
  const double spread = GENERATE(1.0, 4.0);
  const auto piece = mutual_information({.weight = 0.5, .spread = spread});
  piece->before_step({});
  const auto noisy = logits(1, 2);
  const auto p = torch::softmax(noisy, 1);
  const auto mean = p.mean(0);
  require_close(piece->cost({.unlabeled_logits = noisy}),
                0.5 * ((-(p * p.log()).sum(1)).mean() + spread * (mean * mean.log()).sum()));
  require_gradient(
      [&](const std::vector<torch::Tensor>& x) { return piece->cost({.unlabeled_logits = x[0]}); },
      {logits(3, 1)});

  // Sure and spread over all classes: -spread log 2, the least value. One class alone: 0.
  const auto sure = torch::tensor({{500.0, -500.0}, {-500.0, 500.0}}, torch::kDouble);
  require_close(piece->cost({.unlabeled_logits = sure}),
                torch::tensor(-0.5 * spread * std::log(2.0), torch::kDouble));
  REQUIRE(piece->cost({.unlabeled_logits = sure.narrow(0, 0, 1)}).item<double>() == 0);
}

TEST_CASE("mutual_information ends after its epochs", "[train]") {
  const auto piece = mutual_information({.until = 1.5});
  const auto at = [](int64_t step) { return StepPosition{step, 10, 100}; };
  REQUIRE(weight_at(*piece, at(14)) == 1);
  REQUIRE(weight_at(*piece, at(15)) == 0);
}

TEST_CASE("neighbour_agreement is the cross entropy of pairs, each against the other", "[train]") {
  const auto piece = neighbour_agreement({.weight = 3, .from = 0});
  piece->before_step({});
  auto noisy = logits(1, 2).narrow(0, 0, 9).clone().requires_grad_();  // the last row has no pair
  const auto p = torch::softmax(noisy.detach(), 1);
  double sum = 0;
  for (const auto& [n, m] : std::vector<std::pair<int64_t, int64_t>>{
           {0, 4}, {1, 5}, {2, 6}, {3, 7}, {4, 0}, {5, 1}, {6, 2}, {7, 3}}) {
    sum -= (p[m] * p[n].log()).sum().item<double>();
  }
  const auto cost = piece->cost({.batch = {.paired = true}, .unlabeled_logits = noisy});
  require_close(cost, torch::tensor(3 * sum / 8, torch::kDouble));
  // Each row learns what the other is taken for.
  cost.backward();
  const auto expected = torch::zeros_like(p);
  for (int64_t n = 0; n < 8; ++n) expected[n] = 3 * (p[n] - p[(n + 4) % 8]) / 8;
  require_close(noisy.grad(), expected);
}

TEST_CASE("neighbour_agreement is on in its epochs", "[train]") {
  const auto piece = neighbour_agreement({.from = 2, .until = 4});
  const StepValues values{.batch = {.paired = true}, .unlabeled_logits = logits(1, 1)};
  const auto at = [&](int64_t step) {
    piece->before_step({step, 10, 100});
    return piece->cost(values).item<double>();
  };
  CHECK(at(0) == 0);
  CHECK(at(19) == 0);
  CHECK(at(20) > 0);
  CHECK(at(39) == at(20));
  CHECK(at(40) == 0);
}

TEST_CASE("neighbour_agreement takes any batch outside its epochs, also on a GPU",
          "[train][cuda]") {
  if (!torch::cuda::is_available()) LADDER_SKIP("no CUDA device");
  const auto piece = neighbour_agreement({.from = 2, .until = 4, .device = torch::kCUDA});
  const StepValues values{.unlabeled_logits = logits(1, 1).to(torch::kCUDA)};
  piece->before_step({0, 10, 100});
  CHECK(piece->cost(values).item<double>() == 0);
  piece->before_step({20, 10, 100});
  CHECK(error_text([&] {
          piece->cost(values);
        }).starts_with("neighbour_agreement: expected batches of paired rows"));
}

TEST_CASE("neighbour_agreement trains on the pairs of a sampler, and a resumed run goes on exactly",
          "[train]") {
  const OneThread one_thread;
  auto data = blobs();
  data.training.neighbours = data::nearest_neighbours(data.training.inputs, {.k = 3});
  data.training.paired_from = 1;
  data.training.paired_until = 3;
  const auto piece = [](const Ladder&) { return neighbour_agreement({.from = 1, .until = 3}); };
  const auto train = [&](int64_t stop) {
    const auto net = small_ladder();
    const auto result = run_with(net, piece(net), data, stop);
    REQUIRE(result.last->others.at("neighbour") == 0);  // of the last epoch
    return net->parameters().front().detach().clone();
  };
  const auto whole = train(0);
  require_equal(train(9), whole);
  require_equal(resumed_with(piece, data, 9), whole);
  data.training.neighbours = data::nearest_neighbours(data.training.inputs, {.k = 4});
  CHECK_FALSE(train(0).equal(whole));
  data.training.paired_until = 2;
  for (const bool graph : {false, true}) {
    auto options = quick_options();
    options.graph = graph;
    Trainer trainer(with_pieces(train::objective(small_ladder()),
                                {neighbour_agreement({.from = 1, .until = 3})}),
                    data, options);
    CHECK(error_text([&] { trainer.run(); }) ==
          "neighbour_agreement: expected batches of paired rows but got others (give the sampler "
          "data::SemiData::neighbours for as many epochs).");
  }
}

TEST_CASE("pseudo_labels and mutual_information train, and a resumed run goes on exactly",
          "[train]") {
  const OneThread one_thread;
  using Make = std::function<std::shared_ptr<ObjectivePiece>(double weight)>;
  const std::vector<Make> makes = {
      [](double weight) {  // grows from step 6 to step 18
        return pseudo_labels({.weight = weight, .threshold = 0.4, .from = 0.25, .to = 0.75});
      },
      [](double weight) { return mutual_information({.weight = weight, .until = 3}); }};
  for (const auto& make : makes) {
    const auto train = [&](double weight, int64_t stop) {
      return trained_with(small_ladder(), make(weight), blobs(), stop);
    };
    const auto whole = train(1, 0);
    CHECK_FALSE(train(0, 0).equal(whole));
    require_equal(train(1, 9), whole);
    require_equal(resumed_with([&](Ladder&) { return make(1); }, blobs(), 9), whole);
  }
}

TEST_CASE("Costs of classes refuse a piece on another device than the network", "[train]") {
  const StepValues values{
      .batch = {.paired = true}, .unlabeled_logits = logits(1, 1), .clean_logits = logits(2, 20)};
  for (const auto& piece :
       {pseudo_labels({.device = torch::kMeta}), mutual_information({.device = torch::kMeta}),
        neighbour_agreement({.device = torch::kMeta})}) {
    CHECK(
        error_text([&] { piece->cost(values); })
            .ends_with(": expected a piece on cpu, the device of the network, but got one on meta "
                       "(set `device` in its options)."));
  }
}

TEST_CASE("Costs of classes have their whole weight in float64", "[train]") {
  const StepPosition end{.step = 100, .steps_per_epoch = 10, .steps = 100};
  const StepValues values{.unlabeled_logits = logits(1, 1), .clean_logits = logits(2, 20)};
  const auto cost = [&](double weight) {
    const auto piece = pseudo_labels({.weight = weight});
    piece->before_step(end);
    return piece->cost(values);
  };
  // 0.1 in float32 is 1.5e-8 of it away.
  require_close(cost(0.1), 0.1 * cost(1), roundings(2, torch::kDouble));
}

TEST_CASE("Costs of classes that are off compute nothing", "[train]") {
  const StepPosition end{.step = 100, .steps_per_epoch = 10, .steps = 100};
  const StepPosition start{.step = 0, .steps_per_epoch = 10, .steps = 100};
  const StepValues values{.batch = {.paired = true},
                          .unlabeled_logits = logits(1, 1).requires_grad_(),
                          .clean_logits = logits(2, 20)};
  const auto check = [&](ObjectivePiece& piece, const StepPosition& on, const StepPosition& off) {
    piece.before_step(on);
    CHECK(piece.cost(values).requires_grad());
    piece.before_step(off);
    const auto cost = piece.cost(values);
    CHECK_FALSE(cost.requires_grad());
    CHECK(cost.scalar_type() == torch::kFloat64);
    CHECK(cost.item<double>() == 0);
  };
  check(*pseudo_labels(), end, start);
  check(*mutual_information(), start, end);
  check(*neighbour_agreement({.from = 0, .until = 1}), start, end);
}

TEST_CASE("Trainer reports the costs of pieces and refuses to resume with others", "[train]") {
  const OneThread one_thread;
  auto net = small_ladder();
  const auto objective = with_pieces(train::objective(net),
                                     {pseudo_labels({.from = 0, .to = 0}), mutual_information()});
  Trainer trainer(objective, blobs(), {.epochs = 1, .unlabeled_batch = 50});
  const auto result = trainer.run();
  REQUIRE(result.last->others.size() == 2);
  REQUIRE(result.last->others.at("pseudo-label") > 0);
  REQUIRE(result.last->others.at("mutual information") < 0);
  const auto settings = objective->settings();
  REQUIRE(settings.at("pieces") == "pseudo-label, mutual information");
  REQUIRE(settings.at("pseudo-label.threshold") == "0.95");
  REQUIRE(settings.at("mutual information.until") == "10");
}

TEST_CASE("Costs of classes say what is out of range", "[train]") {
  REQUIRE(error_text([] { pseudo_labels({.weight = -1}); }) ==
          "pseudo_labels: expected a finite weight of at least 0 but got -1.");
  REQUIRE(error_text([] { pseudo_labels({.threshold = 1}); }) ==
          "pseudo_labels: expected a threshold from 0 to below 1 but got 1.");
  REQUIRE(error_text([] { pseudo_labels({.from = 0.7, .to = 0.6}); }) ==
          "pseudo_labels: expected parts of the run 0 <= from <= to <= 1 but got from 0.7 to "
          "0.6.");
  REQUIRE(error_text([] { mutual_information({.weight = INFINITY}); }) ==
          "mutual_information: expected a finite weight of at least 0 but got inf.");
  REQUIRE(error_text([] { mutual_information({.spread = -1}); }) ==
          "mutual_information: expected a finite spread of at least 0 but got -1.");
  REQUIRE(error_text([] { mutual_information({.until = 0}); }) ==
          "mutual_information: expected a number of epochs above 0 but got 0.");
  REQUIRE(error_text([] { neighbour_agreement({.weight = -1}); }) ==
          "neighbour_agreement: expected a finite weight of at least 0 but got -1.");
  REQUIRE(error_text([] { neighbour_agreement({.from = 3, .until = 3}); }) ==
          "neighbour_agreement: expected epochs 0 <= from < until but got from 3 until 3.");
  const auto one = logits(1, 1);
  REQUIRE(error_text([&] { neighbour_agreement()->cost({.clean_logits = one}); }) ==
          "neighbour_agreement: expected a network with a denoising cost, which runs unlabeled "
          "rows, but got one without.");
  REQUIRE(error_text([&] { pseudo_labels()->cost({.unlabeled_logits = one}); }) ==
          "pseudo_labels: expected a network with a denoising cost above level 0, which runs clean "
          "unlabeled rows, but got one without.");
  REQUIRE(error_text([&] { mutual_information()->cost({.clean_logits = one}); }) ==
          "mutual_information: expected a network with a denoising cost, which runs unlabeled "
          "rows, but got one without.");
}
