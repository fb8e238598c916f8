// Several ranks train one network: threads here, which share nothing but what they exchange. Whole
// processes: tests/apps/ranks_test.cpp.
#include <torch/torch.h>

#include <map>
#include <mutex>
#include <optional>

#include "ladder/models/network.h"
#include "ladder/runs/run_folder.h"
#include "ladder/train/checkpoint.h"
#include "ladder/train/communicator.h"
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

namespace fs = std::filesystem;

}  // namespace

TEST_CASE_METHOD(OneThread, "Trainer: ranks have the same parameters, in every run", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  for (const bool scaled : {false, true}) {
    // float32 takes the step without autograd, float64 the other.
    for (const auto dtype : {torch::kFloat32, torch::kFloat64}) {
      for (const int64_t size : {2, 3, 4}) {
        const auto first = train_on(size, {.dtype = dtype, .scaled = scaled});
        const auto second = train_on(size, {.dtype = dtype, .scaled = scaled});
        for (int64_t rank = 0; rank < size; ++rank) {
          require_same_network(*first.at(rank).net, *first.at(0).net);
          require_same_network(*second.at(rank).net, *first.at(0).net);
          CHECK(first.at(rank).result.steps == 8 * (20 / size));
          CHECK(first.at(rank).result.last->total == first.at(0).result.last->total);
          CHECK(first.at(rank).result.last->test_error == first.at(0).result.last->test_error);
        }
        CHECK(*first.at(0).result.last->test_error < 10);
        CHECK_FALSE(same_parameters(*first.at(0).net, *ladder_of(dtype)));
      }
    }
  }
}

TEST_CASE_METHOD(OneThread, "Trainer: one rank trains as a process alone, bit for bit", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  const auto one = train_on(1);
  const auto alone = train_rank({}, {});
  require_same_network(*one.at(0).net, *alone.net);
  CHECK(one.at(0).result.steps == alone.result.steps);
}

TEST_CASE_METHOD(OneThread, "StepRunner: the gradient of ranks is the mean over their batches",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  const auto dtype = torch::kFloat64;
  const auto sampler = [&](int64_t rank, int64_t ranks) {
    return data::SemiSampler(blobs(300, 9, dtype).training,
                             {.unlabeled_batch = 15, .rank = rank, .ranks = ranks});
  };
  for (const int64_t size : {2, 3, 4}) {
    // One process that computes the batches of all ranks.
    auto net = ladder_of(dtype);
    std::vector<torch::Tensor> sums, magnitudes;
    for (const auto& parameter : net->parameters()) {
      sums.push_back(torch::zeros_like(parameter));
      magnitudes.push_back(torch::zeros_like(parameter));
    }
    for (int64_t rank = 0; rank < size; ++rank) {
      auto noise = NoiseSource(3).part(rank, size);
      net->zero_grad();
      net->loss(sampler(rank, size).batch(0), noise).total.backward();
      size_t place = 0;
      for (const auto& parameter : net->parameters()) {
        if (parameter.grad().defined()) {
          sums[place] += parameter.grad();
          magnitudes[place] += parameter.grad().abs();
        }
        ++place;
      }
    }
    std::mutex mutex;
    std::vector<std::vector<torch::Tensor>> moved;
    on_ranks(size, [&](const std::shared_ptr<Communicator>& ranks) {
      auto own = ladder_of(dtype);
      // The step of plain descent with rate 1 is the gradient.
      const auto descent =
          std::make_shared<torch::optim::SGD>(own->parameters(), torch::optim::SGDOptions(1));
      StepRunner runner(train::objective(own), descent, sampler(ranks->rank(), size),
                        NoiseSource(3), {.ranks = ranks});
      runner.enter();
      const StepRunner::Scope scope(runner);
      runner.run({.step = 0}, 1);
      std::vector<torch::Tensor> steps;
      const auto before = ladder_of(dtype)->parameters();
      const auto after = own->parameters();
      for (size_t i = 0; i < before.size(); ++i) {
        steps.push_back((before[i] - after[i]).detach());
      }
      const std::lock_guard lock(mutex);
      moved.push_back(steps);
    });
    const auto before = ladder_of(dtype)->parameters();
    const auto n = static_cast<double>(size);
    for (const auto& steps : moved) {
      for (size_t i = 0; i < steps.size(); ++i) {
        // Sums of N terms in two orders, a division, and two subtractions of the parameter.
        require_close(steps[i], sums[i] / n,
                      roundings(2 * n + 2, dtype, magnitudes[i] / n) +
                          roundings(2, dtype, before[i].detach().abs() + magnitudes[i]));
      }
    }
  }
}

