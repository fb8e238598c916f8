#include "ladder/train/trainer.h"

#include <c10/core/InferenceMode.h>

#include <string>
#include <utility>

#include "ladder/train/cost_buffer.h"
#include "ladder/train/evaluator.h"
#include "ladder/train/internal/run_journal.h"
#include "ladder/train/internal/step_reports.h"
#include "ladder/train/internal/training_checks.h"
#include "ladder/train/run_clock.h"
#include "ladder/train/step_runner.h"

namespace ladder::train {
namespace {

bool stop_requested(const TrainCallbacks& callbacks) {
  return callbacks.stop_requested && callbacks.stop_requested();
}

}  // namespace

class Trainer::Run {
 public:
  Run(TrainParts parts, TrainData data, TrainOptions options)
      : options_(checked(std::move(options))),
        parts_(completed(std::move(parts), options_)),
        net_(parts_.objective->classifier()),
        data_(checked(std::move(data), *parts_.objective, options_)),
        runner_(parts_.objective, parts_.optimizer, sampler_of(data_, net_, options_),
                NoiseSource(stream_seed(start_seed(options_.seed, options_.start), "noise")),
                {.products = options_.products,
                 .graph = options_.graph,
                 .ranks = options_.ranks,
                 .statistics = options_.statistics}),
        costs_(parts_.objective->terms()),
        evaluator_(data_, net_,
                   {.calibration = options_.calibration,
                    .calibration_rows = options_.calibration_rows,
                    .batch = options_.evaluation_batch}),
        state_(first_state(parts_, data_, runner_.sampler(), options_)),
        journal_(options_, runner_, costs_, state_),
        reports_(options_, runner_, costs_) {}

  int64_t steps_per_epoch() const { return runner_.sampler().steps_per_epoch(); }
  int64_t steps() const { return options_.epochs * steps_per_epoch(); }
  int64_t step() const { return state_.step; }

  std::optional<TrainResult> begin() {
    auto& net = runner_.objective().module();
    if (const auto& earlier = journal_.earlier_result()) {
      net.eval();
      return earlier;
    }
    runner_.enter();
    net.train();
    clock_.start(state_.seconds, state_.training_seconds);
    reports_.start(state_.step, clock_.seconds());
    evaluation_meter_.start(state_.step, clock_.training_seconds());
    journal_.begin(clock_.now());
    clock_.pause();
    return std::nullopt;
  }

  std::optional<TrainResult> advance(const TrainCallbacks& hooks) {
    const StepRunner::Scope scope(runner_);
    const Turn turn(clock_);
    try {
      if (at_evaluation() && state_.evaluated_epoch < epoch()) {  // stopped before it was written
        evaluate(hooks);
      } else if (!ended()) {
        train_step(hooks);
        if (at_evaluation()) evaluate(hooks);
      }
    } catch (const CommunicationError& error) {  // nothing of the step stays
      const auto lost = journal_.save_after(error, clock_);
      leave(TrainStatus::kInterrupted);
      throw CommunicationError(lost);
    }
    if (ended()) return finish();
    if (several_ranks(options_) ? runner_.stop_agreed() : stop_requested(hooks)) {
      journal_.save(clock_);
      return leave(TrainStatus::kInterrupted);
    }
    journal_.save_if_due(clock_);
    return std::nullopt;
  }

