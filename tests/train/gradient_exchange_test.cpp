#include "ladder/train/internal/gradient_exchange.h"

#include <torch/csrc/autograd/variable.h>
#include <torch/torch.h>

#include "ladder/runs/run_folder.h"
#include "ladder/train/fused_adam.h"
#include "ladder/train/step_runner.h"
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

// Rank 0 of two. Whatever it exchanges, the other rank has three times as much of: means are twice
// what rank 0 has.
class Doubling : public Communicator {
 public:
  int64_t rank() const override { return 0; }
  int64_t size() const override { return 2; }
  void broadcast(torch::Tensor& /*tensor*/) override {}
  void all_reduce(torch::Tensor& tensor) override { tensor.mul_(4); }
  std::vector<torch::Tensor> all_gather(const torch::Tensor& tensor) override {
    return {tensor, 3 * tensor};
  }
  void barrier() override {}
  std::unique_ptr<PendingExchange> start_all_reduce(torch::Tensor tensor) override {
    started.push_back(tensor.numel());
    return std::make_unique<Later>(*this, tensor);
  }

  std::vector<int64_t> started = {};  // values of each exchange
  int64_t ended = 0;
  int64_t lost_at = -1;  // the exchange whose wait finds the other rank gone

 private:
  class Later : public PendingExchange {
   public:
    Later(Doubling& owner, torch::Tensor tensor) : owner_(owner), tensor_(std::move(tensor)) {}
    void wait() override {
      if (owner_.ended == owner_.lost_at) throw CommunicationError("gone");
      ++owner_.ended;
      tensor_.mul_(4);
    }

   private:
    Doubling& owner_;
    torch::Tensor tensor_;
  };
};

torch::Tensor parameter_of(int64_t values) { return torch::zeros({values}).requires_grad_(); }

void give(const torch::Tensor& parameter, double value) {
  parameter.mutable_grad() = torch::full_like(parameter, value).detach();
}

bool all_equal(const torch::Tensor& tensor, double value) {
  return tensor.equal(torch::full_like(tensor, value));
}

}  // namespace

TEST_CASE("GradientExchange: a full bucket is exchanged while gradients still come", "[ranks]") {
  const auto ranks = std::make_shared<Doubling>();
  const std::vector<torch::Tensor> parameters = {parameter_of(100), parameter_of(10),
                                                 parameter_of(20), parameter_of(70)};
  auto statistic = torch::full({2}, 5.0F);
  // 60 float32 numbers fill a bucket.
  GradientExchange exchange(ranks, parameters, {statistic}, 240);
  auto costs = torch::full({3}, 1.0F);
  const auto ready = exchange.ready();
  const auto tell = [&](size_t parameter, double value) {
    give(parameters[parameter], value);
    ready(parameters[parameter], parameters[parameter].grad());
  };

  // The first step notes the order: last to first, but for number 1, which has no gradient.
  exchange.begin_step();
  for (const size_t parameter : {3, 2, 0}) tell(parameter, 1.0 + static_cast<double>(parameter));
  CHECK(ranks->started.empty());
  exchange.average(costs);
  // 70; 20 + 100; 10 and what is no gradient: 2 statistics, 3 costs, a request to stop.
  CHECK(ranks->started == std::vector<int64_t>{70, 120, 16});
  CHECK(all_equal(parameters[3].grad(), 8));
  CHECK(all_equal(parameters[2].grad(), 6));
  CHECK(all_equal(parameters[0].grad(), 2));
  CHECK_FALSE(parameters[1].grad().defined());
  CHECK(all_equal(statistic, 10));
  CHECK(all_equal(costs, 2));

  // In the next one the gradients come in another order: buckets still begin in theirs.
  ranks->started.clear();
  for (const auto& parameter : parameters) parameter.mutable_grad().reset();
  exchange.begin_step();
  tell(0, 10);
  tell(2, 20);
  CHECK(ranks->started.empty());
  tell(3, 30);
  CHECK(ranks->started == std::vector<int64_t>{70, 120});
  tell(1, 40);
  CHECK(ranks->started.size() == 2);
  exchange.request_stop(true);
  exchange.average(costs);
  CHECK(ranks->started.size() == 3);
  CHECK(exchange.stop_agreed());
  for (size_t i = 0; i < 4; ++i) {
    CHECK(all_equal(parameters[i].grad(), std::vector<double>{20, 80, 40, 60}[i]));
  }

  // One gradient that does not come holds back those behind it until the end.
  ranks->started.clear();
  exchange.begin_step();
  for (const auto& parameter : parameters) parameter.mutable_grad().reset();
  tell(2, 1);
  tell(0, 1);
  CHECK(ranks->started.empty());
  exchange.average(costs);
  CHECK(ranks->started == std::vector<int64_t>{70, 120, 16});
  CHECK(all_equal(parameters[0].grad(), 2));
  CHECK_FALSE(parameters[3].grad().defined());

  exchange.begin_step();
  tell(1, 1);
  CHECK(error_text([&] { tell(1, 1); }) ==
        "Trainer: expected one gradient of each parameter in a step of several ranks but got a "
        "second one (compute the costs of a step in one backward pass).");
}