TEST_CASE_METHOD(OneThread,
                 "Trainer: a stop asked of one rank stops all, and the run goes on as one",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  for (const bool scaled : {false, true}) {
    const TemporaryFolder folder;
    const Setup whole{.folder = folder / "whole", .scaled = scaled};
    const auto uninterrupted = train_on(2, whole);
    Setup part{.folder = folder / "part", .stop_rank = 1, .stop_step = 13, .scaled = scaled};
    const auto stopped = train_on(2, part);
    for (const int64_t rank : {0, 1}) {
      CHECK(stopped.at(rank).result.status == TrainStatus::kInterrupted);
      CHECK(stopped.at(rank).result.steps == 14);  // the step that carried the request
    }
    part.stop_rank.reset();
    const auto resumed = train_on(2, part);
    for (const int64_t rank : {0, 1}) {
      CHECK(resumed.at(rank).result.status == TrainStatus::kFinished);
      require_same_network(*resumed.at(rank).net, *uninterrupted.at(0).net);
    }
    require_same_run(folder / "whole", folder / "part");
    // A run that has ended gives its result on all ranks.
    const auto again = train_on(2, part);
    for (const int64_t rank : {0, 1}) {
      CHECK(again.at(rank).result.status == TrainStatus::kFinished);
      require_same_network(*again.at(rank).net, *uninterrupted.at(0).net);
    }
  }
}

TEST_CASE_METHOD(OneThread, "Trainer: a run goes on with fewer ranks or more", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  for (const int64_t size : {1, 3, 4}) {
    const TemporaryFolder folder;
    Setup setup{.folder = folder / "run", .stop_rank = 0, .stop_step = 25};
    const auto stopped = train_on(2, setup);
    REQUIRE(stopped.at(0).result.steps == 26);  // 2 epochs of 10 steps, and 6
    setup.stop_rank.reset();
    int64_t first = -1;
    {
      // Where the run goes on: behind the 12 batches of the epoch.
      std::mutex mutex;
      on_ranks(size, [&](const std::shared_ptr<Communicator>& ranks) {
        auto options = setup.options;
        options.ranks = ranks;
        options.record = runs::in_folder(*setup.folder, {.config = "{}", .resume = true});
        const Trainer trainer(train::objective(ladder_of(torch::kFloat32)), blobs(), options);
        const std::lock_guard lock(mutex);
        first = trainer.step();
      });
    }
    CHECK(first == 2 * (20 / size) + 12 / size);
    const auto resumed = train_on(size, setup);
    const auto& result = resumed.at(0).result;
    CHECK(result.status == TrainStatus::kFinished);
    CHECK(result.steps == 8 * (20 / size));
    CHECK(*result.last->test_error < 10);
    for (int64_t rank = 0; rank < size; ++rank) {
      require_same_network(*resumed.at(rank).net, *resumed.at(0).net);
    }
    // One evaluation of each epoch, in the steps of these ranks.
    const auto evaluations = runs::RunFolder(*setup.folder, "{}", true).evaluations();
    REQUIRE(evaluations.size() == 8);
    for (int64_t epoch = 1; epoch <= 8; ++epoch) {
      CHECK(evaluations[static_cast<size_t>(epoch - 1)].epoch == epoch);
      CHECK(evaluations[static_cast<size_t>(epoch - 1)].step == epoch * (20 / size));
    }
  }
}