 private:
  // The steps of a turn are training; what other trainers do between two turns is not.
  class Turn {
   public:
    explicit Turn(RunClock& clock) : clock_(clock) { clock_.go(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() { clock_.pause(); }

   private:
    RunClock& clock_;
  };

  StepPosition position(int64_t step) const { return {step, steps_per_epoch(), steps()}; }
  int64_t epoch() const { return state_.step / steps_per_epoch(); }

  bool at_evaluation() const {
    if (state_.step == 0 || state_.step % steps_per_epoch() != 0) return false;
    return epoch() == options_.epochs ||
           (options_.eval_every > 0 && epoch() % options_.eval_every == 0);
  }

  bool ended() const {
    const bool early = options_.patience > 0 && state_.best_epoch > 0 &&
                       state_.evaluated_epoch - state_.best_epoch >= options_.patience;
    return early || state_.step >= steps();
  }

  void train_step(const TrainCallbacks& hooks) {
    if (state_.step % steps_per_epoch() == 0) costs_.start_epoch();
    const auto at = position(state_.step);
    if (several_ranks(options_)) runner_.request_stop(stop_requested(hooks));
    auto costs = runner_.run(at, parts_.schedule(at));
    costs_.add(std::move(costs), ++state_.step);
    reports_.tell(hooks, position(state_.step), clock_.seconds());
  }

  void evaluate(const TrainCallbacks& hooks) {
    costs_.read();
    check_same_parameters(options_.ranks, runner_.objective().module(), state_.step);
    journal_.save_first(clock_);
    clock_.pause();
    check_parameters(runner_.objective().module(), state_.step);
    Evaluation evaluation{.epoch = epoch(), .step = state_.step};
    evaluation.learning_rate = parts_.schedule(position(state_.step - 1));
    costs_.write_means(steps_per_epoch(), runner_.objective().levels(), evaluation);
    measure(evaluation);
    agree_on_validation(options_.ranks, evaluation);
    evaluation.seconds = clock_.seconds();
    evaluation.steps_per_second = evaluation_meter_.look(state_.step, clock_.training_seconds());
    journal_.append(evaluation);
    if (hooks.on_evaluation) hooks.on_evaluation(evaluation);
    clock_.go();
  }

  void measure(Evaluation& evaluation) {
    auto& objective = runner_.objective();
    objective.begin_evaluation();
    try {
      evaluator_.measure(evaluation, epoch() == options_.epochs);
    } catch (...) {
      objective.end_evaluation();  // a run that goes on needs those of training
      throw;
    }
    objective.end_evaluation();
  }

  TrainResult leave(TrainStatus status) {
    runner_.objective().module().eval();
    runner_.leave();
    return journal_.result(status, clock_);
  }

  TrainResult finish() {
    runner_.objective().begin_evaluation();  // the network stays as it was measured
    journal_.save(clock_);
    const auto result =
        leave(state_.step >= steps() ? TrainStatus::kFinished : TrainStatus::kStoppedEarly);
    const auto& labeled = data_.training.labeled;
    journal_.finish(result, {.seed = options_.seed,
                             .labels = labeled.defined() ? labeled.numel() : 0,
                             .epochs = options_.epochs});
    return result;
  }

  TrainOptions options_;
  TrainParts parts_;
  Ladder net_;  // the classifier; empty where the objective has none
  TrainData data_;
  StepRunner runner_;
  CostBuffer costs_;
  Evaluator evaluator_;
  RunClock clock_;
  StepMeter evaluation_meter_;
  TrainState state_;
  RunJournal journal_;
  StepReports reports_;
};

Trainer::Trainer(Ladder net, TrainData data, TrainOptions options)
    : Trainer(train::objective(net), std::move(data), std::move(options)) {}
Trainer::Trainer(std::shared_ptr<Objective> objective, TrainData data, TrainOptions options)
    : Trainer(TrainParts{.objective = std::move(objective)}, std::move(data), std::move(options)) {}
Trainer::Trainer(TrainParts parts, TrainData data, TrainOptions options)
    : run_([&] {
        const c10::InferenceMode off(false);
        return std::make_unique<Run>(std::move(parts), std::move(data), std::move(options));
      }()) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

TrainResult Trainer::run() {
  auto result = begin();
  while (!result) result = advance();
  return *result;
}

// A run computes gradients and keeps tensors, whatever mode the caller is in.
std::optional<TrainResult> Trainer::begin() {
  const c10::InferenceMode off(false);
  return run_->begin();
}
std::optional<TrainResult> Trainer::advance() {
  const c10::InferenceMode off(false);
  return run_->advance(callbacks);
}

int64_t Trainer::steps_per_epoch() const { return run_->steps_per_epoch(); }
int64_t Trainer::steps() const { return run_->steps(); }
int64_t Trainer::step() const { return run_->step(); }

}  // namespace ladder::train
