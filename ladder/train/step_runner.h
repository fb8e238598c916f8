/// Training steps: forward, backward, update; recorded and replayed on a GPU.
#pragma once

#include <torch/optim/optimizer.h>
#include <torch/types.h>

#include <memory>
#include <optional>
#include <vector>

#include "ladder/core/random.h"
#include "ladder/data/sampler.h"
#include "ladder/ops/product.h"
#include "ladder/train/communicator.h"
#include "ladder/train/objective.h"
#include "ladder/train/step_graph.h"

namespace ladder::train {

class GradientExchange;

struct StepRunnerOptions {
  /// Plan of products; by default the one in use on the thread that makes the runner.
  std::optional<ops::ProductPlan> products = {};
  /// Record the step and replay it as a CUDA graph, see StepGraph: the same numbers in less time.
  /// By default on CUDA with float32 parameters and FusedAdam. On the CPU it changes nothing.
  std::optional<bool> graph = {};
  /// Ranks that take the steps together: gradients and costs are means over them, and the sampler
  /// gives each its own rows. None, or one: this process alone.
  std::shared_ptr<Communicator> ranks = {};
  /// Rows that normalise those of a rank, the same on all ranks. For one rank it changes nothing.
  RankStatistics statistics = RankStatistics::kLocal;
};

/// Runs training steps. A step depends only on the parameters, the state of the optimiser, the
/// position in the noise stream and the step number.
///
/// A step waits for nothing: its costs stay on the device. The first steps are queued as they are;
/// then one is recorded where `graph` asks for it, in a stream of the runner. A recorded step keeps
/// the options that the network had: what changes them from step to step needs `graph = false`, or
/// `StepHooks::before_step` with tensors that stay.
///
/// With several ranks, each draws its own part of the noise (NoiseSource::part). A rank that is
/// lost ends the step with a CommunicationError; parameters, optimiser and noise are then those
/// before the step.
///
/// Errors at construction: an objective without parameters, an optimiser that holds none of them,
/// `graph` with another optimiser than FusedAdam or with several ranks, a sampler of another number
/// of ranks, ranks with other statistics.
///
/// Example:
///
///     StepRunner runner(objective(net), adam, std::move(sampler), NoiseSource(1));
///     runner.enter();
///     const StepRunner::Scope scope(runner);
///     for (int64_t step = 0; step < 100; ++step) {
///       costs = runner.run({.step = step}, 0.002);         // on the device, nothing waits
///     }
///     runner.leave();                                      // before the parameters are read
class StepRunner {
 public:
  StepRunner(std::shared_ptr<Objective> objective,
             std::shared_ptr<torch::optim::Optimizer> optimizer, data::SemiSampler sampler,
             const NoiseSource& noise, const StepRunnerOptions& options = {});
  ~StepRunner();
  StepRunner(const StepRunner&) = delete;  // a recorded step refers to it
  StepRunner& operator=(const StepRunner&) = delete;

  /// The plan of products and the stream of a runner, in use on this thread while the scope lives.
  class Scope {
   public:
    explicit Scope(const StepRunner& runner)
        : stream_(runner.graph_ ? runner.graph_->stream() : std::nullopt),
          products_(runner.products_) {}

   private:
    c10::OptionalStreamGuard stream_;
    ops::ProductScope products_;
  };

  /// Let the runner see what was queued on the device elsewhere, and clear gradients: before steps.
  void enter();
  /// Wait for the steps: before others use what they wrote.
  void leave() const;

  /// Run step `position.step` with a learning rate, within a Scope. Returns its costs as one tensor
  /// on the device: those of the terms, then the total.
  torch::Tensor run(const StepPosition& position, double learning_rate);

  /// Ask all ranks to stop, with the next step.
  void request_stop(bool stop);
  /// Return true if some rank had requested a stop before the last step; false for one rank.
  bool stop_agreed() const;
  /// Return how long ranks exchange gradients, after some 20 steps; none before, or for one rank.
  std::optional<ExchangeTimes> exchange_times() const;

  Objective& objective() { return *objective_; }
  torch::optim::Optimizer& optimizer() { return *optimizer_; }
  const data::SemiSampler& sampler() const { return sampler_; }
  const NoiseSource& noise() const { return noise_; }
  /// Continue from the place of `noise`.
  void set_noise(const NoiseSource& noise);
  const ops::ProductPlan& products() const { return products_; }
  void set_products(const ops::ProductPlan& products) { products_ = products; }

 private:
  void check_same_statistics(Communicator& ranks) const;
  torch::Tensor shared_step(SemiBatch batch, NoiseSource& noise);
  torch::Tensor update(const SemiBatch& batch, NoiseSource& noise);
  torch::Tensor replay(int64_t step);
  void record(int64_t step);
  void clear_gradients();

  // What a recorded step reads and writes.
  struct Recorded {
    torch::Tensor labeled_rows, unlabeled_rows;  // set before each step
    torch::Tensor noise_position;                // moved on by the step itself
    torch::Tensor costs;
    uint64_t noise_blocks = 0;  // that a step draws
  };

  std::shared_ptr<Objective> objective_;
  std::shared_ptr<torch::optim::Optimizer> optimizer_;
  data::SemiSampler sampler_;
  NoiseSource noise_;
  ops::ProductPlan products_;
  std::vector<torch::Tensor> parameters_;
  std::unique_ptr<StepGraph> graph_;
  Recorded recorded_;
  int64_t warm_up_;
  RankStatistics statistics_;
  std::unique_ptr<GradientExchange> exchange_;  // null for one rank
};

}  // namespace ladder::train
