// Ranks that normalise by the statistics of all their rows compute what one process computes.
#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "ladder/models/network.h"
#include "ladder/nn/combinators/mlp_combinator.h"
#include "ladder/nn/denoising_autoencoder.h"
#include "ladder/ops/noise.h"
#include "ladder/train/pieces/mutual_information.h"
#include "ladder/train/pieces/pseudo_labels.h"
#include "ladder/train/scaled_objective.h"
#include "ladder/train/step_runner.h"
#include "ladder/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/error_text.h"
#include "tests/support/ranks.h"
#include "tests/support/require_close.h"
#include "tests/support/run_files.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/blobs.h"
#include "tests/train/rank_training.h"

using namespace ladder;
using namespace ladder::train;
using namespace ladder::testing;

namespace {

constexpr int64_t kLabeledRows = 6, kUnlabeledRows = 10;  // of a rank in a step

// A network over rows of some shape, and what is minimised.
struct Shared {
  std::string name;
  std::vector<int64_t> row;
  std::function<std::shared_ptr<Objective>()> objective;
  std::vector<std::vector<int64_t>> noise;  // shapes of one row where noise is drawn
  bool autoencoder = false;
};

Ladder initialised(const models::NetworkOptions& options) {
  auto net = models::network(options);
  reset_parameters(*net, stream_seed(1, "init"));
  net->to(torch::kFloat64);
  return net;
}

Shared shared(const std::string& name, const models::NetworkOptions& options, bool pieces = false) {
  return {name, options.input_shape,
          [=] {
            const auto net = initialised(options);
            if (!pieces) return train::objective(net);
            return with_pieces(
                scaled_objective(net, {.weights = options.lambda, .class_weights = {1, 5, 20}}),
                {pseudo_labels({.weight = 0.7, .threshold = 0.3, .from = 0, .to = 0}),
                 mutual_information({.weight = 0.5, .until = 10})});
          },
          models::network(options)->shapes};
}

std::vector<Shared> shared_networks() {
  const std::vector<models::Layer> dense = {models::Dense{16}, models::Dense{8}, models::Dense{3}};
  const models::NetworkOptions full{
      .input_shape = {12}, .layers = dense, .lambda = {10, 1, .1, .1}};
  auto gamma = full;
  gamma.lambda = {0, 0, 0, 1};
  auto constant = full;
  constant.detach_targets = true;
  auto mlp = full;
  mlp.combinator = [](int64_t channels) {
    return MlpCombinator(MlpCombinatorOptions{.channels = channels, .hidden = {3}});
  };
  const models::NetworkOptions convolutional{
      .input_shape = {1, 8, 8},
      .layers = {models::Conv{4, 3, Border::kSame}, models::MaxPool{2},
                 models::Conv{3, 3, Border::kValid}, models::GlobalMeanPool{}},
      .lambda = {10, 1, .1, .1, .1}};
  auto top_alone = convolutional;
  top_alone.lambda = {0, 0, 0, 0, 1};
  auto all = std::vector<Shared>{shared("full ladder", full),
                                 shared("Gamma-model", gamma),
                                 shared("constant targets", constant),
                                 shared("perceptrons", mlp),
                                 shared("scaled, class weights, pieces", full, /*pieces=*/true),
                                 shared("convolutions", convolutional),
                                 shared("convolutions, Gamma-model", top_alone)};
  const auto autoencoder = [] {
    DenoisingAutoencoder net(
        DenoisingAutoencoderOptions{.input_shape = {12},
                                    .cost = AutoencoderCost::kFeatureDifference},
        Stages{dense_stage({.in_features = 12, .out_features = 16}),
               dense_stage({.in_features = 16, .out_features = 8})});
    reset_parameters(*net, stream_seed(1, "init"));
    net->to(torch::kFloat64);
    return train::objective(net);
  };
  all.push_back({"autoencoder", {12}, autoencoder, {{12}, {16}, {8}}, /*autoencoder=*/true});
  return all;
}

data::SemiSampler sampler_of(const Shared& of, int64_t rank, int64_t ranks) {
  constexpr int64_t kRows = 200;
  std::vector<int64_t> shape = {kRows};
  shape.insert(shape.end(), of.row.begin(), of.row.end());
  const auto columns = c10::multiply_integers(of.row);
  // Another mean and size from row to row, so that batches differ.
  const auto drift = torch::linspace(-1, 1, kRows, torch::kFloat64).unsqueeze(1);
  const auto rows =
      ops::standard_normal(NoiseDraw{5, 0, {}}, kRows, columns, torch::kFloat64) * (2 + drift) +
      drift;
  return data::SemiSampler({rows.reshape(shape), torch::arange(kRows).remainder(7).clamp_max(2),
                            torch::arange(90), torch::arange(kRows)},
                           {.unlabeled_batch = kUnlabeledRows,
                            .labeled_batch = kLabeledRows,
                            .rank = rank,
                            .ranks = ranks});
}

// The noise of a step: of each rank, and of one process with the rows of all.
struct StepNoise {
  std::vector<std::vector<torch::Tensor>> of_rank;
  std::vector<torch::Tensor> joined;
};

StepNoise step_noise(const Shared& of, int64_t ranks) {
  StepNoise noise{std::vector<std::vector<torch::Tensor>>(static_cast<size_t>(ranks)), {}};
  const std::vector<int64_t> groups = of.autoencoder
                                          ? std::vector<int64_t>{kUnlabeledRows}
                                          : std::vector<int64_t>{kLabeledRows, kUnlabeledRows};
  uint64_t seed = 11;
  for (size_t level = 0; level < of.noise.size(); ++level) {
    const auto& shape = of.noise[level];
    const auto columns = level == 0 ? c10::multiply_integers(shape) : shape[0];
    const auto positions = c10::multiply_integers(shape) / columns;
    std::vector<std::vector<torch::Tensor>> parts(groups.size());
    for (auto& draws : noise.of_rank) {
      std::vector<torch::Tensor> own;
      for (size_t g = 0; g < groups.size(); ++g) {
        own.push_back(ops::standard_normal(NoiseDraw{seed++, 0, {}}, groups[g] * positions, columns,
                                           torch::kFloat64));
        parts[g].push_back(own.back());
      }
      draws.push_back(torch::cat(own));
    }
    std::vector<torch::Tensor> all;
    for (const auto& part : parts) all.push_back(torch::cat(part));
    noise.joined.push_back(torch::cat(all));
  }
  return noise;
}

// How far plain descent with rate 1 moves each parameter: the gradient.
std::vector<torch::Tensor> moves_of(const Shared& of, StepRunner& runner) {
  runner.enter();
  const StepRunner::Scope scope(runner);
  runner.run({.step = 0, .steps_per_epoch = 10, .steps = 100}, 1);
  std::vector<torch::Tensor> moves;
  const auto before = of.objective()->module().parameters();
  const auto after = runner.objective().module().parameters();
  for (size_t i = 0; i < before.size(); ++i) moves.push_back((before[i] - after[i]).detach());
  return moves;
}

std::shared_ptr<torch::optim::Optimizer> plain_descent(Objective& objective) {
  return std::make_shared<torch::optim::SGD>(objective.module().parameters(),
                                             torch::optim::SGDOptions(1));
}

std::map<int64_t, std::vector<torch::Tensor>> moves_on(int64_t size, const Shared& of,
                                                       const StepNoise& noise,
                                                       RankStatistics statistics) {
  std::mutex mutex;
  std::map<int64_t, std::vector<torch::Tensor>> moves;
  on_ranks(size, [&](const std::shared_ptr<Communicator>& ranks) {
    const auto objective = of.objective();
    const auto rank = ranks->rank();
    StepRunner runner(objective, plain_descent(*objective), sampler_of(of, rank, size),
                      NoiseSource::replay(noise.of_rank[static_cast<size_t>(rank)]),
                      {.ranks = ranks, .statistics = statistics});
    auto own = moves_of(of, runner);
    const std::lock_guard lock(mutex);
    moves[rank] = std::move(own);
  });
  return moves;
}

// The gradient of one process with the batches of all ranks joined.
std::vector<torch::Tensor> joined_gradients(int64_t size, const Shared& of,
                                            const StepNoise& joined) {
  std::vector<torch::Tensor> labeled, y, unlabeled;
  for (int64_t rank = 0; rank < size; ++rank) {
    const auto batch = sampler_of(of, rank, size).batch(0);
    labeled.push_back(batch.x_labeled);
    y.push_back(batch.y);
    unlabeled.push_back(batch.x_unlabeled);
  }
  const auto objective = of.objective();
  objective->before_step({.step = 0, .steps_per_epoch = 10, .steps = 100});
  auto noise = NoiseSource::replay(joined.joined);
  objective->loss({torch::cat(labeled), torch::cat(y), torch::cat(unlabeled)}, noise)
      .total.backward();
  std::vector<torch::Tensor> gradients;
  for (const auto& parameter : objective->module().parameters()) {
    gradients.push_back(parameter.grad().defined() ? parameter.grad()
                                                   : torch::zeros_like(parameter));
  }
  return gradients;
}

double largest_difference(const std::vector<torch::Tensor>& a,
                          const std::vector<torch::Tensor>& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, (a[i] - b[i]).abs().max().item<double>());
  }
  return largest;
}

}  // namespace

