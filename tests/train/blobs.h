#pragma once

#include <ATen/Parallel.h>
#include <ladder/core/random.h>
#include <ladder/data/sampler.h>
#include <ladder/nn/ladder.h>
#include <ladder/nn/random_init.h>
#include <ladder/nn/stages/noisy_batch_norm_linear.h>
#include <ladder/runs/run_folder.h>
#include <ladder/train/trainer.h>
#include <torch/torch.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace ladder::testing {

/// A fixture: steps this small take longer on many threads, much longer on a busy machine. Not
/// threads::OneThread, which holds for the calling thread alone.
class OneThread {
 public:
  OneThread() { at::set_num_threads(1); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() { at::set_num_threads(threads_); }

 private:
  int threads_ = at::get_num_threads();
};

inline constexpr int64_t kBlobFeatures = 12;
inline constexpr int64_t kBlobClasses = 3;

/// Three Gaussian clouds, one a class, and as many rows again to test on: [rows, 12].
inline train::TrainData blobs(int64_t rows = 300, int64_t labeled = 9,
                              torch::Dtype dtype = torch::kFloat32) {
  const auto draw = [&](uint64_t seed) {
    return ops::standard_normal(NoiseDraw{seed, 0, {}}, rows, kBlobFeatures, dtype);
  };
  const auto centres =
      ops::standard_normal(NoiseDraw{7, 0, {}}, kBlobClasses, kBlobFeatures, dtype);
  const auto labels = torch::arange(rows).remainder(kBlobClasses);
  const auto offsets = 2 * centres.index_select(0, labels);
  train::TrainData data;
  data.training = {offsets + draw(1), labels, torch::arange(labeled), torch::arange(rows)};
  data.test_inputs = offsets + draw(2);
  data.test_labels = labels;
  return data;
}

inline NoisyBatchNormLinear dense_stage(const NoisyBatchNormLinearOptions& options) {
  return NoisyBatchNormLinear(options);
}

/// 12-16-8-3 with initial parameters of the stream "init" of `seed`.
inline Ladder small_ladder(uint64_t seed = 1, std::vector<double> lambda = {10, 1, 0.1, 0.1}) {
  Ladder net(
      LadderOptions{.input_shape = {kBlobFeatures}, .lambda = std::move(lambda)},
      Stages{dense_stage({.in_features = kBlobFeatures, .out_features = 16}),
             dense_stage({.in_features = 16, .out_features = 8}),
             dense_stage({.in_features = 8, .out_features = kBlobClasses, .softmax_top = true})});
  reset_parameters(*net, stream_seed(seed, "init"));
  return net;
}

/// 4 epochs of 6 steps over 300 rows; no files.
inline train::TrainOptions quick_options() {
  return {.epochs = 4, .learning_rate = 0.01, .unlabeled_batch = 50, .evaluation_batch = 100};
}

/// Parameters and buffers are equal, bit for bit.
inline void require_same_network(const torch::nn::Module& a, const torch::nn::Module& b) {
  const auto compare = [](const torch::OrderedDict<std::string, torch::Tensor>& left,
                          const torch::OrderedDict<std::string, torch::Tensor>& right) {
    REQUIRE(left.keys() == right.keys());
    for (const auto& item : left) {
      INFO(item.key());
      REQUIRE(item.value().equal(right[item.key()]));
    }
  };
  compare(a.named_parameters(), b.named_parameters());
  compare(a.named_buffers(), b.named_buffers());
}

inline bool same_parameters(const torch::nn::Module& a, const torch::nn::Module& b) {
  const auto left = a.parameters();
  const auto right = b.parameters();
  for (size_t i = 0; i < left.size(); ++i) {
    if (!left[i].equal(right[i])) return false;
  }
  return true;
}

/// Train `net` with `piece` by quick_options, stopping once after `stop` steps (0: not at all), and
/// return its first parameter. Nothing is written: see resumed_with.
inline torch::Tensor trained_with(Ladder& net, std::shared_ptr<train::ObjectivePiece> piece,
                                  const train::TrainData& data, int64_t stop) {
  train::Trainer trainer(train::with_pieces(train::objective(net), {std::move(piece)}), data,
                         quick_options());
  trainer.callbacks.stop_requested = [&] { return stop > 0 && trainer.step() == stop; };
  trainer.run();
  trainer.callbacks.stop_requested = {};
  if (stop > 0) trainer.run();
  return net->parameters().front().detach().clone();
}

/// Train a network with a piece as trained_with does, but go on from the files of the first part
/// with a network, a piece and a trainer of their own; return the first parameter.
inline torch::Tensor resumed_with(
    const std::function<std::shared_ptr<train::ObjectivePiece>(Ladder&)>& make_piece,
    const train::TrainData& data, int64_t stop) {
  const TemporaryFolder folder;
  torch::Tensor first;
  for (const bool resume : {false, true}) {
    auto net = small_ladder();
    auto options = quick_options();
    options.record = runs::in_folder(folder.path(), {.resume = resume});
    train::Trainer trainer(train::with_pieces(train::objective(net), {make_piece(net)}), data,
                           options);
    if (!resume) trainer.callbacks.stop_requested = [&] { return trainer.step() == stop; };
    const auto status = trainer.run().status;
    REQUIRE(status == (resume ? train::TrainStatus::kFinished : train::TrainStatus::kInterrupted));
    first = net->parameters().front().detach().clone();
  }
  return first;
}

}  // namespace ladder::testing