TEST_CASE("GradientExchange: a rank that is lost behind some buckets changes nothing", "[ranks]") {
  const std::vector<torch::Tensor> parameters = {parameter_of(8), parameter_of(8), parameter_of(8)};
  for (const int64_t lost_at : {0, 1, 2}) {
    const auto ranks = std::make_shared<Doubling>();
    auto statistic = torch::full({2}, 5.0F);
    GradientExchange exchange(ranks, parameters, {statistic}, 32);
    auto costs = torch::full({1}, 1.0F);
    for (const int64_t lost : {int64_t{-1}, 3 + lost_at}) {
      ranks->lost_at = lost;
      exchange.begin_step();
      for (const auto& parameter : parameters) {
        give(parameter, 1);
        exchange.ready()(parameter, parameter.grad());
      }
      if (lost < 0) {
        exchange.average(costs);
        CHECK(all_equal(statistic, 10));
        continue;
      }
      CHECK_THROWS_AS(exchange.average(costs), CommunicationError);
      statistic.add_(1);  // as a step does
      exchange.undo_step();
      CHECK(all_equal(statistic, 10));
      for (const auto& parameter : parameters) CHECK(all_equal(parameter.grad(), 1));
    }
  }
}

TEST_CASE("GradientExchange: takes what autograd accumulates, and leaves no hook", "[ranks]") {
  const auto ranks = std::make_shared<Doubling>();
  torch::nn::Sequential net(torch::nn::Linear(6, 5), torch::nn::Tanh(), torch::nn::Linear(5, 4));
  net->to(torch::kDouble);
  const auto parameters = net->parameters();
  GradientExchange exchange(ranks, parameters, {}, 1);  // each is a bucket
  const auto x = torch::randn({3, 6}, torch::kDouble);
  for (int step = 0; step < 3; ++step) {
    for (const auto& parameter : parameters) parameter.mutable_grad().reset();
    net->forward(x).square().sum().backward();
    std::vector<torch::Tensor> own;
    for (const auto& parameter : parameters) {
      own.push_back(parameter.grad());
      parameter.mutable_grad().reset();
    }
    ranks->started.clear();
    exchange.begin_step();
    {
      const auto watch = exchange.watch_autograd();
      net->forward(x).square().sum().backward();
    }
    CHECK(ranks->started.size() == (step == 0 ? 0 : 3));  // the last waits for the costs
    auto costs = torch::zeros({1}, torch::kDouble);
    exchange.average(costs);
    CHECK(ranks->started.size() == 4);
    for (size_t i = 0; i < parameters.size(); ++i) {
      CHECK(parameters[i].grad().equal(2 * own[i]));  // doubling rounds nothing
      const auto node = torch::autograd::impl::try_get_grad_accumulator(parameters[i]);
      CHECK((!node || node->post_hooks().empty()));
    }
  }
}