TEST_CASE_METHOD(OneThread,
                 "StepRunner: with synchronised statistics ranks compute what one process does",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  for (const auto& of : shared_networks()) {
    for (const int64_t size : {2, 3, 4}) {
      INFO(of.name << ", " << size << " ranks");
      const auto noise = step_noise(of, size);
      const auto in_one = [&] { return joined_gradients(size, of, noise); };
      const auto expected = in_one();
      // Both sum the same terms in two orders, and a move is a difference of parameters.
      auto bounds = rounding_of(in_one, torch::kFloat64);
      const auto parameters = of.objective()->module().parameters();
      for (size_t i = 0; i < bounds.size(); ++i) {
        const auto of_move = parameters[i].detach().abs() + expected[i].abs();
        bounds[i] = bounds[i] * 2 + roundings(2, torch::kFloat64, of_move);
      }
      const auto moves = moves_on(size, of, noise, RankStatistics::kSynchronised);
      for (const auto& [rank, own] : moves) {
        for (size_t i = 0; i < own.size(); ++i) {
          INFO("parameter " << i);
          require_close(own[i], expected[i], bounds[i]);
          CHECK(own[i].equal(moves.at(0)[i]));
        }
      }
      const auto again = moves_on(size, of, noise, RankStatistics::kSynchronised);
      CHECK(largest_difference(again.at(size - 1), moves.at(0)) == 0);
      // Their own statistics give something else.
      const auto local = moves_on(size, of, noise, RankStatistics::kLocal);
      double beyond = 0;
      for (size_t i = 0; i < bounds.size(); ++i) {
        beyond = std::max(beyond, excess(local.at(0)[i], expected[i], bounds[i]));
      }
      CHECK(beyond > 0);
    }
  }
}

