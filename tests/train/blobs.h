#pragma once

#include <ladder/core/random.h>
#include <ladder/data/row_source.h>
#include <ladder/data/sampler.h>
#include <ladder/nn/ladder.h>
#include <ladder/nn/random_init.h>
#include <ladder/nn/stages/noisy_batch_norm_linear.h>
#include <ladder/runs/run_folder.h>
#include <ladder/train/trainer.h>
#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ladder/ops/noise.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/threads.h"

namespace ladder::testing {

/// A fixture: steps this small take longer on many threads, much longer on a busy machine. Not
/// threads::OneThread, which holds for the calling thread alone.
struct OneThread : ThreadsOfTest {
  OneThread() : ThreadsOfTest(1) {}
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

/// The rows and labels of `blobs`, as a source.
class BlobSource : public data::RowSource {
 public:
  int64_t rows() const override { return all_.labels.numel(); }
  std::vector<int64_t> row_shape() const override { return {kBlobFeatures}; }
  torch::Tensor inputs(const torch::Tensor& rows) const override {
    return all_.inputs.index_select(0, rows);
  }
  torch::Tensor labels(const torch::Tensor& rows) const override {
    return all_.labels.index_select(0, rows);
  }
  std::string fingerprint() const override { return "blobs"; }

 private:
  data::SemiData all_ = blobs().training;
};

inline NoisyBatchNormLinear dense_stage(const NoisyBatchNormLinearOptions& options) {
  return NoisyBatchNormLinear(options);
}

/// Dense layers of these sizes over kBlobFeatures, with initial parameters of the stream "init" of
/// `seed`.
inline Ladder blob_ladder(const std::vector<int64_t>& layers, std::vector<double> lambda,
                          uint64_t seed = 1) {
  Stages stages;
  int64_t in = kBlobFeatures;
  for (const auto units : layers) {
    const bool top = stages.size() + 1 == layers.size();
    stages.push_back(dense_stage({.in_features = in, .out_features = units, .softmax_top = top}));
    in = units;
  }
  Ladder net(LadderOptions{.input_shape = {kBlobFeatures}, .lambda = std::move(lambda)},
             std::move(stages));
  reset_parameters(*net, stream_seed(seed, "init"));
  return net;
}

/// 12-16-8-3.
inline Ladder small_ladder(uint64_t seed = 1, std::vector<double> lambda = {10, 1, 0.1, 0.1}) {
  return blob_ladder({16, 8, kBlobClasses}, std::move(lambda), seed);
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
  REQUIRE_FALSE(a.parameters().empty());
  compare(a.named_parameters(), b.named_parameters());
  compare(a.named_buffers(), b.named_buffers());
}

/// Whether all parameters are equal, bit for bit, of networks that have some.
inline bool same_parameters(const torch::nn::Module& a, const torch::nn::Module& b) {
  const auto left = a.parameters(), right = b.parameters();
  REQUIRE_FALSE(left.empty());
  REQUIRE(left.size() == right.size());
  return std::equal(left.begin(), left.end(), right.begin(),
                    [](const auto& x, const auto& y) { return x.equal(y); });
}

/// Train `net` with `piece` by quick_options, stopping once after `stop` steps (0: not at all), and
/// return how it ended. Nothing is written: see resumed_with.
inline train::TrainResult run_with(const Ladder& net, std::shared_ptr<train::ObjectivePiece> piece,
                                   const train::TrainData& data, int64_t stop) {
  train::Trainer trainer(train::with_pieces(train::objective(net), {std::move(piece)}), data,
                         quick_options());
  if (stop > 0) {
    trainer.callbacks.stop_requested = [&] { return trainer.step() == stop; };
    REQUIRE(trainer.run().status == train::TrainStatus::kInterrupted);
    trainer.callbacks.stop_requested = {};
  }
  const auto result = trainer.run();
  REQUIRE(result.status == train::TrainStatus::kFinished);
  return result;
}

/// Train as run_with does, and return the first parameter.
inline torch::Tensor trained_with(const Ladder& net, std::shared_ptr<train::ObjectivePiece> piece,
                                  const train::TrainData& data, int64_t stop) {
  run_with(net, std::move(piece), data, stop);
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
