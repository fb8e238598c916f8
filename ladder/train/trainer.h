/// The training loop.
#pragma once

#include <torch/optim/optimizer.h>
#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "ladder/nn/ladder.h"
#include "ladder/ops/product.h"
#include "ladder/train/communicator.h"
#include "ladder/train/evaluate.h"
#include "ladder/train/evaluation.h"
#include "ladder/train/objective.h"
#include "ladder/train/run_record.h"
#include "ladder/train/train_data.h"

namespace ladder::train {

/// How to train; the defaults are those of [Rasmus2015].
struct TrainOptions {
  int64_t epochs = 150;          ///< passes over the unlabeled rows, see data::SemiSampler
  double learning_rate = 0.002;  ///< above 0
  double decay_from = 0.67;      ///< fraction of the epochs, see LinearDecay
  double warm_up = 0;            ///< epochs over which the rate rises from 0, see LinearDecay
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  std::optional<int64_t> labeled_batch = {};  ///< by default min(100, labeled rows)
  int64_t unlabeled_batch = 100;
  /// With an unlabeled_batch of 0: rows that a step counts for, see data::SamplerOptions. The
  /// unlabeled batch of a ladder gives a baseline that takes as many steps.
  std::optional<int64_t> epoch_batch = {};
  /// Seed of the run, for the order of the rows (stream "shuffle") and noise (stream "noise").
  /// Initial parameters are those the network comes with: reset_parameters(*net, stream_seed(seed,
  /// "init")).
  uint64_t seed = 1;
  /// Number of the start, from 1, if several runs start from the same seed. Each start has its own
  /// order of rows and its own noise. For its initial parameters use start_seed(seed, start) as the
  /// seed.
  int64_t start = 1;

  int64_t eval_every = 1;  ///< epochs; the last epoch is always evaluated; 0: only that one
  Calibration calibration = Calibration::kTrainingRows;
  int64_t calibration_rows = 0;     ///< that many of them, evenly spread; 0: all
  int64_t evaluation_batch = 1000;  ///< rows at a time, in calibration and evaluation
  /// Stop after this many epochs without a better validation error; 0: never. The weights are those
  /// of the last epoch trained.
  int64_t patience = 0;

  /// Plan of products in steps and evaluations. By default the one in use on the thread that makes
  /// the trainer (see ops::product_plan). A resumed run keeps the plan that it was started with;
  /// another one given here is refused.
  std::optional<ops::ProductPlan> products = {};
  /// Record the step and replay it as a CUDA graph, see StepRunner. A recorded step keeps the
  /// options that the network had when training began: callbacks that change them (its lambda, the
  /// noise of a stage) need `graph = false`.
  std::optional<bool> graph = {};

  /// Processes that train this network together (train/communicator.h). Each takes its own rows of
  /// a step, as many as one process would; the gradient is the mean over ranks, and an epoch has
  /// fewer steps. All ranks make the same trainer. Only rank 0 opens the record, and hands what it
  /// resumes to the others.
  /// None: this process alone.
  std::shared_ptr<Communicator> ranks = {};
  /// Rows whose mean and variance normalise the rows of a rank. With kSynchronised, N ranks compute
  /// the same as one process with a batch N times as large, except for rounding. Each normalisation
  /// then needs two more exchanges per step, and dense networks use autograd. No effect for one
  /// rank.
  RankStatistics statistics = RankStatistics::kLocal;