TEST_CASE_METHOD(OneThread, "standardise_over: statistics far from 0 keep their digits",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  constexpr int64_t kRows = 120, kColumns = 5;
  for (const auto dtype : {torch::kFloat32, torch::kFloat64}) {
    const double unit = dtype == torch::kFloat32 ? 0x1p-24 : 0x1p-53;
    const double mean = dtype == torch::kFloat32 ? 1e3 : 1e6;
    // Ranks whose rows lie apart, and a mean far above the deviation.
    auto x = ops::standard_normal(NoiseDraw{3, 0, {}}, kRows, kColumns, torch::kFloat64) + mean +
             torch::arange(kRows).div(40, "floor").unsqueeze(1);
    x = x.to(dtype);
    const auto exact = x.to(torch::kFloat64);
    const auto exact_mean = exact.mean(0);
    const auto exact_std = (exact - exact_mean).square().mean(0).sqrt();
    const auto errors = errors_of_ranks(3, [&](const std::shared_ptr<Communicator>& ranks) {
      const auto own = x.narrow(0, 40 * ranks->rank(), 40);
      // Two groups, of which the second has other rows.
      const auto rows = torch::cat({own, own.narrow(0, 0, 10) * 2});
      const auto result = ops::standardise_over(ranks, rows, {40, 10});
      const auto mean_error = (result.mean[0].to(torch::kFloat64) - exact_mean).abs();
      expect(mean_error.le(41 * unit * exact_mean.abs()).all().item<bool>(),
             "the mean of all rows");
      // n u + (n u mean / std)^2 of a variance, half of it of its root, and the rounding of both.
      const auto ratio = 40 * unit * exact_mean / exact_std;
      const auto bound = (41 * unit + ratio.square()) * exact_std + 2 * unit * exact_std;
      const auto std_error = (result.std[0].to(torch::kFloat64) - exact_std).abs();
      expect(std_error.le(bound + kVarianceEpsilon).all().item<bool>(), "the std of all rows");
      expect(result.x.sizes() == rows.sizes() && result.mean.size(0) == 2, "rows and groups");
    });
    for (const auto& error : errors) CHECK(error == "");
  }
}

