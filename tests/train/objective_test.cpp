#include "ladder/train/objective.h"

#include <torch/torch.h>

#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/require_close.h"
#include "tests/train/blobs.h"
#include "tests/train/pieces.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

std::vector<std::string> names(const Objective& objective) {
  std::vector<std::string> all;
  for (const auto& term : objective.terms()) all.push_back(to_string(term));
  return all;
}

SemiBatch some_batch(torch::Dtype dtype = torch::kFloat32) {
  const auto data = blobs(300, 9, dtype);
  return {data.training.inputs.narrow(0, 0, 9), data.training.labels.narrow(0, 0, 9),
          data.training.inputs.narrow(0, 20, 50)};
}

}  // namespace

TEST_CASE("objective of a ladder reports its costs and logits", "[train]") {
  auto net = small_ladder(1, {10, 0, 0.1, 0.1});
  const auto objective = train::objective(net);
  REQUIRE(&objective->module() == net.get());
  REQUIRE(objective->classifier().get() == net.get());
  REQUIRE(objective->levels() == 4);
  REQUIRE(names(*objective) ==
          std::vector<std::string>{"supervised cost", "denoising cost of level 0",
                                   "denoising cost of level 2", "denoising cost of level 3"});
  REQUIRE(objective->settings().at("lambda") == "10, 0, 0.1, 0.1");
  const auto batch = some_batch();
  NoiseSource noise(5), again(5);
  const auto expected = net->loss(batch, noise);
  const auto found = objective->loss(batch, again);
  REQUIRE(found.total.equal(expected.total));
  REQUIRE(found.costs.size() == 4);
  REQUIRE(found.costs[0].equal(expected.supervised));
  REQUIRE(found.costs[2].equal(expected.denoising[2]));
  REQUIRE(found.values.logits.equal(expected.logits));
  REQUIRE(found.values.batch.y.equal(batch.y));

  REQUIRE(found.values.unlabeled_logits.sizes() == torch::IntArrayRef({50, 3}));
}

TEST_CASE("objective of a ladder has the logits of the clean path", "[train]") {
  auto net = small_ladder();
  net->to(torch::kFloat64);
  NoiseSource noise(5);
  const auto batch = some_batch(torch::kFloat64);
  const auto values = train::objective(net)->loss(batch, noise).values;
  require_close(values.clean_logits, net->forward(batch.x_unlabeled));  // statistics of the batch
  REQUIRE_FALSE(values.clean_logits.equal(values.unlabeled_logits));
}

TEST_CASE("objective of a ladder has the logits of the rows that it runs only", "[train]") {
  NoiseSource noise(5);
  auto bottom = small_ladder(1, {10, 0, 0, 0});
  const auto values = train::objective(bottom)->loss(some_batch(), noise).values;
  REQUIRE(values.unlabeled_logits.defined());
  REQUIRE_FALSE(values.clean_logits.defined());
  auto baseline = small_ladder(1, {});
  REQUIRE_FALSE(
      train::objective(baseline)->loss(some_batch(), noise).values.unlabeled_logits.defined());
  REQUIRE(names(*train::objective(baseline)) == std::vector<std::string>{"supervised cost"});
}

TEST_CASE("objective of an autoencoder takes unlabeled rows, or labeled ones without", "[train]") {
  for (const auto cost : {AutoencoderCost::kReconstruction, AutoencoderCost::kFeatureDifference}) {
    auto net = small_autoencoder(cost);
    const auto objective = train::objective(net);
    REQUIRE(objective->classifier().is_empty());
    const bool plain = cost == AutoencoderCost::kReconstruction;
    REQUIRE(names(*objective) == (plain ? std::vector<std::string>{"denoising cost of level 0"}
                                        : std::vector<std::string>{"denoising cost of level 1",
                                                                   "denoising cost of level 2"}));
    auto batch = some_batch();
    NoiseSource noise(5), again(5), third(5);
    const auto expected = net->loss(batch.x_unlabeled, noise);
    const auto found = objective->loss(batch, again);
    REQUIRE(found.total.equal(expected.total));
    REQUIRE(found.costs[0].equal(expected.denoising[plain ? 0 : 1]));
    std::swap(batch.x_labeled, batch.x_unlabeled);
    batch.x_unlabeled = torch::Tensor();
    REQUIRE(objective->loss(batch, third).total.equal(expected.total));
  }
}

TEST_CASE("objective of an autoencoder reports 0 for a level whose lambda is 0 now", "[train]") {
  auto net = small_autoencoder(AutoencoderCost::kFeatureDifference);
  const auto objective = train::objective(net);
  net->options.lambda[0] = 0;
  NoiseSource noise(5);
  const auto found = objective->loss(some_batch(), noise);
  REQUIRE(found.costs.size() == 2);
  REQUIRE(found.costs[0].equal(torch::zeros({})));
  REQUIRE(found.costs[1].item<double>() > 0);
  REQUIRE(found.total.equal(found.costs[1]));
}