namespace {

// 12-600-600-3: its gradients fill two buckets of a megabyte and more.
Ladder wide_ladder(torch::Dtype dtype) {
  Ladder net(
      LadderOptions{.input_shape = {kBlobFeatures}, .lambda = {10, 1, 0.1, 0.1}},
      Stages{dense_stage({.in_features = kBlobFeatures, .out_features = 600}),
             dense_stage({.in_features = 600, .out_features = 600}),
             dense_stage({.in_features = 600, .out_features = kBlobClasses, .softmax_top = true})});
  reset_parameters(*net, stream_seed(1, "init"));
  net->to(dtype);
  return net;
}

}  // namespace

TEST_CASE_METHOD(OneThread,
                 "Trainer: several buckets give ranks, reruns and resumed runs one result",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  // float32 takes the step without autograd, float64 the other. The order of a sum over three ranks
  // depends on the place in a bucket.
  for (const auto dtype : {torch::kFloat32, torch::kFloat64}) {
    Setup setup{.dtype = dtype, .network = wide_ladder};
    setup.options.epochs = 3;
    const TemporaryFolder folder;
    setup.folder = folder / "whole";
    const auto whole = train_on(3, setup);
    setup.folder.reset();
    const auto again = train_on(3, setup);
    for (int64_t rank = 0; rank < 3; ++rank) {
      require_same_network(*whole.at(rank).net, *whole.at(0).net);
      require_same_network(*again.at(rank).net, *whole.at(0).net);
    }
    setup.folder = folder / "part";
    setup.stop_rank = 1;
    setup.stop_step = 7;
    CHECK(train_on(3, setup).at(0).result.status == TrainStatus::kInterrupted);
    setup.stop_rank.reset();
    require_same_network(*train_on(3, setup).at(2).net, *whole.at(0).net);
    require_same_run(folder / "whole", folder / "part");
  }
}

TEST_CASE_METHOD(OneThread, "StepRunner: exchanges begin before the backward pass ends",
                 "[ranks]") {
  const auto ranks = std::make_shared<Doubling>();
  const auto net = wide_ladder(torch::kFloat64);
  // Exchanges under way when the last gradient, that of the first weight, is still to come.
  std::vector<size_t> under_way;
  net->stages.front().module()->named_parameters()["weight"].register_hook(
      [&](const torch::Tensor& gradient) {
        under_way.push_back(ranks->started.size());
        return gradient;
      });
  StepRunner runner(objective(net), std::make_shared<FusedAdam>(*net),
                    data::SemiSampler(blobs(300, 9, torch::kFloat64).training,
                                      {.unlabeled_batch = 15, .rank = 0, .ranks = 2}),
                    NoiseSource(1), {.ranks = ranks});
  for (int64_t step = 0; step < 3; ++step) {
    ranks->started.clear();
    runner.run({.step = step}, 0.01);
    CHECK(ranks->started.size() == 3);
  }
  // Up to the 600 x 600 weight of the decoder, and up to that of the second stage.
  CHECK(under_way == std::vector<size_t>{0, 2, 2});
}

TEST_CASE_METHOD(OneThread, "GradientExchange: exchanges begin in the step without autograd",
                 "[ranks]") {
  const auto ranks = std::make_shared<Doubling>();
  const auto net = wide_ladder(torch::kFloat32);
  const auto step = objective(net);
  data::SemiSampler sampler(blobs().training, {.unlabeled_batch = 15});
  GradientExchange exchange(ranks, net->parameters(), {});
  NoiseSource noise(1);
  for (int64_t i = 0; i < 3; ++i) {
    ranks->started.clear();
    for (const auto& parameter : net->parameters()) parameter.mutable_grad().reset();
    exchange.begin_step();
    auto costs = step->direct_step(sampler.batch(i), noise, exchange.ready());
    REQUIRE(costs.defined());
    CHECK(ranks->started.size() == (i == 0 ? 0 : 2));
    exchange.average(costs);
    CHECK(ranks->started.size() == 3);
  }
}