namespace {

// 3 epochs: 30 steps of 2 ranks, 18 of 3.
TrainOptions short_options() {
  auto options = shared_options();
  options.epochs = 3;
  return options;
}

TrainOptions synchronised_options() {
  auto options = short_options();
  options.statistics = RankStatistics::kSynchronised;
  return options;
}

// Gives up in the exchange `call`, counted from `arm`.
class GivingUp : public Communicator {
 public:
  GivingUp(std::shared_ptr<Communicator> ranks, int64_t call)
      : ranks_(std::move(ranks)), call_(call) {}

  void arm() { left_ = call_; }

  int64_t rank() const override { return ranks_->rank(); }
  int64_t size() const override { return ranks_->size(); }
  void broadcast(torch::Tensor& tensor) override { ranks_->broadcast(tensor); }
  void all_reduce(torch::Tensor& tensor) override {
    count();
    ranks_->all_reduce(tensor);
  }
  std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor) override {
    count();
    return ranks_->all_gather(tensor);
  }
  void barrier() override { ranks_->barrier(); }

 private:
  void count() {
    if (left_ && (*left_)-- == 0) throw std::runtime_error("gone");
  }

  std::shared_ptr<Communicator> ranks_;
  int64_t call_;
  std::optional<int64_t> left_;
};

}  // namespace

TEST_CASE_METHOD(OneThread, "Trainer: synchronised ranks have the same bits, and go on as one",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  for (const bool scaled : {false, true}) {
    for (const int64_t size : {2, 3}) {
      const TemporaryFolder folder;
      const auto whole = train_on(
          size, {.folder = folder / "whole", .scaled = scaled, .options = synchronised_options()});
      const auto again = train_on(size, {.scaled = scaled, .options = synchronised_options()});
      for (int64_t rank = 0; rank < size; ++rank) {
        require_same_network(*whole.at(rank).net, *whole.at(0).net);
        require_same_network(*again.at(rank).net, *whole.at(0).net);
      }
      CHECK(*whole.at(0).result.last->test_error < 10);
      Setup part{.folder = folder / "part",
                 .stop_rank = 0,
                 .stop_step = 7,
                 .scaled = scaled,
                 .options = synchronised_options()};
      CHECK(train_on(size, part).at(0).result.status == TrainStatus::kInterrupted);
      part.stop_rank.reset();
      const auto resumed = train_on(size, part);
      require_same_network(*resumed.at(size - 1).net, *whole.at(0).net);
      require_same_run(folder / "whole", folder / "part");
    }
  }
}