TEST_CASE("objective settings name noise and targets, one value where all stages have it",
          "[train]") {
  auto net = small_ladder();
  const auto objective = train::objective(net);
  REQUIRE(objective->settings().at("noise_std") == "0.3");
  REQUIRE(objective->settings().at("detach_targets") == "false");
  net->stages[2].module()->as<NoisyBatchNormLinear>()->normalization->options.noise_std = 0;
  net->options.detach_targets = true;
  REQUIRE(objective->settings().at("noise_std") == "0.3, 0.3, 0");
  REQUIRE(objective->settings().at("detach_targets") == "true");
  const auto autoencoder = train::objective(small_autoencoder(AutoencoderCost::kReconstruction));
  REQUIRE(autoencoder->settings().at("noise_std") == "0");
  REQUIRE_FALSE(autoencoder->settings().contains("detach_targets"));
}

TEST_CASE("with_pieces adds costs, hooks and state in order", "[train]") {
  auto net = small_ladder();
  const auto pseudo = std::make_shared<PseudoLabels>(0.5);
  const auto norms = std::make_shared<RowNorms>(net->named_parameters()["stages.0.weight"], 0.5);
  const auto base = train::objective(net);
  const auto objective = with_pieces(base, {pseudo, norms});
  REQUIRE(names(*objective).back() == "pseudo-label cost");
  REQUIRE(objective->terms().size() == base->terms().size() + 1);
  NoiseSource noise(5), again(5);
  objective->before_step({.step = 50, .steps = 100});
  const auto found = objective->loss(some_batch(), noise);
  const auto expected = base->loss(some_batch(), again);
  const auto added = found.costs.back();
  REQUIRE(added.item<double>() > 0);
  REQUIRE(found.total.equal(expected.total + added));
  REQUIRE(pseudo->weight.item<double>() == 0.25);  // half of the way up
  const auto before = norms->weight.detach().clone();
  {
    const torch::NoGradGuard no_grad;
    objective->after_update();
  }
  REQUIRE_FALSE(norms->weight.equal(before));
  REQUIRE(norms->weight.equal(before.renorm(2, 0, 0.5)));
  const auto state = objective->state();
  REQUIRE(state.size() == 1);
  REQUIRE(state.at("row norms.updates").item<int64_t>() == 1);
}

TEST_CASE("with_pieces says what is wrong with pieces", "[train]") {
  auto net = small_ladder();
  const auto base = train::objective(net);
  const auto piece = std::make_shared<PseudoLabels>(1);
  REQUIRE(error_text([&] { with_pieces(nullptr, {}); }) ==
          "with_pieces: expected an objective but got none.");
  REQUIRE(error_text([&] { with_pieces(base, {nullptr}); }) ==
          "with_pieces: expected pieces but got a null pointer.");
  REQUIRE(error_text([&] {
            with_pieces(base, {piece, piece});
          }) ==
          "with_pieces: expected pieces with different names but got two with the name "
          "pseudo-label.");
  const auto inner = with_pieces(base, {piece});
  REQUIRE(error_text([&] { with_pieces(inner, {piece}); }) ==
          "with_pieces: expected pieces with different names but got two with the name "
          "pseudo-label.");
  struct Vector : ObjectivePiece {
    std::string name() const override { return "vector"; }
    bool has_cost() const override { return true; }
    torch::Tensor cost(const StepValues&) override { return torch::ones({2}); }
  };
  NoiseSource noise(1);
  REQUIRE(error_text([&] {
            with_pieces(base, {std::make_shared<Vector>()})->loss(some_batch(), noise);
          }) == "ObjectivePiece: expected the cost of vector as a scalar but got [2].");
  struct Failing : ObjectivePiece {
    std::string name() const override { return "failing"; }
    bool has_cost() const override { return true; }
    torch::Tensor cost(const StepValues&) override { TORCH_CHECK(false, "no such cost."); }
  };
  REQUIRE(error_text([&] {
            with_pieces(base, {std::make_shared<Failing>()})->loss(some_batch(), noise);
          }) == "no such cost. (piece failing)");
  struct Nameless : ObjectivePiece {
    std::string name() const override { return ""; }
  };
  REQUIRE(error_text([&] { with_pieces(base, {std::make_shared<Nameless>()}); }) ==
          "with_pieces: expected a piece with a name but got none.");
  REQUIRE(error_text([&] { train::objective(DenoisingAutoencoder(nullptr)); }) ==
          "Trainer: expected a network but got an empty DenoisingAutoencoder.");
}
