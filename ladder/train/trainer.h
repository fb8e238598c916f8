/// The training loop.
#pragma once

#include <torch/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ladder/data/sampler.h"
#include "ladder/nn/ladder.h"
#include "ladder/ops/product.h"
#include "ladder/train/evaluate.h"
#include "ladder/train/evaluation.h"

namespace ladder::train {

/// How to train; the defaults are those of [Rasmus2015].
struct TrainOptions {
  int64_t epochs = 150;  ///< of the unlabeled rows, see data::SemiSampler
  double learning_rate = 0.002;
  double decay_from = 0.67;  ///< fraction of the epochs, see LinearDecay
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  std::optional<int64_t> labeled_batch = {};  ///< by default min(100, labeled rows)
  int64_t unlabeled_batch = 100;
  /// Of the run. Streams of their own: "shuffle" (order of the rows), "noise". Initial parameters
  /// are those the network comes with: reset_parameters(*net, stream_seed(seed, "init")).
  uint64_t seed = 1;

  int64_t eval_every = 1;  ///< epochs; the last epoch is always evaluated; 0: only that one
  Calibration calibration = Calibration::kTrainingRows;
  int64_t calibration_rows = 0;     ///< that many of them, evenly spread; 0: all
  int64_t evaluation_batch = 1000;  ///< rows at a time, in calibration and evaluation
  /// Stop when the validation error has not improved for so many epochs; 0: never. The weights are
  /// those of the last epoch trained.
  int64_t patience = 0;

  /// Whether the step is recorded and replayed as a CUDA graph, see StepGraph: the same numbers in
  /// less time. By default on CUDA with float32 parameters. On the CPU it brings nothing. A
  /// recorded step keeps the options that the network had when training began: callbacks that
  /// change them (its lambda, the noise of a stage) need `graph = false`.
  std::optional<bool> graph = {};

  /// How products are computed in steps and evaluations. By default the plan in use on the thread
  /// that makes the trainer (see ops::product_plan). A resumed run keeps the plan that it was
  /// started with; another one given here is refused.
  std::optional<ops::ProductPlan> products = {};

  std::filesystem::path out = {};  ///< folder of the run, see RunFolder; empty: no files
  bool resume = false;             ///< continue the run in `out` where there is one
  std::string config = "{}";       ///< JSON object for config.json; compared on resume
  double checkpoint_every_seconds = 60;
  double progress_every_seconds = 1;
};

/// Rows to train and evaluate on, all on the network's device.
struct TrainData {
  data::SemiData training;
  torch::Tensor validation = {};   ///< int64 [v], rows of `training.inputs`; undefined for none
  torch::Tensor test_inputs = {};  ///< like `training.inputs`; undefined for none
  torch::Tensor test_labels = {};  ///< int64
};

/// Where a run stands, for a progress line.
struct Progress {
  int64_t epoch = 0;  ///< counted from 1, the one under way
  int64_t epochs = 0;
  int64_t step = 0;             ///< steps done
  int64_t steps = 0;            ///< of the whole run
  double steps_per_second = 0;  ///< since the last report
  double total = 0;             ///< mean cost over the epoch so far
  double seconds = 0;           ///< since the run began
};

/// What is called during a run, on the thread that trains.
struct TrainCallbacks {
  std::function<void(int64_t step)> on_step = {};  ///< after each step: steps done
  std::function<void(const Progress&)> on_progress = {};
  std::function<void(const Evaluation&)> on_evaluation = {};
  /// Asked after each step; true ends the run with a checkpoint and TrainStatus::kInterrupted.
  std::function<bool()> stop_requested = {};
};

/// Trains a ladder on labeled and unlabeled rows [Rasmus2015].
///
/// What a step does is a function of (seed, step), and a checkpoint holds all else that weights
/// depend on: a run that was interrupted, at any step, and resumed ends with the same weights, bit
/// for bit, as one that was not - on the same kind of machine, with the same number of threads, and
/// but for convolutions on CUDA, whose gradients cuDNN may sum in another order each time.
///
/// A step waits for nothing: costs stay on the device and are read every 100 steps; the order of
/// the rows goes there once in a while. On CUDA the whole of it - forward, backward, Adam, the rows
/// it gathers and the noise it draws - is one graph after the first steps, on a stream of the
/// trainer's own. A cost that is not finite ends the run:
///
///     Trainer: the denoising cost of level 1 is not finite at step 1234 (lower lambda or the
///     learning rate).
///
/// So does a parameter that is not finite when the network is evaluated or saved: a checkpoint
/// never holds one.
///
/// Errors at construction: options out of range, rows on another device or of another type than the
/// network's parameters, patience without validation rows, and those of SemiSampler and RunFolder.
///
///     auto net = models::full_ladder({});
///     reset_parameters(*net, stream_seed(1, "init"));
///     Trainer trainer(net, {.training = {x, labels, split.labeled, split.unlabeled}}, {.seed =
///     1}); trainer.callbacks.on_evaluation = [](const Evaluation& evaluation) { ... }; TrainResult
///     result = trainer.run();
class Trainer {
 public:
  Trainer(Ladder net, TrainData data, TrainOptions options = {});
  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;
  ~Trainer();

  /// Trains to the end, or until a stop is requested, and returns with the network in eval mode.
  /// The run in `out` is continued first where asked; one that has ended returns its result at
  /// once, with the network as its checkpoint has it. Called again after an interruption, it goes
  /// on.
  TrainResult run();

  int64_t steps_per_epoch() const;
  int64_t steps() const;  ///< of the whole run
  /// The step that the run stands at; above 0 before `run()` where it was resumed.
  int64_t step() const;

  TrainCallbacks callbacks;

 private:
  friend std::vector<TrainResult> run_together(std::vector<Trainer>& trainers);

  class Run;
  std::unique_ptr<Run> run_;
};

/// Runs several trainers at once, a step of each in turn, and returns their results in order. Every
/// one ends as it would have alone. On a GPU their recorded steps run side by side, each in the
/// stream of its trainer: small networks leave most of a large GPU idle. An error of one is thrown
/// when the others have ended.
///
///     std::vector<Trainer> trainers;                       // a seed each
///     const auto results = run_together(trainers);
std::vector<TrainResult> run_together(std::vector<Trainer>& trainers);

}  // namespace ladder::train