TEST_CASE_METHOD(OneThread, "Trainer: for one rank synchronised statistics change no bit",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  const auto alone = train_rank({}, {.options = short_options()});
  const Setup synchronised{.options = synchronised_options()};
  require_same_network(*train_rank({}, synchronised).net, *alone.net);
  require_same_network(*train_on(1, synchronised).at(0).net, *alone.net);
}

TEST_CASE_METHOD(OneThread,
                 "Trainer: a rank that is lost in an exchange of statistics loses nothing",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  // A step exchanges 3 statistics of stages and 4 of the decoder, with scaled costs these, then 7
  // gradients of statistics, and the gradients.
  struct Loss {
    bool scaled;
    int64_t call;
  };
  const TemporaryFolder folder;
  const auto plain = train_on(2, {.folder = folder / "plain", .options = synchronised_options()});
  const auto scaled =
      train_on(2, {.folder = folder / "scaled", .scaled = true, .options = synchronised_options()});
  int number = 0;
  for (const auto loss : {Loss{false, 0}, Loss{false, 4}, Loss{false, 9}, Loss{false, 14},
                          Loss{true, 5}, Loss{true, 10}}) {
    INFO("call " << loss.call);
    const auto out = "lost-" + std::to_string(number++);
    Setup setup{.folder = folder / out, .scaled = loss.scaled, .options = synchronised_options()};
    const auto lost = errors_of_ranks(2, [&](const std::shared_ptr<Communicator>& ranks) {
      if (ranks->rank() == 0) {
        train_rank(ranks, setup);
        return;
      }
      const auto giving_up = std::make_shared<GivingUp>(ranks, loss.call);
      auto own = setup;
      own.folder.reset();
      own.on_step = [&](int64_t done) {
        if (done == 13) giving_up->arm();
      };
      train_rank(giving_up, own);
    });
    CHECK(lost[1] == "gone");
    CHECK(lost[0] ==
          "Communicator: rank 0 of 2 lost its connection to another rank, which has ended, after "
          "step 13, which is saved (resume continues).");
    const auto resumed = train_on(2, setup);
    const auto& whole = loss.scaled ? scaled : plain;
    require_same_network(*resumed.at(1).net, *whole.at(0).net);
    require_same_run(folder / (loss.scaled ? "scaled" : "plain"), folder / out);
  }
}

TEST_CASE_METHOD(OneThread,
                 "Trainer: ranks with other statistics, and a run with others, are refused",
                 "[ranks]") {
  CHECK(rank_statistics_from_string("synchronised") == RankStatistics::kSynchronised);
  CHECK(to_string(rank_statistics_from_string("local")) == "local");
  CHECK(error_text([] { rank_statistics_from_string("global"); }) ==
        "RankStatistics: expected local or synchronised but got 'global'.");
  const TemporaryFolder folder;
  train_rank({}, {.folder = folder / "run",
                  .stop_rank = 0,
                  .stop_step = 5,
                  .options = synchronised_options()});
  CHECK(
      error_text([&] { train_rank({}, {.folder = folder / "run", .options = short_options()}); }) ==
      "Trainer: expected " + (folder / "run/checkpoint.pt").string() +
          " to be of a run with these settings but got one with others: statistics (synchronised "
          "there, absent here).");
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  const auto differing = errors_of_ranks(2, [&](const std::shared_ptr<Communicator>& ranks) {
    train_rank(ranks, {.options = ranks->rank() == 1 ? short_options() : synchronised_options()});
  });
  for (const auto& error : differing) {
    CHECK(error ==
          "Trainer: expected synchronised statistics on all ranks, as on rank 0, but got local on "
          "rank 1.");
  }
}