  /// Where the run is recorded, in a folder say: runs::in_folder("runs/a", {.resume = true}). None:
  /// no files. It is opened once the options and data have been checked.
  RunRecordFactory record = {};
  double checkpoint_every_seconds = 60;
  double progress_every_seconds = 1;
};

/// Return the seed of the streams of start `start` of a run: `seed` itself for the first one.
uint64_t start_seed(uint64_t seed, int64_t start);

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

/// Functions that a run calls, on the thread that trains.
struct TrainCallbacks {
  std::function<void(int64_t step)> on_step = {};  ///< after each step: steps done
  std::function<void(const Progress&)> on_progress = {};
  std::function<void(const Evaluation&)> on_evaluation = {};
  /// Asked after each step; true ends the run with a checkpoint and TrainStatus::kInterrupted. The
  /// statistics of the network are then those of the last evaluation: call `calibrate` before
  /// predicting with it.
  std::function<bool()> stop_requested = {};
  /// Called once, after some 20 steps of several ranks.
  std::function<void(const ExchangeTimes&)> on_exchange = {};
};

/// The learning rate of a step.
using Schedule = std::function<double(const StepPosition&)>;

/// Parts of a trainer that the caller provides.
struct TrainParts {
  std::shared_ptr<Objective> objective;
  /// By default FusedAdam with learning_rate, beta1, beta2 and eps of TrainOptions. Checkpoints
  /// hold the state of any optimiser that saves it; only steps of FusedAdam can be recorded.
  /// The schedule sets the rate of all its parameter groups, which therefore begin with one.
  std::shared_ptr<torch::optim::Optimizer> optimizer = {};
  /// By default LinearDecay with learning_rate, epochs, decay_from and warm_up of TrainOptions.
  Schedule schedule = {};
};

/// Trains a ladder on labeled and unlabeled rows [Rasmus2015], or any other objective.
///
/// A step depends only on (seed, step), and a checkpoint holds everything else that the weights
/// depend on. A run that is interrupted at any step and resumed therefore ends with the same
/// weights, bit for bit, as an uninterrupted one. This holds on the same kind of machine with the
/// same number of threads, except for convolutions on CUDA, whose gradients cuDNN may sum in a
/// different order each time. Resuming with other settings, data, products or another optimiser is
/// refused, except for when and how to evaluate: eval_every, evaluation_batch, calibration,
/// calibration_rows and patience may change. A schedule of your own is not compared.
///
/// A step waits for nothing: costs stay on the device and are read every 100 steps (CostBuffer). On
/// CUDA the whole of it is one graph after the first steps (StepRunner). A cost that is not finite
/// ends the run with an error, and so does a parameter that is not finite when the network is
/// evaluated or saved: a checkpoint never holds one.
///
/// Several ranks have the same parameters, bit for bit, after each step, and in every run with as
/// many ranks; they compare them at each evaluation. If one rank is asked to stop, all stop. If a
/// rank is lost, the others end with a CommunicationError after rank 0 has written a checkpoint of
/// the last whole step, from which any number of ranks goes on.
///
/// Errors at construction: options out of range; rows of another shape than the network's, on
/// another device or of another type than its parameters; parameter groups of different rates;
/// values that are not finite (the first row and column are named); no labeled rows for a
/// classifier, or no unlabeled ones for a batch of them; validation rows among the labeled ones;
/// labels out of range; a network in Half or BFloat16, built in c10::InferenceMode, or without a
/// parameter that has gradients; patience without validation rows or evaluations; a
/// record whose checkpoint is missing or of other settings or data; errors of SemiSampler and of
/// the record.
// clang-format off
///
///     auto net = models::full_ladder({});
///     reset_parameters(*net, stream_seed(1, "init"));
///     Trainer trainer(net, {.training = {x, labels, split.labeled, split.unlabeled}}, {.seed = 1});
///     trainer.callbacks.on_evaluation = [](const Evaluation& evaluation) { ... };
///     TrainResult result = trainer.run();
// clang-format on
class Trainer {
 public:
  Trainer(Ladder net, TrainData data, TrainOptions options = {});
  Trainer(std::shared_ptr<Objective> objective, TrainData data, TrainOptions options = {});
  Trainer(TrainParts parts, TrainData data, TrainOptions options = {});
  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;
  ~Trainer();

  /// Train to the end, or until a stop is requested, and return with the network in eval mode. A
  /// run that has ended returns its recorded result at once, with the network as its checkpoint has
  /// it. Called again after an interruption, it goes on. Computes gradients also where the caller
  /// has switched them off (NoGradGuard, InferenceMode).
  TrainResult run();

  int64_t steps_per_epoch() const;
  int64_t steps() const;  ///< of the whole run
  /// The step that the run stands at; above 0 before `run()` where it was resumed.
  int64_t step() const;

  TrainCallbacks callbacks;

 private:
  friend std::vector<TrainResult> run_together(std::vector<Trainer>& trainers);

  // The result, where the run has ended already.
  std::optional<TrainResult> begin();
  // One step and what is due after it; the result when that was the last.
  std::optional<TrainResult> advance();

  class Run;
  std::unique_ptr<Run> run_;
};

/// Run several trainers at once, a step of each in turn, and return their results in order. Each
/// one ends as it would have alone. On a GPU their recorded steps run side by side, each in the
/// stream of its trainer: small networks leave most of a large GPU idle. The training seconds of
/// each are those of its own turns. An error of one is thrown when the others have ended.
///
///     std::vector<Trainer> trainers;                       // a seed each
///     const auto results = run_together(trainers);
std::vector<TrainResult> run_together(std::vector<Trainer>& trainers);

}  // namespace ladder::train
