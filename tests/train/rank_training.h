#pragma once

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "ladder/runs/run_folder.h"
#include "ladder/train/communicator.h"
#include "ladder/train/scaled_objective.h"
#include "ladder/train/trainer.h"
#include "tests/support/ranks.h"
#include "tests/train/blobs.h"

namespace ladder::testing {

using namespace ladder::train;

/// 8 epochs of 20 batches of 15 rows: 10 steps of 2 ranks, 6 of 3, 5 of 4.
inline TrainOptions shared_options(const std::shared_ptr<Communicator>& ranks = {}) {
  return {.epochs = 8,
          .learning_rate = 0.01,
          .unlabeled_batch = 15,
          .evaluation_batch = 100,
          .ranks = ranks};
}

inline Ladder ladder_of(torch::Dtype dtype) {
  auto net = small_ladder();
  net->to(dtype);
  return net;
}

/// What one rank ends with.
struct Ended {
  Ladder net{nullptr};
  TrainResult result;
};

using EndedRanks = std::map<int64_t, Ended>;

/// How ranks train; stopped behind a step if the rank that asks for it is given.
struct Setup {
  torch::Dtype dtype = torch::kFloat32;
  std::optional<std::filesystem::path> folder = {};  ///< of rank 0
  std::optional<int64_t> stop_rank = {}, stop_step = {};
  bool scaled = false;
  TrainOptions options = shared_options();
  std::function<void(int64_t done)> on_step = {};
  std::function<Ladder(torch::Dtype)> network = ladder_of;
};

inline Ended train_rank(const std::shared_ptr<Communicator>& ranks, const Setup& setup) {
  const auto net = setup.network(setup.dtype);
  auto options = setup.options;
  options.ranks = ranks;
  if (setup.folder) {
    // Only rank 0 may open it.
    options.record = [ranks, folder = *setup.folder] {
      expect(!ranks || ranks->rank() == 0, "no record on other ranks");
      return runs::in_folder(folder, {.config = "{}", .resume = true})();
    };
  }
  const auto objective =
      setup.scaled ? scaled_objective(net, {.weights = {10, 1, 0.1, 0.1}}) : train::objective(net);
  Trainer trainer(objective, blobs(300, 9, setup.dtype), options);
  int64_t step = trainer.step();
  trainer.callbacks.on_step = [&](int64_t done) {
    step = done;
    if (setup.on_step) setup.on_step(done);
  };
  trainer.callbacks.stop_requested = [&] {
    return setup.stop_rank == (ranks ? ranks->rank() : 0) && step >= *setup.stop_step;
  };
  const auto result = trainer.run();
  return {net, result};
}

inline EndedRanks train_on(int64_t size, const Setup& setup = {}) {
  std::mutex mutex;
  EndedRanks outcome;
  on_ranks(size, [&](const std::shared_ptr<Communicator>& ranks) {
    auto ended = train_rank(ranks, setup);
    const std::lock_guard lock(mutex);
    outcome[ranks->rank()] = ended;
  });
  return outcome;
}

}  // namespace ladder::testing