TEST_CASE_METHOD(OneThread, "Trainer: the loss of a rank leaves a checkpoint of the step before",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  for (const bool scaled : {false, true}) {
    for (const int64_t step : {13, 20}) {  // within an epoch, and before an evaluation
      const TemporaryFolder folder;
      const Setup setup{.folder = folder / "run", .scaled = scaled};
      const auto lost = errors_of_ranks(2, [&](const std::shared_ptr<Communicator>& ranks) {
        auto own = setup;
        own.folder = folder / "lost";
        if (ranks->rank() == 0) {
          train_rank(ranks, own);
          return;
        }
        auto options = own.options;
        options.ranks = ranks;
        const auto net = ladder_of(torch::kFloat32);
        Trainer trainer(
            scaled ? scaled_objective(net, {.weights = {10, 1, 0.1, 0.1}}) : train::objective(net),
            blobs(), options);
        trainer.callbacks.on_step = [&](int64_t done) {
          if (done == step) throw std::runtime_error("gone");
        };
        trainer.run();
      });
      CHECK(lost[1] == "gone");
      CHECK(lost[0] ==
            "Communicator: rank 0 of 2 lost its connection to another rank, which has ended, after "
            "step " +
                std::to_string(step) + ", which is saved (resume continues).");
      fs::copy(folder / "lost", folder / "one");
      auto own = setup;
      own.folder = folder / "lost";
      const auto resumed = train_on(2, own);
      own.folder = folder / "whole";
      const auto whole = train_on(2, own);
      require_same_network(*resumed.at(1).net, *whole.at(0).net);
      require_same_run(folder / "whole", folder / "lost");
      // One rank goes on with twice as many steps an epoch, and with the mean costs of this one.
      own.folder = folder / "one";
      train_on(1, own);
      if (step == 20) {
        CHECK(timeless_metrics(folder / "one").at(1).at("total") ==
              timeless_metrics(folder / "whole").at(1).at("total"));
      }
    }
  }
}

TEST_CASE_METHOD(OneThread,
                 "Trainer: ranks that differ, and steps that cannot be shared, are refused",
                 "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  const auto differing = errors_of_ranks(2, [&](const std::shared_ptr<Communicator>& ranks) {
    const auto net = small_ladder(/*seed=*/ranks->rank() == 1 ? 5 : 1);
    Trainer(net, blobs(), shared_options(ranks)).run();
  });
  for (const auto& error : differing) {
    CHECK(error ==
          "Trainer: expected the same parameters on all ranks after step 0 but rank 1 has others "
          "than rank 0 (have all ranks the same options, data and program?).");
  }
  const auto recorded = errors_of_ranks(2, [&](const std::shared_ptr<Communicator>& ranks) {
    auto options = shared_options(ranks);
    options.graph = true;
    Trainer(small_ladder(), blobs(), options).run();
  });
  CHECK(recorded[0] ==
        "Trainer: expected one rank, whose step can be recorded, but got 2 (train without a "
        "graph).");
  const auto few = errors_of_ranks(2, [&](const std::shared_ptr<Communicator>& ranks) {
    auto options = shared_options(ranks);
    options.unlabeled_batch = 200;
    Trainer(small_ladder(), blobs(), options).run();
  });
  CHECK(few[1] ==
        "SemiSampler: expected at least 2 batches of rows, one for each rank, but got 1 (lower the "
        "batch or the number of ranks).");
}

TEST_CASE_METHOD(OneThread, "Trainer: tells once how long ranks exchange gradients", "[ranks]") {
  if (!has_communicator()) LADDER_SKIP(kNoCommunicator);
  std::mutex mutex;
  std::vector<ExchangeTimes> told;
  on_ranks(2, [&](const std::shared_ptr<Communicator>& ranks) {
    Trainer trainer(small_ladder(), blobs(), shared_options(ranks));
    trainer.callbacks.on_exchange = [&](const ExchangeTimes& times) {
      const std::lock_guard lock(mutex);
      told.push_back(times);
    };
    trainer.run();
  });
  REQUIRE(told.size() == 2);
  int64_t values = 0;
  for (const auto& parameter : small_ladder()->parameters()) values += parameter.numel();
  for (const auto& times : told) {
    CHECK(times.ranks == 2);
    CHECK(times.exchange_seconds > 0);
    CHECK(times.step_seconds > 0);
    // Gradients, 5 costs and the total, requests to stop.
    CHECK(times.bytes == 4 * (values + 6 + 1));
  }
}
